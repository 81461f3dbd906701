"""The output audio buffer: replies are queued and played in real time, 20 ms per slot. Sans-I/O.

It starts to play a reply before all of it is generated, counts what was sent, and reports its
beginning and end.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from mixer_core.bus.pcm import FRAME_BYTES, FRAME_MS

_PREBUFFER_FRAMES = 3


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """The first frame of a response is sent in this slot."""

    response_id: str


@dataclass(frozen=True, slots=True)
class PlaybackStopped:
    """The last frame of a response has been sent."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A reply that ``clear`` cut short."""

    response_id: str
    item_id: str
    played_ms: int
    """Length of what had been sent."""
    started: bool
    """Whether its playback had begun."""


PlaybackEvent = PlaybackStarted | PlaybackStopped


@dataclass(slots=True)
class _Reply:
    response_id: str
    item_id: str
    frames: deque[bytes] = field(default_factory=deque)
    rest: bytes = b""
    complete: bool = False
    played_frames: int = 0
    started: bool = False


class OutputAudio:
    """Plays one reply after the other, in order."""

    def __init__(self) -> None:
        self._replies: deque[_Reply] = deque()

    @property
    def playing(self) -> bool:
        """Whether a reply is between its start and its end."""
        return bool(self._replies) and self._replies[0].started

    def begin(self, response_id: str, item_id: str) -> None:
        """Add an empty reply to the queue."""
        self._replies.append(_Reply(response_id, item_id))

    def append(self, item_id: str, pcm: bytes) -> None:
        """Append PCM16 (any even length) to a reply; ignored after it was cleared."""
        reply = self._find(item_id)
        if reply is None:
            return
        data = reply.rest + pcm
        whole = len(data) - len(data) % FRAME_BYTES
        reply.frames.extend(data[i : i + FRAME_BYTES] for i in range(0, whole, FRAME_BYTES))
        reply.rest = data[whole:]

    def finish(self, item_id: str) -> None:
        """Mark a reply as complete, and pad its last frame."""
        reply = self._find(item_id)
        if reply is None:
            return
        if reply.rest:
            reply.frames.append(reply.rest.ljust(FRAME_BYTES, b"\0"))
            reply.rest = b""
        reply.complete = True

    def next_frame(self) -> tuple[bytes | None, list[PlaybackEvent]]:
        """Return the frame of the next slot (960 bytes; None: silence), and what begins or ends."""
        events: list[PlaybackEvent] = []
        while self._replies:
            reply = self._replies[0]
            if not reply.started and (reply.complete or len(reply.frames) >= _PREBUFFER_FRAMES):
                reply.started = bool(reply.frames)
                if reply.started:
                    events.append(PlaybackStarted(reply.response_id))
            if reply.started and reply.frames:
                reply.played_frames += 1
                return reply.frames.popleft(), events
            if not reply.complete:
                break
            self._replies.popleft()
            if reply.started:
                events.append(PlaybackStopped(reply.response_id))
        return None, events

    def clear(self) -> list[Interrupted]:
        """Drop everything; returns the replies that were cut short, oldest first."""
        cut = [
            Interrupted(r.response_id, r.item_id, r.played_frames * FRAME_MS, r.started)
            for r in self._replies
        ]
        self._replies.clear()
        return cut

    def _find(self, item_id: str) -> _Reply | None:
        return next((reply for reply in self._replies if reply.item_id == item_id), None)

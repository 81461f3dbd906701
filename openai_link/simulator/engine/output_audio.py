"""The output audio buffer: replies wait here and leave in real time, 20 ms per slot. Sans-I/O.

A reply may be longer than what has been generated of it so far; the buffer starts to play it once
a little is there, counts what was really sent, and says when it began and ended.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from mixer_core.bus.pcm import FRAME_BYTES, FRAME_MS

_PREBUFFER_FRAMES = 3


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """The first frame of a response is being sent."""

    response_id: str


@dataclass(frozen=True, slots=True)
class PlaybackStopped:
    """The last frame of a response has been sent."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """One reply that was thrown away by ``clear``."""

    response_id: str
    item_id: str
    played_ms: int
    """How much of it had been sent."""
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
    """First in, first out, one reply after the other."""

    def __init__(self) -> None:
        self._replies: deque[_Reply] = deque()

    @property
    def playing(self) -> bool:
        """Whether a reply is between its start and its end."""
        return bool(self._replies) and self._replies[0].started

    @property
    def queued_ms(self) -> int:
        """Audio that waits to be sent."""
        return sum(len(reply.frames) for reply in self._replies) * FRAME_MS

    def begin(self, response_id: str, item_id: str) -> None:
        """Announce a reply."""
        self._replies.append(_Reply(response_id, item_id))

    def append(self, item_id: str, pcm: bytes) -> None:
        """Add generated PCM16 (any even length) to a reply; ignored once it was cleared."""
        reply = self._find(item_id)
        if reply is None:
            return
        data = reply.rest + pcm
        whole = len(data) - len(data) % FRAME_BYTES
        reply.frames.extend(data[i : i + FRAME_BYTES] for i in range(0, whole, FRAME_BYTES))
        reply.rest = data[whole:]

    def finish(self, item_id: str) -> None:
        """Say that nothing more comes for a reply; a rest is padded to one frame."""
        reply = self._find(item_id)
        if reply is None:
            return
        if reply.rest:
            reply.frames.append(reply.rest.ljust(FRAME_BYTES, b"\0"))
            reply.rest = b""
        reply.complete = True

    def next_frame(self) -> tuple[bytes | None, list[PlaybackEvent]]:
        """Take the next slot's frame (960 bytes, None: silence) and what happened with it."""
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
        """Throw everything away; returns the replies that this cut short, oldest first."""
        cut = [
            Interrupted(r.response_id, r.item_id, r.played_frames * FRAME_MS, r.started)
            for r in self._replies
        ]
        self._replies.clear()
        return cut

    def _find(self, item_id: str) -> _Reply | None:
        return next((reply for reply in self._replies if reply.item_id == item_id), None)

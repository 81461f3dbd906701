"""The output audio buffer: replies are queued and played in real time, 20 ms per slot. Sans-I/O.

It starts to play a message before all of it is generated, counts what was sent, and reports the
beginning and the end of each response: once, however many messages it has.
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
    """A message that ``clear`` cut short."""

    response_id: str
    item_id: str
    played_ms: int
    """Length of what had been sent."""


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
    """Plays one message after the other, in order."""

    def __init__(self) -> None:
        self._replies: deque[_Reply] = deque()
        self.playing = ""
        """The response that is between its start and its end; empty: none is."""
        self._generated: set[str] = set()
        """Responses of which no other message follows."""

    def begin(self, response_id: str, item_id: str) -> None:
        """Add an empty message to the queue."""
        self._replies.append(_Reply(response_id, item_id))

    def append(self, item_id: str, pcm: bytes) -> None:
        """Append PCM16 (any even length) to a message; ignored after it was cleared."""
        reply = self._find(item_id)
        if reply is None:
            return
        data = reply.rest + pcm
        whole = len(data) - len(data) % FRAME_BYTES
        reply.frames.extend(data[i : i + FRAME_BYTES] for i in range(0, whole, FRAME_BYTES))
        reply.rest = data[whole:]

    def finish(self, item_id: str) -> None:
        """Mark a message as complete, and pad its last frame."""
        reply = self._find(item_id)
        if reply is None:
            return
        if reply.rest:
            reply.frames.append(reply.rest.ljust(FRAME_BYTES, b"\0"))
            reply.rest = b""
        reply.complete = True

    def generated(self, response_id: str) -> None:
        """No other message of a response follows."""
        self._generated.add(response_id)

    def next_frame(self) -> tuple[bytes | None, list[PlaybackEvent]]:
        """Return the frame of the next slot (960 bytes; None: silence), and what begins or ends."""
        events: list[PlaybackEvent] = []
        while self._replies:
            reply = self._replies[0]
            if not reply.started and (reply.complete or len(reply.frames) >= _PREBUFFER_FRAMES):
                reply.started = bool(reply.frames)
                if reply.started and self.playing != reply.response_id:
                    events += [*self._end(), PlaybackStarted(reply.response_id)]
                    self.playing = reply.response_id
            if reply.started and reply.frames:
                reply.played_frames += 1
                return reply.frames.popleft(), events
            if not reply.complete:
                break
            self._replies.popleft()
        waiting = {reply.response_id for reply in self._replies}
        if self.playing in self._generated - waiting:
            events += self._end()
        self._generated &= {*waiting, self.playing}
        return None, events

    def _end(self) -> list[PlaybackEvent]:
        ended, self.playing = self.playing, ""
        return [PlaybackStopped(ended)] if ended else []

    def clear(self) -> list[Interrupted]:
        """Drop everything; returns the messages that were cut short, oldest first."""
        cut = [
            Interrupted(r.response_id, r.item_id, r.played_frames * FRAME_MS) for r in self._replies
        ]
        self._replies.clear()
        self._generated.clear()
        self.playing = ""
        return cut

    def _find(self, item_id: str) -> _Reply | None:
        return next((reply for reply in self._replies if reply.item_id == item_id), None)

"""Plays a reply that comes faster than it is spoken in real time (WebSocket). Sans-I/O.

The server sends a reply as fast as it generates it; the player gives out one frame every 20 ms, the
first few at once so that the listeners' buffers fill. It says when a reply begins to play, has been
played to the end, or was cut off: what the server says over WebRTC by ``output_audio_buffer``
events.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from mixer_core.bus.pcm import FRAME_BYTES, FRAME_NS, SAMPLE_BYTES, SAMPLE_RATE_HZ

LEAD_FRAMES = 3
"""Frames that are played at once at the beginning, and at most after a stall of this process."""
MAX_WAITING_BYTES = 30 * 60 * SAMPLE_RATE_HZ * 2
"""Half an hour of audio may wait; more is dropped."""
MAX_REPLIES, MAX_PARTS = 32, 64
"""Replies that may wait, and items of one; audio of more is dropped."""
MAX_OPEN = 8
"""Responses that may be generated at once; the oldest is forgotten."""
REMEMBERED = 16
"""Replies that were cut off, whose late audio is ignored."""


@dataclass(frozen=True, slots=True)
class Play:
    """Play this frame now."""

    pcm: bytes
    """960 bytes; the last frame of an item is padded with silence."""


@dataclass(frozen=True, slots=True)
class Started:
    """The first audio of a reply follows."""

    response: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A reply has been played to the end."""

    response: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A reply was cut off."""

    response: str
    was_heard: bool
    """It had begun to play."""


PlayerAction = Play | Started | Stopped


@dataclass(slots=True)
class _Part:
    """One item's audio in a reply, whatever contents of the item it is of."""

    item: str
    waiting: bytearray = field(default_factory=bytearray)
    is_complete: bool = False


@dataclass(slots=True)
class _Reply:
    response: str
    parts: deque[_Part] = field(default_factory=deque)
    is_complete: bool = False
    has_begun: bool = False


class ReplyPlayer:
    """Plays the replies of one session, one after the other."""

    def __init__(self) -> None:
        self.dropped_bytes = 0
        """Audio that came after its reply was cut off, or found no room."""
        self._replies: deque[_Reply] = deque()
        self._cut: deque[str] = deque(maxlen=REMEMBERED)
        self._open: dict[str, None] = {}
        """Responses that are being generated."""
        self._newest = ""
        """The response that began last."""
        self._slot_ns = 0
        """When the next frame may be played."""
        self._due_ns: int | None = None
        self._waiting_bytes = 0

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None if there is nothing to play (yet)."""
        return self._due_ns

    def begun(self, response: str) -> None:
        """A response is being generated; its audio may follow. Empty: it has no name."""
        self._newest = response
        self._open[response] = None
        self._forget_nameless()
        if len(self._open) > MAX_OPEN:
            del self._open[next(iter(self._open))]

    def push(self, response: str, item: str, pcm: bytes, now_ns: int) -> None:
        """More audio of an item: PCM16 at 24 kHz, cut anywhere.

        ``response``: empty where the server does not say; then it is the newest.
        """
        if not pcm:
            return
        response = response or self._newest
        full = self._waiting_bytes + len(pcm) > MAX_WAITING_BYTES
        is_usable = response not in self._cut and not full
        part = self._part(response, item) if is_usable else None
        if part is None:
            self.dropped_bytes += len(pcm)
            return
        part.waiting += pcm
        part.is_complete = False
        self._waiting_bytes += len(pcm)
        self._rearm(now_ns)

    def item_done(self, item: str, now_ns: int) -> None:
        """No more audio of this item, or of one of its contents."""
        for reply in self._replies:
            for part in reply.parts:
                if part.item == item:
                    part.is_complete = True
        self._rearm(now_ns)

    def response_done(self, response: str, now_ns: int) -> None:
        """No more audio of this reply (empty: of the newest)."""
        response = response or self._newest
        self._open.pop(response, None)
        if not response:
            self._forget_nameless()
        for reply in self._replies:
            if reply.response == response:
                reply.is_complete = True
        self._rearm(now_ns)

    def tick(self, now_ns: int) -> list[PlayerAction]:
        """Return what is due now, in order."""
        actions: list[PlayerAction] = []
        self._rearm(now_ns)
        while self._due_ns is not None and self._due_ns <= now_ns:
            actions += self._step()
            self._rearm(now_ns)
        return actions

    def clear(self) -> list[Cut]:
        """Cut off everything that plays or waits; one ``Cut`` per reply."""
        cuts = []
        for reply in self._replies:
            cuts.append(Cut(reply.response, reply.has_begun))
            self._cut.append(reply.response)
        self._replies.clear()
        self._waiting_bytes = 0
        self._due_ns = None
        return cuts

    def stop(self) -> list[Cut]:
        """The same, and what is being generated is not heard either: it is being cancelled."""
        cuts = self.clear()
        self._cut.extend(response for response in self._open if response not in self._cut)
        return cuts

    def _forget_nameless(self) -> None:
        """A reply without a name was cut off, and is over: the next one has no other name."""
        if "" in self._cut:
            self._cut.remove("")

    def _part(self, response: str, item: str) -> _Part | None:
        """Where audio goes; None: nowhere."""
        reply = next((r for r in self._replies if r.response == response), None)
        if reply is None:
            if len(self._replies) >= MAX_REPLIES:
                return None
            for earlier in self._replies:  # There is one at a time, though its end may be missing.
                earlier.is_complete = True
            reply = _Reply(response)
            self._replies.append(reply)
        for part in reply.parts:
            if part.item == item:
                return part
        if len(reply.parts) >= MAX_PARTS:
            return None
        part = _Part(item)
        reply.parts.append(part)
        return part

    def _step(self) -> list[PlayerAction]:
        """One frame, or the end of a reply; only if ``_due_ns`` is set."""
        assert self._due_ns is not None
        reply = self._replies[0]
        self._slot_ns = self._due_ns
        pcm = self._next_frame(reply)
        if pcm is None:
            self._replies.popleft()
            return [Stopped(reply.response)] if reply.has_begun else []
        self._slot_ns += FRAME_NS
        begins, reply.has_begun = not reply.has_begun, True
        return [Started(reply.response), Play(pcm)] if begins else [Play(pcm)]

    def _next_frame(self, reply: _Reply) -> bytes | None:
        """960 bytes; None at the end of the reply."""
        while reply.parts:
            part = reply.parts[0]
            if part.waiting:
                pcm = bytes(part.waiting[:FRAME_BYTES])
                del part.waiting[:FRAME_BYTES]
                self._waiting_bytes -= len(pcm)
                whole = len(pcm) - len(pcm) % SAMPLE_BYTES  # Half a sample at the end is none.
                return pcm[:whole].ljust(FRAME_BYTES, b"\0")
            reply.parts.popleft()
        return None

    def _rearm(self, now_ns: int) -> None:
        """If the player is behind by more than the lead, the timeline moves: nothing is skipped."""
        self._due_ns = None
        if self._replies and _is_ready(self._replies[0]):
            self._due_ns = max(self._slot_ns, now_ns - LEAD_FRAMES * FRAME_NS)


def _is_ready(reply: _Reply) -> bool:
    """Whether a frame, or the end of the reply, can be given out now."""
    while reply.parts and reply.parts[0].is_complete and not reply.parts[0].waiting:
        reply.parts.popleft()
    if not reply.parts:
        return reply.is_complete
    part = reply.parts[0]
    if len(part.waiting) >= FRAME_BYTES or reply.is_complete:
        return True
    return part.is_complete and bool(part.waiting)

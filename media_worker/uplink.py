"""From what a browser sends to the frames that go to the mixer.

Plain clients send raw PCM of any even length, cut here into frames with a count of our own. Framed
clients send whole frames, whose count is kept. Nothing is sent while muted, and digital silence is
sent only for the hang-over; in both cases the last frame says that the stream pauses.

A plain client may send long pieces. What they hold beyond a few frames waits here and is handed
out a little faster than it sounds, so that the short queues behind lose nothing.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from mixer_core.bus import frames, pcm
from mixer_core.runtime.errors import BrowserMessageError

from . import protocol

REST_NS = 60_000_000
"""A plain client silent for so long after what it sent has sounded will not complete its last
frame: it is padded and sent."""
BYTE_NS = pcm.FRAME_NS // pcm.FRAME_BYTES
"""How long one byte of PCM sounds."""
BURST_FRAMES = 4
"""Frames of a plain client that may go out at once …"""
PACE_NS = 19_000_000
"""… and then one each such interval: 5 % faster than sound, so that a backlog melts."""
MAX_WAITING_FRAMES = 64
"""What may wait of a plain client (1.28 s, the longest piece); the oldest is dropped beyond."""


class UplinkFrame(NamedTuple):
    """One frame for the mixer; its stream and epoch are the session's."""

    seq: int
    flags: int
    stamp_ns: int
    """When its first sample arrived here, or its turn came where it had to wait."""
    pcm: bytes
    """960 bytes."""


class Uplink:
    """The microphone of one browser."""

    def __init__(self, *, framed: bool, hangover_ms: int) -> None:
        """``hangover_ms``: how long digital silence is still sent (whole frames, at least one)."""
        self._framed = framed
        self._hangover_ns = hangover_ms * 1_000_000
        self._hangover_frames = max(1, hangover_ms // pcm.FRAME_MS)
        self._cutter = pcm.FrameCutter()
        self._waiting: deque[tuple[int, int, bytes]] = deque()
        """(arrival, stamp, samples) of a plain client's frames."""
        self._paced_ns = 0
        """When the frames handed out so far would all have sounded, at the pace."""
        self._seq = frames.U32
        self._shift = 0
        """Frames of ours that were slipped into a framed client's count."""
        self._started = False
        self._silent_frames = 0
        self._sounded_ns = 0
        """When all that a plain client sent has sounded: its next piece is due by then."""
        self._rest_ns = 0
        self._idle_checked = True
        self.paused = True
        """The mixer has been told that nothing follows, or nothing was sent yet."""
        self.muted = False
        self.frames_total = 0
        """Frames handed out."""
        self.suppressed_total = 0
        """Frames of a muted microphone or of lasting digital silence."""
        self.late_total = 0
        """Frames of a framed client that came after a later one."""
        self.dropped_total = 0
        """Frames of a plain client that sends faster than anybody can listen."""

    def push(self, data: bytes, now_ns: int) -> list[UplinkFrame]:
        """Take one binary message and return the frames it makes, oldest first.

        Raises:
            BrowserMessageError: the message cannot be read; nothing is kept of it.
        """
        if self._framed:
            return self._push_frame(data, now_ns)
        return self._push_plain(data, now_ns)

    def set_muted(self, muted: bool, now_ns: int) -> list[UplinkFrame]:
        """Switch the microphone; going off sends one silent frame that announces the pause."""
        if muted == self.muted:
            return []
        self.muted = muted
        self._cutter.flush()
        self.suppressed_total += len(self._waiting)
        self._waiting.clear()
        self._idle_checked = True
        return self._announce_pause(pcm.SILENCE, now_ns) if muted else []

    def next_timeout_ns(self) -> int | None:
        """When ``timeout`` has something to do; None where nothing is open."""
        if self._waiting:
            return self._paced_ns - (BURST_FRAMES - 1) * PACE_NS
        if self._framed or self._idle_checked:
            return None
        if self._cutter.pending_bytes:
            return self._sounded_ns + REST_NS
        return None if self.paused else self._sounded_ns + max(self._hangover_ns, REST_NS)

    def timeout(self, now_ns: int) -> list[UplinkFrame]:
        """Hand out what waits; for a plain client that stopped: its rest, or the pause."""
        due_ns = self.next_timeout_ns()
        if due_ns is None or now_ns < due_ns:
            return []
        if self._waiting:
            return self._release(now_ns)
        self._idle_checked = True
        rest = self._cutter.flush()
        if rest is not None:
            return self._announce_pause(rest, self._rest_ns, rest=True)
        return self._announce_pause(pcm.SILENCE, now_ns)

    def _push_plain(self, data: bytes, now_ns: int) -> list[UplinkFrame]:
        if len(data) % pcm.SAMPLE_BYTES:
            raise BrowserMessageError(
                "odd_length", f"PCM16 needs an even number of bytes, got {len(data)}"
            )
        carried = self._cutter.pending_bytes > 0
        try:
            pieces = self._cutter.push(data)
        except ValueError as error:
            raise BrowserMessageError("too_long", str(error)) from error
        if self.muted:
            self.suppressed_total += len(pieces)
            self._cutter.flush()
            return []
        self._sounded_ns = min(
            max(self._sounded_ns, now_ns) + len(data) * BYTE_NS,
            now_ns + MAX_WAITING_FRAMES * pcm.FRAME_NS,
        )
        first_ns, self._idle_checked = self._rest_ns, False
        if pieces or not carried:
            self._rest_ns = now_ns
        for index, piece in enumerate(pieces):
            stamp_ns = first_ns if carried and index == 0 else now_ns
            self._waiting.append((now_ns, stamp_ns, piece))
        while len(self._waiting) > MAX_WAITING_FRAMES:
            self._waiting.popleft()
            self.dropped_total += 1
        return self._release(now_ns)

    def _release(self, now_ns: int) -> list[UplinkFrame]:
        """Frames whose turn it is; silence that is not sent takes no turn."""
        result = []
        while self._waiting:
            paced_ns = max(self._paced_ns, now_ns)
            if paced_ns - now_ns > (BURST_FRAMES - 1) * PACE_NS:
                break
            arrival_ns, stamp_ns, piece = self._waiting.popleft()
            flags = self._flags(piece)
            if flags is not None:
                self._paced_ns = paced_ns + PACE_NS
                stamp_ns = stamp_ns if arrival_ns == now_ns else now_ns
                result.append(self._next(flags, stamp_ns, piece))
        return result

    def _push_frame(self, data: bytes, now_ns: int) -> list[UplinkFrame]:
        frame = protocol.read_frame(data)
        seq = (frame.seq + self._shift) & frames.U32
        if self._started and frames.seq_delta(seq, self._seq) <= 0:
            return self._late(seq, frame, now_ns)
        self._started = True
        self._seq = seq
        if self.muted:
            self.suppressed_total += 1
            return []
        flags = self._flags(frame.pcm, frame.flags & frames.FLAG_PAUSE)
        if flags is None:
            return []
        self.frames_total += 1
        return [UplinkFrame(seq, flags, now_ns, frame.pcm)]

    def _late(self, seq: int, frame: protocol.ChannelFrame, now_ns: int) -> list[UplinkFrame]:
        """A reordered frame: the mixer may still have room for it; it changes nothing else."""
        self.late_total += 1
        if self.muted or self.paused:
            self.suppressed_total += 1
            return []
        self.frames_total += 1
        return [UplinkFrame(seq, 0, now_ns, frame.pcm)]

    def _flags(self, piece: bytes, asked: int = 0) -> int | None:
        """Flags to send ``piece`` with; None where it is not to be sent."""
        if not pcm.is_silence(piece):
            self._silent_frames = 0
            self.paused = bool(asked)
            return asked
        self._silent_frames += 1
        if self.paused:
            self.suppressed_total += 1
            return None
        if asked or self._silent_frames >= self._hangover_frames:
            self.paused = True
            return frames.FLAG_PAUSE
        return 0

    def _announce_pause(
        self, piece: bytes, stamp_ns: int, *, rest: bool = False
    ) -> list[UplinkFrame]:
        """One frame of our own with FLAG_PAUSE; none where the stream pauses already."""
        if self.paused and not (rest and not pcm.is_silence(piece)):
            return []
        self.paused = True
        if self._framed:
            self._shift = (self._shift + 1) & frames.U32
        return [self._next(frames.FLAG_PAUSE, stamp_ns, piece)]

    def _next(self, flags: int, stamp_ns: int, piece: bytes) -> UplinkFrame:
        self._seq = (self._seq + 1) & frames.U32
        self.frames_total += 1
        return UplinkFrame(self._seq, flags, stamp_ns, piece)

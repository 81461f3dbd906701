"""The uplink of a plain client, which sends raw PCM of any even length. Sans-I/O.

It is cut into frames here. What a long piece holds beyond a few frames waits and is handed out a
little faster than real time, so that the short queues behind lose nothing.
"""

from __future__ import annotations

from collections import deque

from mixer_core.bus import frames, pcm
from mixer_core.runtime.errors import BrowserMessageError
from mixer_core.runtime.units import MS_NS

from .uplink import Uplink, UplinkFrame

REST_NS = 60 * MS_NS
"""Time after the end of what a client sent after which it will not complete its last frame: the
rest is padded and sent."""
BYTE_NS = pcm.FRAME_NS // pcm.FRAME_BYTES
"""How long one byte of PCM lasts."""
BURST_FRAMES = 4
"""Frames that may go out at once …"""
PACE_NS = 19 * MS_NS
"""… and then one per interval of this length: 5 % faster than real time, so that a backlog
shrinks."""
MAX_WAITING_FRAMES = 64
"""Frames that may wait (1.28 s, the longest piece); beyond it the oldest is dropped."""


class PlainUplink(Uplink):
    """Cuts, paces and counts frames."""

    def __init__(self, hangover_ms: int) -> None:
        super().__init__(hangover_ms)
        self._cutter = pcm.FrameCutter()
        self._waiting: deque[tuple[int, int, bytes]] = deque()
        """(arrival, stamp, samples) of frames."""
        self._paced_ns = 0
        """When the frames handed out so far are over, at the pace."""
        self._sounded_ns = 0
        """When everything that was sent is over: the next piece is due by then."""
        self._rest_ns = 0
        """Stamp of the incomplete frame in the cutter."""
        self._idle_checked = True

    def push(self, data: bytes, now_ns: int) -> list[UplinkFrame]:
        """See ``Uplink``."""
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

    def next_timeout_ns(self) -> int | None:
        """See ``Uplink``."""
        if self._waiting:
            return self._paced_ns - (BURST_FRAMES - 1) * PACE_NS
        if self._idle_checked:
            return None
        if self._cutter.pending_bytes:
            return self._sounded_ns + REST_NS
        return None if self.paused else self._sounded_ns + max(self._hangover_ns, REST_NS)

    def timeout(self, now_ns: int) -> list[UplinkFrame]:
        """Hand out what waits; for a client that stopped, its rest or the pause."""
        due_ns = self.next_timeout_ns()
        if due_ns is None or now_ns < due_ns:
            return []
        if self._waiting:
            return self._release(now_ns)
        self._idle_checked = True
        rest = self._cutter.flush()
        if rest is None or pcm.is_silence(rest):
            return self._announce_pause(now_ns if rest is None else self._rest_ns)
        self.paused = True
        return [self._next(frames.FLAG_PAUSE, self._rest_ns, rest)]

    def _discard_pending(self) -> None:
        self._cutter.flush()
        self.suppressed_total += len(self._waiting)
        self._waiting.clear()
        self._idle_checked = True

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

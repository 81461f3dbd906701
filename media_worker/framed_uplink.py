"""The uplink of a framed client, which sends whole frames and counts them itself. Sans-I/O."""

from __future__ import annotations

from mixer_core.bus import frames, pcm

from .protocol.audio_messages import ChannelFrame, read_frame
from .uplink import Uplink, UplinkFrame

EACH_NS = pcm.FRAME_NS * 4 // 5
"""A clock that is fast, and what comes late, need some more than 50 frames a second."""
BURST_FRAMES = 100
"""What a network may have held back; more at once is no microphone."""


class FramedUplink(Uplink):
    """Keeps the client's count of frames, plus the frames of our own that were inserted."""

    def __init__(self, hangover_ms: int) -> None:
        super().__init__(hangover_ms)
        self._inserted = 0
        """Frames of ours in the client's count."""
        self._started = False
        self._owed_ns = 0
        """Until when the frames so far would last."""

    def push(self, data: bytes, now_ns: int) -> list[UplinkFrame]:
        """See ``Uplink``."""
        frame = read_frame(data)
        if self._floods(now_ns):
            self.dropped_total += 1
            return []
        seq = (frame.seq + self._inserted) & frames.U32
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

    def _floods(self, now_ns: int) -> bool:
        owed_ns = max(self._owed_ns, now_ns) + EACH_NS
        if owed_ns - now_ns > BURST_FRAMES * EACH_NS:
            return True
        self._owed_ns = owed_ns
        return False

    def next_timeout_ns(self) -> int | None:
        """Nothing is ever pending."""
        return None

    def timeout(self, now_ns: int) -> list[UplinkFrame]:
        """Nothing is ever due."""
        return []

    def _discard_pending(self) -> None:
        """Nothing is ever pending."""

    def _late(self, seq: int, frame: ChannelFrame, now_ns: int) -> list[UplinkFrame]:
        """A reordered frame: the mixer may still have room for it; it changes nothing else."""
        self.late_total += 1
        if self.muted or self.paused:
            self.suppressed_total += 1
            return []
        self.frames_total += 1
        return [UplinkFrame(seq, 0, now_ns, frame.pcm)]

    def _next(self, flags: int, stamp_ns: int, piece: bytes) -> UplinkFrame:
        self._inserted = (self._inserted + 1) & frames.U32
        return super()._next(flags, stamp_ns, piece)

"""Decides for each frame to the browser: send it now, or drop it and count why. Sans-I/O.

Nothing waits here. SCTP has a queue of its own behind its congestion window; a frame is dropped
when it would wait there for longer than the cap.
"""

from __future__ import annotations

from mixer_core.bus import frames, pcm
from mixer_core.runtime.metrics import Histogram

STALE_NS = 400_000_000
"""Audio that entered this host longer ago than this is not worth playing."""
BYTES_PER_MS = pcm.FRAME_BYTES // pcm.FRAME_MS


class Outbox:
    """The decisions for one browser. Control messages bypass it: they are never dropped."""

    __slots__ = (
        "_cap_bytes",
        "backlog_bytes",
        "epoch",
        "full_total",
        "latency",
        "old_epoch_total",
        "sent_total",
        "stale_total",
    )

    def __init__(self, cap_ms: int) -> None:
        """``cap_ms``: audio that may wait for the network, the new frame included."""
        self._cap_bytes = max(cap_ms * BYTES_PER_MS, pcm.FRAME_BYTES)
        self.epoch = 0
        """The newest epoch seen."""
        self.sent_total = 0
        self.full_total = 0
        """Dropped because too much audio was waiting."""
        self.stale_total = 0
        """Dropped because older than 400 ms."""
        self.old_epoch_total = 0
        """Dropped because the reply was interrupted."""
        self.backlog_bytes = 0
        """What waited when the last frame came."""
        self.latency = Histogram()
        """From entry to this host to the network."""

    @property
    def backlog_ms(self) -> float:
        """What waited when the last frame came, as audio."""
        return self.backlog_bytes / BYTES_PER_MS

    @property
    def dropped_total(self) -> int:
        """All frames that were not sent."""
        return self.full_total + self.stale_total + self.old_epoch_total

    def adopt(self, epoch: int) -> bool:
        """Adopt a newer epoch; False where ``epoch`` is the current one or older."""
        if not frames.epoch_newer(epoch, self.epoch):
            return False
        self.epoch = epoch
        return True

    def admit(self, epoch: int, stamp_ns: int, buffered_bytes: int, now_ns: int) -> bool:
        """Whether to send a frame of ``epoch`` with ``buffered_bytes`` in front of it.

        ``stamp_ns``: when it entered this host. A newer epoch is adopted.
        """
        self.backlog_bytes = buffered_bytes
        if epoch != self.epoch and not self.adopt(epoch):
            self.old_epoch_total += 1
            return False
        age_ns = now_ns - stamp_ns
        if age_ns > STALE_NS:
            self.stale_total += 1
            return False
        if buffered_bytes + pcm.FRAME_BYTES > self._cap_bytes:
            self.full_total += 1
            return False
        self.sent_total += 1
        self.latency.observe_ns(age_ns)
        return True

"""What the echo detector remembers of a stream, and of a microphone and a stream. Sans-I/O."""

from __future__ import annotations

import numpy as np

from .. import echo_kernels as kernels
from ..bus.pcm import FRAME_NS, FRAME_SAMPLES, SILENCE
from ..runtime.units import MS_NS

BLOCK_NS = 10 * MS_NS
RESYNC_NS = 60 * MS_NS
"""A frame that comes so far from its time begins a new count: the stream has paused."""
_SLEW = 64
"""The count follows the arrivals by this part of their distance: clocks differ, networks jitter."""
_LOUD = np.float32(1e12)
_SNR_STEP = 0.05


class Ear:
    """One stream as the detector hears it: 30 kB."""

    __slots__ = (
        "_cleared",
        "_due_ns",
        "_octets",
        "_pcm",
        "_wave",
        "block",
        "frames",
        "levels",
        "ring",
        "snr_db",
        "sounded",
    )

    def __init__(self) -> None:
        self.levels = np.zeros((kernels.LEVELS, kernels.BANDS), np.float32)
        self.levels[kernels.NOISE] = _LOUD
        self.ring = np.zeros((kernels.RING_ROWS, 2 * kernels.RING), np.float32)
        self.block = 0
        """Number of the first block of the last frame, on a scale that all streams share."""
        self.frames = 0
        """That were heard."""
        self.sounded = -kernels.RING
        """Number of the last block in which it was heard by others."""
        self.snr_db = 0.0
        """How far its speech usually is above its noise."""
        self._wave = np.zeros(kernels.WAVE, np.float32)
        self._pcm = np.zeros(FRAME_SAMPLES, np.int16)
        self._octets = self._pcm.data.cast("B")
        self._due_ns = 0
        self._cleared = 0  # blocks before this number are written, or silent

    def hear(self, pcm: bytes, now_ns: int) -> None:
        """One frame that is mixed now."""
        self._next_block(now_ns)
        self.frames += 1
        block = self.block
        if pcm == SILENCE:
            kernels.rest(self.ring, block, kernels.BLOCKS)
            return
        self._octets[:] = pcm
        kernels.hear(self._pcm, self._wave, self.levels, self.ring, block)

    def clear_until(self, block: int) -> None:
        """What was not written before this block is silence."""
        missing = block - self._cleared
        if missing > 0:
            count = min(missing, kernels.RING)
            kernels.rest(self.ring, block - count, count)
            self._cleared = block

    def speaks(self, snr_db: float) -> None:
        """Its person speaks, so far above the noise."""
        self.snr_db += _SNR_STEP * (snr_db - self.snr_db)

    def _next_block(self, now_ns: int) -> None:
        off_ns = now_ns - self._due_ns
        if -RESYNC_NS < off_ns < RESYNC_NS:
            start_ns = self._due_ns + off_ns // _SLEW
            block = max(start_ns // BLOCK_NS, self.block + kernels.BLOCKS)
        else:
            start_ns = now_ns
            block = max(start_ns // BLOCK_NS, self.block + 1)
        self._due_ns = start_ns + FRAME_NS
        self.clear_until(block)
        self.block = block
        self._cleared = max(self._cleared, block + kernels.BLOCKS)


class Pair:
    """A microphone, and a stream that it may hear: 1 kB."""

    __slots__ = ("bands", "state", "sums")

    def __init__(self, expected: int) -> None:
        """``expected``: how likely an echo is, before anything is known."""
        self.sums = np.zeros((2, kernels.LAGS), np.float32)
        self.bands = np.zeros((kernels.PAIR_BANDS, kernels.BANDS), np.float32)
        self.state = np.zeros(kernels.STATE, np.float32)
        self.expect(expected)

    def expect(self, expected: int) -> None:
        """How likely an echo is: ``echo_kernels.UNLIKELY``, ``POSSIBLE`` or ``LIKELY``."""
        self.state[kernels.EXPECTED] = expected

    def compare(self, microphone: Ear, sent: Ear) -> bool:
        """The microphone's last frame: whether it is nothing but echo."""
        sent.clear_until(microphone.block + kernels.BLOCKS)
        kernels.compare(
            microphone.levels,
            microphone.ring,
            sent.ring,
            microphone.block,
            self.sums,
            self.bands,
            self.state,
        )
        return bool(self.state[kernels.ECHO])

    @property
    def found(self) -> bool:
        """The microphone hears the stream."""
        return bool(self.state[kernels.FOUND])

    @property
    def lag_ms(self) -> int:
        """How much later it hears it than the mixer does."""
        return int(self.state[kernels.LAG]) * BLOCK_NS // MS_NS

"""The arrays around the kernels: frames come in as bytes and go out as bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from . import kernels
from .bus.pcm import FRAME_BYTES, FRAME_SAMPLES

SILENCE_DBFS = -100.0
"""The level of silence."""
FULL_SCALE_SQUARED = 32_768.0**2


class Mixdown:
    """Scratch arrays for mixing up to ``capacity`` frames of 960 bytes; one serves all rooms."""

    def __init__(self, capacity: int) -> None:
        self._block = np.zeros((capacity, FRAME_SAMPLES), np.int16)
        self._others = np.zeros((capacity, FRAME_SAMPLES), np.int16)
        self._total = np.zeros(FRAME_SAMPLES, np.int32)
        self._out = np.zeros(FRAME_SAMPLES, np.int16)
        octets = self._block.data.cast("B")
        self._octets = [octets[: n * FRAME_BYTES] for n in range(capacity + 1)]
        self._first_row = self._block[0]
        self._blocks = [self._block[:n] for n in range(capacity + 1)]
        self._others_blocks = [self._others[:n] for n in range(capacity + 1)]

    def meter(self, pcm: bytes, tally: kernels.Tally) -> None:
        """Add the energy of one frame to ``tally``."""
        self._octets[1][:] = pcm
        kernels.meter(self._first_row, tally)

    def sum(self, frames: Sequence[bytes]) -> bytes:
        """The limited sum of 1 … capacity frames."""
        count = len(frames)
        self._octets[count][:] = b"".join(frames)
        kernels.mix_limited(self._blocks[count], self._total, self._out)
        return self._out.tobytes()

    def minus(self, frames: Sequence[bytes]) -> list[bytes]:
        """For each of the frames: the limited sum of all others."""
        count = len(frames)
        self._octets[count][:] = b"".join(frames)
        others = self._others_blocks[count]
        kernels.mix(self._blocks[count], self._total)
        kernels.mix_minus(self._blocks[count], self._total, others)
        data = others.tobytes()
        return [data[i * FRAME_BYTES : (i + 1) * FRAME_BYTES] for i in range(count)]


class SlotMix:
    """What the listeners of one slot hear; each mix is made once, when the first listener needs it.

    A single frame is passed on bit for bit.
    """

    def __init__(self, mixdown: Mixdown, frames: list[bytes]) -> None:
        self._mixdown = mixdown
        self._frames = frames
        self._everybody = b""
        self._others: list[bytes] = []

    def of(self, heard: Sequence[int]) -> bytes:
        """The sum of the frames with these indices (ascending, at least one)."""
        if len(heard) == 1:
            return self._frames[heard[0]]
        if len(heard) == len(self._frames):
            self._everybody = self._everybody or self._mixdown.sum(self._frames)
            return self._everybody
        if len(heard) == len(self._frames) - 1:
            self._others = self._others or self._mixdown.minus(self._frames)
            left_out = next((i for i, index in enumerate(heard) if i != index), len(heard))
            return self._others[left_out]
        return self._mixdown.sum([self._frames[index] for index in heard])


def dbfs(tally: kernels.Tally) -> float:
    """Level of what ``tally`` holds: 0 is a full-scale square wave, a full-scale sine is -3.0."""
    energy, samples = int(tally[0]), int(tally[2])
    if not energy or not samples:
        return SILENCE_DBFS
    return max(SILENCE_DBFS, 10.0 * math.log10(energy / samples / FULL_SCALE_SQUARED))


def frame_dbfs(pcm: bytes) -> float:
    """Level of one frame."""
    tally = np.zeros(3, np.int64)
    kernels.meter(_samples(pcm), tally)
    return dbfs(tally)


def _samples(pcm: bytes) -> kernels.Pcm:
    """A copy: kernels are compiled for writable arrays."""
    return np.frombuffer(bytearray(pcm), np.int16)


def crossfade(pcm: bytes, following: bytes) -> bytes:
    """One frame in the place of two: the first fades into the second."""
    block = np.empty((2, FRAME_SAMPLES), np.int16)
    kernels.fade(_samples(pcm), block[0], kernels.GAIN_ONE, 0)
    kernels.fade(_samples(following), block[1], 0, kernels.GAIN_ONE)
    total, out = np.empty(FRAME_SAMPLES, np.int32), np.empty(FRAME_SAMPLES, np.int16)
    kernels.mix_limited(block, total, out)
    return out.tobytes()

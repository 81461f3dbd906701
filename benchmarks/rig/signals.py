"""What the benchmarks send: a speech-like signal, and marks that are timed through a gateway.

A **mark** is one 20 ms frame with a tone above the band of the speech. Marks fall on a grid of the
monotonic clock, which all processes of a host share; the tone's frequency is the mark's number
modulo 8, so that a mark is recognised up to two seconds late, after Opus and mixing.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mixer_core.bus.pcm import FRAME_BYTES, FRAME_NS, FRAME_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE_HZ
from mixer_core.runtime.units import MS_NS

MARK_NS = 250 * MS_NS
"""Between two marks of one room."""
MARKS_HZ = tuple(range(4_000, 8_000, 500))
"""Frequencies of the marks: whole periods per frame."""
MARK_PEAK = 12_000
HEARD_PEAK = 600
"""A mark is heard where its tone has at least this amplitude (of 32767)."""
SPEECH_LOOP_S = 6
SPEECH_PEAK = 9_000
"""About -22 dBFS on average: six at once do not reach the limiter for long."""


def mark_number(now_ns: int) -> int:
    """The newest mark of the grid at ``now_ns``."""
    return now_ns // MARK_NS


@cache
def mark_frame(kind: int) -> bytes:
    """The frame (960 bytes) of the marks whose number modulo 8 is ``kind``."""
    time_s = np.arange(FRAME_SAMPLES) / SAMPLE_RATE_HZ
    tone = MARK_PEAK * np.sin(2 * np.pi * MARKS_HZ[kind] * time_s)
    return tone.astype("<i2").tobytes()


class MarkTurns:
    """The marks of one of several talkers: each has every ``talkers``-th."""

    def __init__(self, turn: int, talkers: int) -> None:
        """``turn``: 0 to ``talkers`` - 1."""
        self._turn, self._talkers = turn, max(1, talkers)
        self._newest = -1
        self._sent: list[tuple[int, int]] = []

    def frame(self, now_ns: int) -> bytes:
        """The mark to send now (960 bytes); empty where none is due."""
        number = mark_number(now_ns)
        fresh = now_ns - number * MARK_NS < 2 * FRAME_NS
        if number == self._newest or not fresh or number % self._talkers != self._turn:
            return b""
        self._newest = number
        self._sent.append((number, now_ns))
        return mark_frame(number % len(MARKS_HZ))

    def take(self) -> list[tuple[int, int]]:
        """(number, time in ns) of those sent since the last ``take``."""
        sent, self._sent = self._sent, []
        return sent


def find_mark(pcm: bytes) -> int:
    """Number modulo 8 of the mark in ``pcm`` (PCM16); -1 where there is none."""
    size = len(pcm) // SAMPLE_BYTES
    if not size:
        return -1
    samples = np.frombuffer(pcm, "<i2", size).astype(np.float64)
    amplitudes = 2 * np.abs(_probes(size) @ samples) / size
    best = int(np.argmax(amplitudes))
    return best if amplitudes[best] >= HEARD_PEAK else -1


def number_of(kind: int, heard_ns: int) -> int:
    """Number of the newest mark of that ``kind`` that can have been heard at ``heard_ns``."""
    newest = mark_number(heard_ns)
    return newest - (newest - kind) % len(MARKS_HZ)


@cache
def _probes(size: int) -> NDArray[np.complex128]:
    time_s = np.arange(size) / SAMPLE_RATE_HZ
    probes: NDArray[np.complex128] = np.exp(-2j * np.pi * np.outer(MARKS_HZ, time_s))
    return probes


@cache
def speech(voice: int = 0) -> tuple[bytes, ...]:
    """Six seconds of frames (960 bytes) that sound like syllables; seamless when repeated.

    ``voice`` chooses pitch and rhythm. No frame is silent, and nothing is above 3.4 kHz.
    """
    rng = np.random.default_rng(100 + voice)
    time_s = np.arange(SPEECH_LOOP_S * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    pitch_hz = round(float(rng.uniform(95, 220)) * SPEECH_LOOP_S) / SPEECH_LOOP_S
    glide = 6 * np.sin(2 * np.pi * time_s * 2 / SPEECH_LOOP_S)
    sound = np.zeros_like(time_s)
    for overtone in range(1, int(3_300 / pitch_hz)):
        weight = 1 / overtone + 0.5 * np.exp(-(((overtone * pitch_hz - 900) / 400) ** 2))
        phase = rng.uniform(0, 2 * np.pi)
        sound += weight * np.sin(overtone * (2 * np.pi * pitch_hz * time_s + glide) + phase)
    rate_hz = round(float(rng.uniform(3, 5)) * SPEECH_LOOP_S) / SPEECH_LOOP_S
    sound *= 0.08 + 0.92 * np.abs(np.sin(np.pi * rate_hz * time_s)) ** 1.5
    pcm = (SPEECH_PEAK * sound / np.max(np.abs(sound))).astype("<i2").tobytes()
    return tuple(pcm[i : i + FRAME_BYTES] for i in range(0, len(pcm), FRAME_BYTES))

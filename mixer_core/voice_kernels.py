"""The numeric loops of one voice: what its frame holds, and its frame at another level.

They follow the rules of ``kernels``. What lasts from frame to frame is one row of ``ROW`` float64 a
stream, whose first fields are what others may read; levels are in dBFS, gains in dB.

Speech is told from noise by level alone, above 120 Hz, where neither a fan's hum nor a hand on the
table counts. The noise floor is the quietest frame of 2.9 s (minimum statistics, after Martin, IEEE
Trans. Speech Audio Process. 9(5), 2001), or the level itself where it has hardly moved for 0.8 s:
so a tone, a fan and a chord are noise after 0.8 s, and speech, which moves by 20 dB from one
syllable to the next, never is.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .kernels import CACHE, Pcm, Sum, Tally, compiled

Row = NDArray[np.float64]
"""What is known of one stream; shape (ROW,)."""

LEVEL = 0
"""dBFS of the frame as it came: -100 … 0."""
VOICE = 1
"""The same above 120 Hz."""
FLOOR = 2
"""The noise floor, on the scale of ``VOICE``: -80 … 0."""
SPEECH = 3
"""1: somebody speaks, or has spoken within the last 0.3 s."""
GAIN = 4
"""dB at the end of the last frame that was passed on."""
WANTED = 5
"""dB at the end of the frame that is passed on next."""
QUICK = 6
"""1: that gain is reached within 5 ms, not at the end of the frame."""
DUCK = 7
"""An attenuation from outside, in dB: -100 … 0."""
_ACTIVE, _HANG, _HEARD, _AT, _PARTS, _LEAST = 8, 9, 10, 11, 12, 13
_FILTER = 14  # two fields
_MINIMA = 16
_MINIMA_COUNT, _MINIMUM_FRAMES = 12, 12  # 12 · 0.24 s
_RECENT = _MINIMA + _MINIMA_COUNT
_RECENT_COUNT = 40  # 0.8 s
ROW = 80
"""Fields of a row; some are spare."""

QUIETEST_DB = -80.0
"""What is quieter is no microphone's noise: a floor is never below."""
NEWCOMERS_FLOOR_DB = -60.0
"""Most that is taken for noise in the first 0.8 s of a stream, which may begin in a word."""
_NOTHING_DB = -100.0
_BIAS_DB = 1.5  # The quietest of many frames of noise is that far below their mean.
_STEADY_DB = 5.0
_OPEN_DB, _SPEECH_DB = 6.0, 9.0
_ONSET_FRAMES = 3.0
_LONGEST_RUN = 5.0
HANG_FRAMES = 15.0
"""Speech goes on for so long after its last frame (0.3 s): a plosive's closure, a breath."""
_QUICK_SAMPLES = 120
_BLOCKS = 4
_FULL_SQUARED = 32_768.0**2
_SMALLEST = 1e-9

# A Butterworth high-pass of second order at 120 Hz (bilinear transform, 24 kHz).
_W = math.tan(math.pi * 120.0 / 24_000.0)
_B0 = 1.0 / (1.0 + math.sqrt(2.0) * _W + _W * _W)
_A1 = 2.0 * (_W * _W - 1.0) * _B0
_A2 = (1.0 - math.sqrt(2.0) * _W + _W * _W) * _B0


@compiled("void(int16[::1], int64[::1], float64[::1])")
def listen(pcm: Pcm, tally: Tally, row: Row) -> None:
    """Hear one frame ``pcm`` (n,): add it to ``tally`` as ``kernels.meter`` does, and update
    ``LEVEL``, ``VOICE``, ``FLOOR`` and ``SPEECH`` of ``row``."""
    n = pcm.shape[0]
    energy = np.int64(0)
    low = np.int64(0)
    high = np.int64(0)
    for i in range(n):
        value = np.int64(pcm[i])
        energy += value * value
        low = min(low, value)
        high = max(high, value)
    tally[0] += energy
    tally[1] = max(tally[1], high, -low)
    tally[2] += n

    first, second = row[_FILTER], row[_FILTER + 1]
    total, loudest = 0.0, 0.0
    for block in range(_BLOCKS):
        part = 0.0
        for i in range(block * n // _BLOCKS, (block + 1) * n // _BLOCKS):
            x = float(pcm[i]) * _B0
            y = x + first
            first = second - 2.0 * x - _A1 * y
            second = x - _A2 * y
            part += y * y
        total += part
        loudest = max(loudest, part)
    row[_FILTER] = first if abs(first) > _SMALLEST else 0.0
    row[_FILTER + 1] = second if abs(second) > _SMALLEST else 0.0
    scale = 1.0 / (n * _FULL_SQUARED)
    row[LEVEL] = max(_NOTHING_DB, 10.0 * math.log10(float(energy) * scale + 1e-12))
    voice = max(_NOTHING_DB, 10.0 * math.log10(total * scale + 1e-12))
    peak = max(_NOTHING_DB, 10.0 * math.log10(loudest * _BLOCKS * scale + 1e-12))
    row[VOICE] = voice

    # The noise floor. Digital silence comes from no microphone, and says nothing of it.
    if voice >= QUIETEST_DB:
        at = int(row[_AT])
        row[_RECENT + at] = voice
        row[_AT] = float((at + 1) % _RECENT_COUNT)
        row[_HEARD] = min(row[_HEARD] + 1.0, 1e9)
        row[_LEAST] = min(row[_LEAST], voice)
        row[_PARTS] += 1.0
        lowest, highest = voice, voice
        for i in range(_RECENT, _RECENT + _RECENT_COUNT):
            lowest = min(lowest, row[i])
            highest = max(highest, row[i])
        if highest - lowest < _STEADY_DB:
            steady = 0.5 * (lowest + highest) - _BIAS_DB
            for i in range(_MINIMA, _MINIMA + _MINIMA_COUNT):
                row[i] = steady
            row[_LEAST] = steady
        if row[_PARTS] % _MINIMUM_FRAMES == 0.0:
            row[_MINIMA + int(row[_PARTS] / _MINIMUM_FRAMES) % _MINIMA_COUNT] = row[_LEAST]
            row[_LEAST] = voice
            if row[_PARTS] >= _MINIMA_COUNT * _MINIMUM_FRAMES:
                row[_PARTS] = 0.0
        least = row[_LEAST]
        for i in range(_MINIMA, _MINIMA + _MINIMA_COUNT):
            least = min(least, row[i])
        if row[_HEARD] < _RECENT_COUNT:
            least = min(least, NEWCOMERS_FLOOR_DB - _BIAS_DB)
        row[FLOOR] = max(QUIETEST_DB, least + _BIAS_DB)

    # Speech begins with three frames of it within a few, and hangs over.
    if voice > row[FLOOR] + _SPEECH_DB:
        row[_ACTIVE] = min(row[_ACTIVE] + 1.0, _LONGEST_RUN)
    else:
        row[_ACTIVE] = max(row[_ACTIVE] - 1.0, 0.0)
    if row[_ACTIVE] >= _ONSET_FRAMES:
        row[SPEECH] = 1.0
    if peak > row[FLOOR] + _OPEN_DB:
        row[_HANG] = HANG_FRAMES
    else:
        row[_HANG] = max(row[_HANG] - 1.0, 0.0)
        if row[_HANG] == 0.0:
            row[SPEECH] = 0.0
    row[WANTED] = row[DUCK]
    row[QUICK] = 0.0


@compiled("void(int16[::1], float64[::1], int32[::1])")
def amplify(pcm: Pcm, row: Row, wide: Sum) -> None:
    """wide = ``pcm`` (n,) times a gain that goes from ``GAIN`` to ``WANTED``, without a step.

    ``wide`` may exceed 16 bits: it is for ``kernels.limit``.
    """
    n = pcm.shape[0]
    begin = np.float32(math.pow(10.0, row[GAIN] / 20.0))
    end = np.float32(math.pow(10.0, row[WANTED] / 20.0))
    length = _QUICK_SAMPLES if row[QUICK] != 0.0 else n
    step = np.float32((end - begin) / np.float32(length))
    for i in range(length):
        value = np.float32(pcm[i]) * (begin + step * np.float32(i))
        wide[i] = np.int32(value + np.copysign(np.float32(0.5), value))
    for i in range(length, n):
        value = np.float32(pcm[i]) * end
        wide[i] = np.int32(value + np.copysign(np.float32(0.5), value))
    row[GAIN] = row[WANTED]


def pause(row: Row) -> None:
    """Nobody speaks, since the stream says so."""
    row[SPEECH] = row[_ACTIVE] = row[_HANG] = 0.0


def new_row() -> Row:
    """The row of a stream of which nothing has been heard."""
    row = np.zeros(ROW)
    row[LEVEL] = row[VOICE] = _NOTHING_DB
    row[FLOOR] = QUIETEST_DB
    row[_LEAST] = row[_MINIMA : _MINIMA + _MINIMA_COUNT] = 0.0
    row[_RECENT : _RECENT + _RECENT_COUNT] = _NOTHING_DB
    return row


CACHE.seal()

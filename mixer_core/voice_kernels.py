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

from .kernels import CACHE, Pcm, Sum, Tally, compiled, helper

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
LEARNED = 8
"""The gain that suits the talker, in dB; 0 at first."""
LOUDNESS = 9
"""dBFS of the talker's speech above 120 Hz (RMS of what is not a pause); counts with ``WORDS``."""
WORDS = 10
"""Frames of speech of which ``LOUDNESS`` is the mean: 0 … 50, less after a long silence."""
_ACTIVE, _HANG, _HEARD, _AT, _PARTS, _LEAST = 11, 12, 13, 14, 15, 16
_FILTER = 17  # two fields
_PEAK = 19  # of the frame, 0 … 32768
_LOUDEST = 20  # block of the frame, dBFS
_TOP, _BOTTOM, _FALLING, _SINCE, _BEFORE, _FIRST = 21, 22, 23, 24, 25, 26  # syllables
_LOUD, _HELD = 31, 32  # what the talker's loudest frames have, in dBFS
_MOVING, _LIMIT, _GATE, _QUIET = 27, 28, 29, 30
_MINIMA = 33
_MINIMA_COUNT, _MINIMUM_FRAMES = 12, 12  # 12 · 0.24 s
_RECENT = _MINIMA + _MINIMA_COUNT
_RECENT_COUNT = 40  # 0.8 s
ROW = _RECENT + _RECENT_COUNT
"""Fields of a row."""

TARGET, MOST_GAIN, LEAST_GAIN, GATE_DEPTH = 0, 1, 2, 3
"""Fields of the rules: dBFS of speech; bounds of the gain, in dB (both 0: none is learned); what
the gate takes away while nobody speaks, in dB (0: there is no gate)."""
RULES = 4

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

_SWING_DB = 6.0  # A syllable rises and falls by at least this.
_SYLLABLE_FRAMES, _WORD_FRAMES = 25.0, 65.0
_DOWN_FROM_LOUD_DB, _LOUD_NEAR_DB, _LOUD_HOLD_FRAMES, _LOUD_FALL_DB = 20.0, 4.0, 40.0, 0.3
_OUTLIER = 8.0  # A frame counts for at most 9 dB more than the mean.
_MOST_WORDS, _FIRST_WORDS, _NEW_WORDS = 50.0, 40.0, 15.0
_LONG_SILENCE = 150.0  # frames: who speaks then may be somebody else
_DEAD_DB, _THERE_DB = 1.5, 0.2
_NEUTRAL_DB, _DOUBT_DB = 2.2, 40.0  # A voice that fits is left alone to the bit; 3 dB at last.
SLEW_UP_DB, SLEW_FAR_DB, SLEW_DOWN_DB, SLEW_FIRST_DB = 0.16, 0.32, 0.6, 1.2
"""Most that the learned gain moves in a frame (8, 16, 30 and 60 dB/s)."""
_FAR_DB = 6.0
_CAP_DB, _CAP_SNR_DB, _CAP_SLOPE = 6.0, 6.0, 2.4
_GATE_SNR_DB, _GATE_SNR_WIDTH_DB = 6.0, 12.0
_GATE_FRAMES = 10.0  # The gate stays open for so long after a word…
_GATE_FALL_DB, _GATE_FALL_FRAMES = 2.4, 6.0  # …and closes within this, or at this pace.
MOST_LIFT_DB = 6.0
"""Noise between words is lifted by no more, whatever the talker's gain."""
_LIMIT_PEAK, _LIMIT_RISE_DB = 29_204.0, 0.5

# A Butterworth high-pass of second order at 120 Hz (bilinear transform, 24 kHz).
_W = math.tan(math.pi * 120.0 / 24_000.0)
_B0 = 1.0 / (1.0 + math.sqrt(2.0) * _W + _W * _W)
_A1 = 2.0 * (_W * _W - 1.0) * _B0
_A2 = (1.0 - math.sqrt(2.0) * _W + _W * _W) * _B0


@helper
def _measure(pcm: Pcm, tally: Tally, row: Row) -> None:
    """Levels of the frame: all of it for the tally, what is above 120 Hz for everything else."""
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
    row[_PEAK] = float(max(high, -low))
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
    row[LEVEL] = _db(float(energy) / n)
    row[VOICE] = _db(total / n)
    row[_LOUDEST] = _db(loudest * _BLOCKS / n)


@helper
def _db(mean_square: float) -> float:
    return max(_NOTHING_DB, 10.0 * math.log10(mean_square / _FULL_SQUARED + 1e-12))


@helper
def _follow_floor(row: Row) -> None:
    """The noise floor. Digital silence comes from no microphone, and says nothing of it."""
    voice = row[VOICE]
    if voice < QUIETEST_DB:
        return
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
        row[_HANG] = 0.0
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


@helper
def _tell_speech(row: Row) -> None:
    """Speech begins with three frames of it within a few, and hangs over."""
    if row[VOICE] > row[FLOOR] + _SPEECH_DB:
        row[_ACTIVE] = min(row[_ACTIVE] + 1.0, _LONGEST_RUN)
    else:
        row[_ACTIVE] = max(row[_ACTIVE] - 1.0, 0.0)
    if row[_ACTIVE] >= _ONSET_FRAMES:
        row[SPEECH] = 1.0
    if row[_LOUDEST] > row[FLOOR] + _OPEN_DB:
        row[_HANG] = HANG_FRAMES
    else:
        row[_HANG] = max(row[_HANG] - 1.0, 0.0)
        if row[_HANG] == 0.0:
            row[SPEECH] = 0.0


@helper
def _hears_words(row: Row) -> bool:
    """Whether levels swing as syllables do: three rises within 1.3 s, the last 0.5 s ago at most.

    A fan that is switched on, a cough or a door rise once.
    """
    voice = row[VOICE]
    row[_SINCE] = min(row[_SINCE] + 1.0, 1e9)
    if row[_FALLING] != 0.0:
        row[_BOTTOM] = min(row[_BOTTOM], voice)
        if voice > row[_BOTTOM] + _SWING_DB and voice > row[FLOOR] + _SPEECH_DB:
            row[_FALLING], row[_TOP] = 0.0, voice
            row[_FIRST], row[_BEFORE], row[_SINCE] = row[_BEFORE], row[_SINCE], 0.0
    else:
        row[_TOP] = max(row[_TOP], voice)
        if voice < row[_TOP] - _SWING_DB:
            row[_FALLING], row[_BOTTOM] = 1.0, voice
    is_recent = row[_SINCE] <= _SYLLABLE_FRAMES
    return bool(is_recent and row[_BEFORE] + row[_FIRST] <= _WORD_FRAMES)


@helper
def _learn(row: Row, rules: Row) -> None:
    """The talker's loudness, and from it the gain: both stay as they are while nobody talks."""
    voice = row[VOICE]
    talks = _hears_words(row)
    if voice <= row[FLOOR] + _SPEECH_DB:
        row[_QUIET] += 1.0
        if row[_QUIET] == _LONG_SILENCE:
            row[WORDS] = min(row[WORDS], _NEW_WORDS)
        return
    row[_QUIET] = 0.0
    row[_HELD] = row[_HELD] + 1.0 if voice < row[_LOUD] - _LOUD_NEAR_DB else 0.0
    row[_LOUD] = max(voice, row[_LOUD] - (_LOUD_FALL_DB if row[_HELD] > _LOUD_HOLD_FRAMES else 0.0))
    if not talks:
        return
    if voice > row[_LOUD] - _DOWN_FROM_LOUD_DB:
        power = math.pow(10.0, voice / 10.0)
        mean = math.pow(10.0, row[LOUDNESS] / 10.0)
        if row[WORDS] >= _NEW_WORDS:
            power = min(power, _OUTLIER * mean)
        row[WORDS] = min(row[WORDS] + 1.0, _MOST_WORDS)
        row[LOUDNESS] = 10.0 * math.log10(mean + (power - mean) / row[WORDS] + 1e-12)
    row[LOUDNESS] = min(row[LOUDNESS], row[_LOUD])
    if row[WORDS] == 0.0:
        return
    fitting = rules[TARGET] - row[LOUDNESS]
    cap = _CAP_DB + (row[LOUDNESS] - row[FLOOR] - _CAP_SNR_DB) * _CAP_SLOPE
    fitting = max(rules[LEAST_GAIN], min(fitting, cap, rules[MOST_GAIN]))
    off = fitting - row[LEARNED]
    dead = _DEAD_DB if row[LEARNED] != 0.0 else _NEUTRAL_DB + _DOUBT_DB / row[WORDS]
    if abs(off) > dead:
        row[_MOVING] = 1.0
    elif abs(off) < _THERE_DB:
        row[_MOVING] = 0.0
    if row[_MOVING] != 0.0:
        first = row[WORDS] < _FIRST_WORDS
        up = SLEW_FIRST_DB if first else SLEW_UP_DB if off < _FAR_DB else SLEW_FAR_DB
        down = SLEW_FIRST_DB if first else SLEW_DOWN_DB
        row[LEARNED] += max(-down, min(off, up))


@helper
def _steer(row: Row, rules: Row) -> None:
    """The gain of this frame: what was learned, the gate, the limiter, and what others ask for."""
    learned = row[LEARNED]
    share = (row[LOUDNESS] - row[FLOOR] - _GATE_SNR_DB) / _GATE_SNR_WIDTH_DB
    depth = rules[GATE_DEPTH] * max(0.0, min(share, 1.0)) if row[WORDS] > 0.0 else 0.0
    closed = -depth - max(learned - MOST_LIFT_DB, 0.0)
    before = row[_GATE]
    is_open = row[_HANG] > HANG_FRAMES - _GATE_FRAMES
    fall = max(_GATE_FALL_DB, -closed / _GATE_FALL_FRAMES)
    row[_GATE] = 0.0 if is_open else max(closed, before - fall)
    limited = row[_LIMIT]
    row[_LIMIT] = min(limited + _LIMIT_RISE_DB, 0.0)
    if learned > 0.0 and row[_PEAK] > 0.0:
        room = 20.0 * math.log10(_LIMIT_PEAK / row[_PEAK]) - learned - row[_GATE]
        row[_LIMIT] = min(row[_LIMIT], max(room, -learned))
    else:
        row[_LIMIT] = 0.0
    row[WANTED] = learned + row[_GATE] + row[_LIMIT] + row[DUCK]
    row[QUICK] = 1.0 if row[_GATE] > before or row[_LIMIT] < limited else 0.0


@compiled("void(int16[::1], int64[::1], float64[::1], float64[::1], boolean)")
def listen(pcm: Pcm, tally: Tally, row: Row, rules: Row, learns: bool) -> None:
    """Hear one frame ``pcm`` (n,): add it to ``tally`` as ``kernels.meter`` does, and bring ``row``
    up to date, with the gain that the frame is to have (``WANTED``, ``QUICK``). ``learns``: it may
    change what is known of the talker."""
    _measure(pcm, tally, row)
    _follow_floor(row)
    _tell_speech(row)
    if learns and rules[MOST_GAIN] > rules[LEAST_GAIN]:
        _learn(row, rules)
    _steer(row, rules)


@compiled("void(int16[::1], float64[::1], int32[::1], int64[::1])")
def amplify(pcm: Pcm, row: Row, wide: Sum, tally: Tally) -> None:
    """wide = ``pcm`` (n,) times a gain that goes from ``GAIN`` to ``WANTED``, without a step.

    ``wide`` may exceed 16 bits: it is for ``kernels.limit``. ``tally``, to which ``listen`` has
    added the frame as it came, has it as it is now.
    """
    n = pcm.shape[0]
    begin = np.float32(math.pow(10.0, row[GAIN] / 20.0))
    end = np.float32(math.pow(10.0, row[WANTED] / 20.0))
    length = _QUICK_SAMPLES if row[QUICK] != 0.0 else n
    span = np.float32(end - begin)
    part = np.float32(np.float32(1.0) / np.float32(length))
    energy = np.int64(0)
    for i in range(n):
        t = min(np.float32(i) * part, np.float32(1.0))
        if length < n:
            t = t * t * (np.float32(3.0) - np.float32(2.0) * t)
        value = np.float32(pcm[i]) * (begin + span * t)
        wide[i] = np.int32(value + np.copysign(np.float32(0.5), value))
        energy += np.int64(wide[i]) * np.int64(wide[i]) - np.int64(pcm[i]) * np.int64(pcm[i])
    tally[0] += energy
    row[GAIN] = row[WANTED]


def pause(row: Row) -> None:
    """Nobody speaks, since the stream says so."""
    row[SPEECH] = row[_ACTIVE] = row[_HANG] = 0.0


def restore(row: Row, gain: float, loudness: float, words: float, floor: float) -> None:
    """Go on with what another mixer has learned: nothing jumps, and all of it can change."""
    row[LEARNED] = row[GAIN] = row[WANTED] = gain
    row[LOUDNESS] = row[_LOUD] = loudness
    row[WORDS], row[FLOOR] = words, floor
    row[_LEAST] = row[_MINIMA : _MINIMA + _MINIMA_COUNT] = floor - _BIAS_DB
    row[_HEARD] = _RECENT_COUNT


def new_row() -> Row:
    """The row of a stream of which nothing has been heard."""
    row = np.zeros(ROW)
    row[LEVEL] = row[VOICE] = _NOTHING_DB
    row[FLOOR] = QUIETEST_DB
    row[_TOP] = row[_BOTTOM] = row[_LOUD] = row[LOUDNESS] = _NOTHING_DB
    row[_FALLING], row[_SINCE], row[_BEFORE], row[_FIRST] = 1.0, 1e9, 1e9, 1e9
    row[_LEAST] = row[_MINIMA : _MINIMA + _MINIMA_COUNT] = 0.0
    row[_RECENT : _RECENT + _RECENT_COUNT] = _NOTHING_DB
    return row


CACHE.seal()

"""The numeric loops of the echo detector: does a microphone hear what the gateway sends?

A stream is heard as eight bands of 10 ms (**blocks**); what is compared are their loudnesses above
noise without what changes slowly. An echo has the same rises and falls at a steady **lag**, as
the room and the loudspeaker; two people who speak at the same time have not. The correlation of
the envelopes of two streams is kept for every lag from 0 to 0.79 s, with exponential forgetting
(1 s of sound). Delays drift, clocks differ, AGCs pump: none of these moves an envelope by much.

Where the lag is known, each band's echo is predicted from what was sent, with a gain learned per
band and a tail of reverberation, as in an acoustic echo suppressor (Faller and Chen, IEEE Trans.
Speech Audio Process. 13(5), 2005). What a microphone hears above that is somebody at the device.

The rules of ``kernels`` hold, with one exception: sums are reordered (``reordered``), which makes
the filters four times as fast and changes their last bits. Nothing here makes a sample.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kernels import CACHE, Pcm, compiled, helper

Floats = NDArray[np.float32]

BANDS = 8
BLOCK_SAMPLES = 240
BLOCKS = 2
"""In a frame."""
LAGS = 80
"""Of 10 ms."""
LEAST_LAG = 4
"""Nobody's buffers, loudspeaker and microphone take less than 40 ms."""
RING = 128
"""Blocks that are remembered of a stream: more than ``LAGS``."""
_HOPS, _HOP, _TAPS = 4, 60, 120
WAVE = _TAPS - _HOP + BLOCKS * BLOCK_SAMPLES
"""Samples: the end of the last frame, and this one."""

# Rows of ``levels``, of BANDS each.
NOISE, PEAK, MEAN, SMOOTH = 0, 1, 2, 3
LEVELS = 4
# Rows of ``ring``, of 2 · RING each: everything is there twice, so that no lag wraps around.
CHANGES, ENERGIES, POWER = 0, BANDS, 2 * BANDS
RING_ROWS = 2 * BANDS + 1
# Rows of ``bands`` of a pair.
GAIN, TAIL = 0, 1
PAIR_BANDS = 2
# Rows of ``sums`` of a pair, of LAGS each, the longest lag first.
PRODUCTS, SENT_POWER = 0, 1
# Fields of ``state`` of a pair.
MIC_POWER = 0
CORRELATION = 1
"""-1 … 1 at the best lag, less where little was heard."""
LAG = 2
"""Blocks."""
STEADY = 3
"""Frames for which the best lag has been the same, within 30 ms."""
FOUND = 4
"""1: this microphone hears that stream."""
ABSENT = 5
"""Blocks in which it should have been heard, and was not."""
NEAR = 6
"""Evidence that somebody speaks at the device."""
IS_NEAR = 7
ECHO = 8
"""1: what the microphone hears now is echo, and nothing else."""
EXPECTED = 9
"""What is thought before anything is known, ``UNLIKELY``, ``POSSIBLE`` or ``LIKELY``."""
HEARD = 10
"""Blocks in which the microphone heard something while the stream sounded, up to ``DOUBT_BLOCKS``:
then it is known."""
TRUSTED = 11
"""Blocks for which the gains have been learned; 0: they are not known."""
SOUNDING = 12
"""Blocks since the echo began to sound, after silence."""
BEGUN = 13
"""Blocks since it began to hear something, after it had been still."""
STILL = 14
"""Blocks since the last one of these."""
DISTINCT = 15
"""Frames in which the best lag was far better than all others, less those in which it was not."""
STATE = 16

IMPROBABLE, UNLIKELY, POSSIBLE, LIKELY = -1, 0, 1, 2
"""An echo: nothing is held back until it is found, at one lag and distinctly at no other; until it
is suspected; the first ``POSSIBLE_BLOCKS`` of a sound are, in which it is recognised, or
``ALIKE_BLOCKS`` where it looks like one; everything is until it is known that there is none."""
POSSIBLE_BLOCKS, ALIKE_BLOCKS = 30, 60
MOVES = 8.0
"""Power of a block in which there is more than noise."""

FORGET = np.float32(0.99)
CONFIDENCE = np.float32(80.0)
"""Power that counts as not alike: about six blocks of speech."""
SUSPECT, FIND, CERTAIN, LOSE = 0.45, 0.55, 0.65, 0.3
"""Correlations: from which on an echo is suppressed, told of, beyond doubt; below, it is gone."""
SUSPECT_FRAMES, FIND_FRAMES, FIND_BLOCKS = 3, 15, 50
DISTINCT_FRAMES = 35
_DISTINCT = np.float32(0.16)  # Squared: two fifths. People in one rhythm are alike at many lags.
_ELSEWHERE = 6
DOUBT_BLOCKS = 200
ABSENT_BLOCKS = 200
_STILL_BLOCKS = 40
_SAME_LAG = 3
_WINDOW = 3
_FRESH_WINDOW, _FRESH_BLOCKS = 9, 40  # A pause is when buffers change their length.
_TAIL = np.float32(0.85)
_CLEAR_DB, _DRIFT, _MOST_DB = 3.0, 1.0, 12.0
_SHARE = np.float32(0.28)  # A voice is above an echo in a few bands at a time.
_NEAR_ON, _NEAR_MOST = 8.0, 30.0
_LOUDER, _QUIETER = np.float32(1.12), np.float32(0.97)  # Four in five blocks are below it.
_SLOWLY = np.float32(1.02)
_CALIBRATION, _MARGIN = 24, np.float32(1.5)
_QUIETEST = np.float32(4.0)
_RANGE = np.float32(0.01)
_MOST_CHANGE = np.float32(3.0)  # Else two who begin at the same time would be alike.
_MEAN_STEP = np.float32(1.0 / 30.0)

_CENTRES_HZ = (350.0, 650.0, 1_000.0, 1_500.0, 2_100.0, 2_800.0, 3_700.0, 4_800.0)


def _filters() -> tuple[Floats, np.float32]:
    """Gabor filters of 5 ms: cosines, then sines; and the factor that makes energies of them."""
    window = np.hanning(_TAPS + 2)[1:-1]
    phase = 2.0 * np.pi * np.outer(_CENTRES_HZ, np.arange(_TAPS)) / 24_000.0
    filters = np.concatenate([window * np.cos(phase), window * np.sin(phase)])
    scale = np.float32(2.0 / window.sum() ** 2 / _HOPS)
    return np.ascontiguousarray(filters.astype(np.float32)), scale


_FILTERS, _SCALE = _filters()


@compiled("void(int16[::1], float32[::1], float32[:, ::1], float32[:, ::1], int64)", reordered=True)
def hear(pcm: Pcm, wave: Floats, levels: Floats, ring: Floats, block: int) -> None:
    """Hear a frame ``pcm`` (480,) whose first block has the number ``block`` (0 …)."""
    for i in range(_TAPS - _HOP):
        wave[i] = wave[i + BLOCKS * BLOCK_SAMPLES]
    for i in range(BLOCKS * BLOCK_SAMPLES):
        wave[i + _TAPS - _HOP] = pcm[i]
    for k in range(BLOCKS):
        at = (block + k) % RING
        power = np.float32(0.0)
        for b in range(BANDS):
            energy = np.float32(0.001)
            for hop in range(_HOPS):
                start = k * BLOCK_SAMPLES + hop * _HOP
                real = np.float32(0.0)
                imaginary = np.float32(0.0)
                for i in range(_TAPS):
                    real += _FILTERS[b, i] * wave[start + i]
                    imaginary += _FILTERS[b + BANDS, i] * wave[start + i]
                energy += (real * real + imaginary * imaginary) * _SCALE
            is_first = levels[PEAK, b] == 0.0
            step = np.float32(1.0) if is_first else np.float32(0.3)
            smooth = levels[SMOOTH, b] + step * (energy - levels[SMOOTH, b])
            levels[SMOOTH, b] = smooth
            noise = min(smooth, levels[NOISE, b] * np.float32(1.006))
            levels[NOISE, b] = noise
            peak = max(energy, levels[PEAK, b] * np.float32(0.995))
            levels[PEAK, b] = peak
            least = max(np.float32(4.0) * noise, peak * _RANGE, _QUIETEST)
            loudness = np.float32(math.log2(np.float32(1.0) + energy / least))
            if is_first:
                levels[MEAN, b] = loudness
            change = loudness - levels[MEAN, b]
            levels[MEAN, b] += _MEAN_STEP * change
            change = min(max(change, -_MOST_CHANGE), _MOST_CHANGE)
            power += change * change
            for copy in (at, at + RING):
                ring[CHANGES + b, copy] = change
                ring[ENERGIES + b, copy] = energy
        ring[POWER, at] = power
        ring[POWER, at + RING] = power


@compiled("void(float32[:, ::1], int64, int64)")
def rest(ring: Floats, block: int, count: int) -> None:
    """``count`` blocks from ``block`` on are silent."""
    for k in range(count):
        at = (block + k) % RING
        for row in range(RING_ROWS):
            ring[row, at] = 0.0
            ring[row, at + RING] = 0.0


@helper
def _alike(sums: Any, state: Any, j: Any) -> Any:
    """How alike both streams are at a lag: the square of their correlation."""
    product = sums[PRODUCTS, j]
    if product <= 0.0:
        return np.float32(0.0)
    base = state[MIC_POWER] + CONFIDENCE
    return product * product / (base * (sums[SENT_POWER, j] + CONFIDENCE))


@helper
def _distinguish(sums: Any, state: Any, best: Any, lag: Any) -> None:
    """Whether the best lag, ``best`` alike, stands alone: an echo comes at one."""
    if state[STEADY] == 0.0:
        state[DISTINCT] = 0.0
        return
    second = np.float32(0.0)
    for j in range(LAGS - LEAST_LAG):
        if abs(LAGS - 1 - j - lag) > _ELSEWHERE:
            second = max(second, _alike(sums, state, j))
    step = 1.0 if second < _DISTINCT * best else -1.0
    state[DISTINCT] = min(max(state[DISTINCT] + step, 0.0), 2.0 * DISTINCT_FRAMES)


@helper
def _find(sums: Any, state: Any) -> None:
    """The lag at which both streams are most alike, and whether that is an echo."""
    best = np.float32(0.0)
    lag = -1
    for j in range(LAGS - LEAST_LAG):
        alike = _alike(sums, state, j)
        if alike > best:
            best = alike
            lag = LAGS - 1 - j
    correlation = np.float32(math.sqrt(best))
    state[CORRELATION] = correlation
    if correlation >= SUSPECT:
        if abs(lag - state[LAG]) <= _SAME_LAG:
            state[STEADY] = min(state[STEADY] + 1.0, 1_000.0)
        else:
            state[STEADY] = state[TRUSTED] = 0.0
        state[LAG] = lag
    elif state[FOUND] == 0.0:
        state[STEADY] = 0.0
    if state[EXPECTED] == IMPROBABLE:
        _distinguish(sums, state, best, lag)
    is_sure = state[STEADY] >= FIND_FRAMES and state[HEARD] >= FIND_BLOCKS
    is_sure = is_sure and (state[EXPECTED] != IMPROBABLE or state[DISTINCT] >= DISTINCT_FRAMES)
    if correlation >= FIND and is_sure:
        state[FOUND] = 1.0


@helper
def _calibrate(mic: Any, sent: Any, at: Any, bands: Any, state: Any) -> None:
    """The gain of each band, from the blocks in which the echo was recognised."""
    lag = int(state[LAG])
    for b in range(BANDS):
        heard, played = np.float32(0.0), np.float32(1.0)
        for j in range(min(_CALIBRATION, RING - LAGS)):
            heard += mic[ENERGIES + b, at + RING - j]
            played += sent[ENERGIES + b, at + RING - lag - j]
        bands[GAIN, b] = _MARGIN * heard / played
        bands[TAIL, b] = 0.0
    state[TRUSTED] = 1.0
    state[NEAR] = state[IS_NEAR] = 0.0


@helper
def _explain(levels: Any, mic: Any, sent: Any, at: Any, bands: Any, state: Any) -> Any:
    """Predict a block's echo, and learn from it. How far it is above the noise, as a ratio."""
    lag = int(state[LAG])
    around = _FRESH_WINDOW if state[SOUNDING] < _FRESH_BLOCKS else _WINDOW
    begin = at + RING - min(lag + around, LAGS - 1)
    end = at + RING - max(lag - around, 0) + 1
    learns = state[IS_NEAR] == 0.0 and state[CORRELATION] >= SUSPECT
    errs = state[IS_NEAR] != 0.0 and state[CORRELATION] >= CERTAIN
    echoes, noises, clear = np.float32(0.0), np.float32(1e-3), np.float32(0.0)
    for b in range(BANDS):
        direct = np.float32(0.0)
        for j in range(begin, end):
            direct = max(direct, sent[ENERGIES + b, j])
        tail = max(direct, bands[TAIL, b] * _TAIL)
        bands[TAIL, b] = tail
        energy, noise, gain = mic[ENERGIES + b, at], levels[NOISE, b], bands[GAIN, b]
        echoes += gain * tail
        noises += noise
        above = energy / (gain * tail + np.float32(2.0) * noise + np.float32(1.0))
        above_db = 10.0 * math.log10(above + np.float32(1e-6))
        clear += np.float32(min(max(above_db - _CLEAR_DB, 0.0), _MOST_DB))
        if learns and gain * direct > noise and direct > np.float32(0.3) * tail:
            bands[GAIN, b] = gain * (_LOUDER if energy > gain * direct else _QUIETER)
        elif errs and energy > gain * direct:
            bands[GAIN, b] = gain * _SLOWLY  # It is too alike to be anything but the echo.
    state[SOUNDING] = state[SOUNDING] + 1.0 if echoes > noises else 0.0
    near = state[NEAR] + clear * _SHARE - _DRIFT
    state[NEAR] = min(max(near, 0.0), _NEAR_MOST)
    state[TRUSTED] = min(state[TRUSTED] + 1.0, 1_000.0)
    if state[NEAR] >= _NEAR_ON:
        state[IS_NEAR] = 1.0
    elif state[NEAR] == 0.0:
        state[IS_NEAR] = 0.0
    if state[FOUND] != 0.0 and sent[POWER, at + RING - lag] > 1.0:
        _doubt(state)
    return echoes / noises


@helper
def _may_be_echo(sent: Any, at: Any, state: Any) -> Any:
    """Whether to hold back what may be echo, since it is not known yet."""
    if state[EXPECTED] == POSSIBLE:
        most = ALIKE_BLOCKS if state[CORRELATION] >= LOSE else POSSIBLE_BLOCKS
        if not 0.0 < state[BEGUN] <= most:
            return False
    loudest = np.float32(0.0)
    for j in range(at + RING - (LAGS - 1), at + RING + 1):
        loudest = max(loudest, sent[POWER, j])
    return loudest > MOVES


@helper
def _doubt(state: Any) -> None:
    """A block in which the echo must be heard, if there is one."""
    if state[CORRELATION] < LOSE:
        state[ABSENT] += 1.0 if state[IS_NEAR] == 0.0 else 0.25
    elif state[CORRELATION] >= SUSPECT:
        state[ABSENT] = max(state[ABSENT] - 2.0, 0.0)
    if state[ABSENT] >= ABSENT_BLOCKS:
        state[FOUND] = state[STEADY] = state[ABSENT] = 0.0


@compiled(
    "void(float32[:, ::1], float32[:, ::1], float32[:, ::1], int64,"
    " float32[:, ::1], float32[:, ::1], float32[::1])",
    reordered=True,
)
def compare(
    levels: Floats,
    mic: Floats,
    sent: Floats,
    block: int,
    sums: Floats,
    bands: Floats,
    state: Floats,
) -> None:
    """Two blocks from ``block`` on of a microphone, against what was sent before.

    ``levels`` and ``mic`` are the microphone's, ``sent`` is the ring of the other stream; ``sums``
    (2, LAGS), ``bands`` (PAIR_BANDS, BANDS) and ``state`` (STATE,) belong to the pair.
    """
    for k in range(BLOCKS):
        at = (block + k) % RING
        first = at + RING - (LAGS - 1)
        state[MIC_POWER] = FORGET * state[MIC_POWER] + mic[POWER, at]
        if mic[POWER, at] > MOVES:
            state[HEARD] = min(state[HEARD] + 1.0, DOUBT_BLOCKS)
            state[STILL] = 0.0
            state[BEGUN] = max(state[BEGUN], 0.5)
        state[STILL] += 1.0
        if state[BEGUN] > 0.0:
            state[BEGUN] += 1.0
        if state[STILL] > _STILL_BLOCKS:
            state[BEGUN] = 0.0
        for j in range(LAGS):
            sums[PRODUCTS, j] *= FORGET
            sums[SENT_POWER, j] = FORGET * sums[SENT_POWER, j] + sent[POWER, first + j]
        for b in range(BANDS):
            change = mic[CHANGES + b, at]
            for j in range(LAGS):
                sums[PRODUCTS, j] += change * sent[CHANGES + b, first + j]
    _find(sums, state)
    doubts = state[FOUND] == 0.0 and state[EXPECTED] >= POSSIBLE and state[HEARD] < DOUBT_BLOCKS
    suspects = state[CORRELATION] >= SUSPECT and state[STEADY] >= SUSPECT_FRAMES
    suspects = suspects and state[EXPECTED] != IMPROBABLE
    state[ECHO] = 0.0
    if state[FOUND] != 0.0 or suspects:
        if state[TRUSTED] == 0.0:
            _calibrate(mic, sent, (block + 1) % RING, bands, state)
        audible = np.float32(0.0)
        for k in range(BLOCKS):
            audible = _explain(levels, mic, sent, (block + k) % RING, bands, state)
        if state[IS_NEAR] == 0.0 and audible > 1.0:
            state[ECHO] = 1.0
    else:
        state[TRUSTED] = state[NEAR] = state[IS_NEAR] = 0.0
    if doubts and _may_be_echo(sent, (block + 1) % RING, state):
        state[ECHO] = 1.0


CACHE.seal()

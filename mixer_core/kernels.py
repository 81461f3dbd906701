"""The numeric loops of the mixer. They, ``voice_kernels`` and ``echo_kernels`` are the only
numba code here.

Every kernel is a plain Python function (``.py_func`` of what is exported), compiled at import with
an explicit signature. The rules that make compiled code, plain function and NumPy agree to the bit:

- the caller allocates; a kernel writes only into arrays it was given, never raises, never logs;
- arrays are C-contiguous: PCM int16, sums int32, tallies int64;
- integer arithmetic everywhere but in the limiter, whose float32 operations are single correctly
  rounded IEEE operations in a fixed order (no fastmath, nothing is contracted or reordered).

Shapes: n = samples of a frame (480), s = streams. Nothing is checked inside: all arrays of one
call agree in n, and outputs of ``mix_minus`` have as many rows as its inputs. Results are exact for
up to 512 streams at full scale (sums below 2²⁴, the consecutive integers of a float32).

The loops run stream by stream, not sample by sample: only so does the compiler vectorise them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, cast

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from .numba_cache import CacheGuard

Pcm = NDArray[np.int16]
"""Samples, -32768 … 32767; shape (n,) or (s, n)."""
Sum = NDArray[np.int32]
"""Sums of samples; shape (n,)."""
Tally = NDArray[np.int64]
"""Shape (3,): sum of squares, peak (0 … 32768), number of samples."""

KNEE = 23_039
"""The limiter leaves |x| ≤ KNEE alone: 0.703 of full scale, -3.06 dBFS."""
HEADROOM = 32_767 - KNEE
"""What is louder is bent into these 19 · 2⁹ steps; their square is exact in a float32."""
GAIN_BITS = 15
GAIN_ONE = 1 << GAIN_BITS
"""Gain 1.0 of ``fade``."""

LAG_LEAST, LAG_MOST = 60, 360
"""Periods of a voice that are tried, in samples: 400 Hz to 67 Hz."""
MATCH_SAMPLES = 240
"""The last samples that a period is judged by, every second one of them."""
HOLD_SAMPLES = 240
"""A repeated period keeps its level for 10 ms…"""
FADE_SAMPLES = 1_200
"""…and has faded to zero after another 50 ms."""

_KNEE = np.float32(KNEE)
_HEADROOM = np.float32(HEADROOM)
_HEADROOM_SQUARED = np.float32(HEADROOM * HEADROOM)
_HEADROOM_ROUNDED = np.float32(HEADROOM + 0.5)
_ZERO = np.float32(0.0)
_GAIN_HALF = GAIN_ONE // 2


class Kernel(Protocol):
    """A compiled kernel."""

    py_func: Callable[..., None]
    """The same function, interpreted."""

    def __call__(self, *arrays: Any) -> None:
        """Run it; the docstring of the function says with what."""


CACHE = CacheGuard()
"""Knows whether machine code could be kept on disk. Each module of kernels seals it at its end."""


helper = register_jitable
"""Of a function that kernels of the same module call. Not of another: numba would not notice that
it has changed."""


def compiled(signature: str, *, reordered: bool = False) -> Callable[[Callable[..., None]], Kernel]:
    """Compile a kernel for ``signature`` now, from and into the cache as far as it works.

    ``error_model="numpy"`` spares the test for a zero divisor that would stop vectorisation.
    ``reordered``: sums may be added up in any order, for kernels that only measure.
    """

    def compile_function(function: Callable[..., None]) -> Kernel:
        fastmath = {"reassoc", "nsz"} if reordered else False
        make = partial(numba.njit(nogil=True, error_model="numpy", fastmath=fastmath), function)
        return cast(Kernel, CACHE.compiled(make, signature))

    return compile_function


@helper
def _bend(value: Any) -> Any:
    """One sample of the limiter: an int32 sum to an int16, odd and monotonic.

    Above the knee |y| = KNEE + H - H²/(|x| - KNEE + H) with H = HEADROOM: slope 1 at the knee,
    never beyond 32767. Below, the same expression is |x| + 0.5 exactly, which truncates to |x|.
    """
    x = np.float32(value)
    loud = abs(x)
    over = max(loud - _KNEE, _ZERO)
    bent = min(loud, _KNEE) + (_HEADROOM_ROUNDED - _HEADROOM_SQUARED / (over + _HEADROOM))
    return np.int16(np.copysign(bent, x))


@compiled("void(int16[:, ::1], int32[::1])")
def mix(block: Pcm, total: Sum) -> None:
    """total = sum of the rows of ``block`` (s, n)."""
    for i in range(total.shape[0]):
        total[i] = 0
    for s in range(block.shape[0]):
        for i in range(total.shape[0]):
            total[i] += block[s, i]


@compiled("void(int32[::1], int16[::1])")
def limit(total: Sum, out: Pcm) -> None:
    """out = ``total`` bent into 16 bits; both of shape (n,)."""
    for i in range(total.shape[0]):
        out[i] = _bend(total[i])


@compiled("void(int16[:, ::1], int32[::1], int16[::1])")
def mix_limited(block: Pcm, total: Sum, out: Pcm) -> None:
    """``mix`` and ``limit`` in one call, because calling costs as much as mixing."""
    for i in range(total.shape[0]):
        total[i] = 0
    for s in range(block.shape[0]):
        for i in range(total.shape[0]):
            total[i] += block[s, i]
    for i in range(total.shape[0]):
        out[i] = _bend(total[i])


@compiled("void(int16[:, ::1], int32[::1], int16[:, ::1])")
def mix_minus(block: Pcm, total: Sum, out: Pcm) -> None:
    """out[s] = limited (``total`` - block[s]): all but oneself; ``total`` comes from ``mix``."""
    for s in range(block.shape[0]):
        for i in range(total.shape[0]):
            out[s, i] = _bend(total[i] - block[s, i])


@compiled("void(int16[::1], int64[::1])")
def meter(pcm: Pcm, tally: Tally) -> None:
    """Add ``pcm`` (n,) to ``tally``: energy and count are summed, the larger peak stays."""
    energy = np.int64(0)
    low = np.int64(0)
    high = np.int64(0)
    for i in range(pcm.shape[0]):
        value = np.int64(pcm[i])
        energy += value * value
        low = min(low, value)
        high = max(high, value)
    tally[0] += energy
    tally[1] = max(tally[1], high, -low)
    tally[2] += pcm.shape[0]


@compiled("void(int16[::1], int16[::1], int64, int64)")
def fade(pcm: Pcm, out: Pcm, first_gain: int, last_gain: int) -> None:
    """out = ``pcm`` (n,) times a ramp; gains 0 … GAIN_ONE; ``last_gain`` is that of sample n."""
    step = ((last_gain - first_gain) << GAIN_BITS) // pcm.shape[0]
    for i in range(pcm.shape[0]):
        gain = first_gain + ((step * i) >> GAIN_BITS)
        out[i] = (np.int64(pcm[i]) * gain + _GAIN_HALF) >> GAIN_BITS


@compiled("void(int16[::1], int64[::1])")
def find_period(history: Pcm, period: Tally) -> None:
    """period[0] = the lag at which the end of ``history`` (960,) is most like what was before it.

    The measure is the normalised cross-correlation (see ``repeat_period``).
    """
    first = history.shape[0] - MATCH_SAMPLES
    best = 0.0
    period[0] = LAG_MOST
    for lag in range(LAG_LEAST, LAG_MOST + 1):
        product = np.int64(0)
        energy = np.int64(1)
        for i in range(first, history.shape[0], 2):
            value = np.int64(history[i - lag])
            product += np.int64(history[i]) * value
            energy += value * value
        score = np.float64(product) * np.float64(product) / np.float64(energy)
        if product > 0 and score > best:
            best = score
            period[0] = lag


@compiled("void(int16[::1], int64, int64, int16[::1])")
def repeat_period(history: Pcm, period: int, done: int, out: Pcm) -> None:
    """out (n,) = samples ``done`` … of the last ``period`` of ``history``, repeated and fading.

    Waveform substitution as in ITU-T G.711 Appendix I: the last quarter of a period fades into what
    was before the period, so that its repetition begins where it ends.
    """
    begin = history.shape[0] - period
    quarter = period // 4
    for i in range(out.shape[0]):
        place = (done + i) % period
        value = np.int64(history[begin + place])
        late = place - (period - quarter)
        if late >= 0:
            before = np.int64(history[begin - period + place])
            value = (value * (quarter - late) + before * late) // quarter
        gain = GAIN_ONE - max(0, done + i - HOLD_SAMPLES) * GAIN_ONE // FADE_SAMPLES
        out[i] = (value * max(0, gain) + _GAIN_HALF) >> GAIN_BITS


@compiled("void(int16[::1], int16[::1])")
def join(before: Pcm, pcm: Pcm) -> None:
    """``pcm`` (n,) begins as ``before`` (m,) and is itself after m samples."""
    length = before.shape[0]
    for i in range(length):
        pcm[i] = (np.int64(before[i]) * (length - i) + np.int64(pcm[i]) * i) // length


CACHE.seal()

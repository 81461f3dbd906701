"""Kernels: compiled, interpreted and NumPy agree to the bit; the limiter keeps its promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mixer_core import kernels
from mixer_core.kernels import GAIN_ONE, HEADROOM, KNEE

SAMPLES = 480
quick = settings(max_examples=25, deadline=None)


def pcm_block(seed: int, streams: int, samples: int, peak: int) -> NDArray[np.int16]:
    """Noise of shape (streams, samples); ``peak`` 32768 reaches both ends of int16."""
    rng = np.random.default_rng(seed)
    return rng.integers(-peak, min(peak, 32767) + 1, (streams, samples)).astype(np.int16)


def limited(total: NDArray[np.int32]) -> NDArray[np.int16]:
    """The limiter in NumPy."""
    x = total.astype(np.float32)
    loud = np.abs(x)
    over = np.maximum(loud - np.float32(KNEE), np.float32(0))
    room = np.float32(HEADROOM + 0.5) - np.float32(HEADROOM**2) / (over + np.float32(HEADROOM))
    return np.copysign(np.minimum(loud, np.float32(KNEE)) + room, x).astype(np.int16)


blocks = st.builds(
    pcm_block,
    st.integers(0, 2**32),
    st.integers(1, 8),
    st.integers(1, 70),
    st.sampled_from([1, 3_000, KNEE, 32_768]),
)


@quick
@given(blocks)
def test_mix_equals_plain_python_and_numpy_to_the_bit(block: NDArray[np.int16]) -> None:
    compiled, plain = (np.full(block.shape[1], 7, np.int32) for _ in range(2))
    kernels.mix(block, compiled)
    kernels.mix.py_func(block, plain)
    expected = block.sum(axis=0, dtype=np.int32)
    assert np.array_equal(compiled, expected)
    assert np.array_equal(plain, expected)


@quick
@given(blocks)
def test_limiting_a_mix_equals_plain_python_and_numpy_to_the_bit(block: NDArray[np.int16]) -> None:
    samples = block.shape[1]
    total, one, two, plain = (
        np.zeros(samples, t) for t in (np.int32, np.int16, np.int16, np.int16)
    )
    kernels.mix_limited(block, total, one)
    kernels.limit(total, two)
    kernels.limit.py_func(total, plain)
    assert np.array_equal(one, limited(block.sum(axis=0, dtype=np.int32)))
    assert np.array_equal(one, two)
    assert np.array_equal(one, plain)
    kernels.mix_limited.py_func(block, total, plain)
    assert np.array_equal(one, plain)


@quick
@given(blocks)
def test_mix_minus_equals_plain_python_and_numpy_to_the_bit(block: NDArray[np.int16]) -> None:
    total = block.sum(axis=0, dtype=np.int32)
    compiled, plain = np.empty_like(block), np.empty_like(block)
    kernels.mix_minus(block, total, compiled)
    kernels.mix_minus.py_func(block, total, plain)
    assert np.array_equal(compiled, limited(total - block.astype(np.int32)))
    assert np.array_equal(compiled, plain)


@quick
@given(blocks)
def test_the_meter_equals_plain_python_and_numpy(block: NDArray[np.int16]) -> None:
    compiled, plain = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for row in block:
        kernels.meter(row, compiled)
        kernels.meter.py_func(row, plain)
    wide = block.astype(np.int64)
    assert compiled.tolist() == [(wide**2).sum(), np.abs(wide).max(), wide.size]
    assert compiled.tolist() == plain.tolist()


@quick
@given(blocks, st.integers(0, GAIN_ONE), st.integers(0, GAIN_ONE))
def test_fading_equals_plain_python_and_numpy(
    block: NDArray[np.int16], first: int, last: int
) -> None:
    pcm = block[0]
    compiled, plain = np.empty_like(pcm), np.empty_like(pcm)
    kernels.fade(pcm, compiled, first, last)
    kernels.fade.py_func(pcm, plain, first, last)
    step = ((last - first) << 15) // len(pcm)
    gains = first + ((step * np.arange(len(pcm))) >> 15)
    assert np.array_equal(compiled, (pcm.astype(np.int64) * gains + GAIN_ONE // 2) >> 15)
    assert np.array_equal(compiled, plain)


def test_the_limiter_is_transparent_up_to_the_knee() -> None:
    total = np.arange(-KNEE, KNEE + 1, dtype=np.int32)
    out = np.empty(len(total), np.int16)
    kernels.limit(total, out)
    assert np.array_equal(out, total)


def test_the_limiter_is_monotonic_odd_smooth_and_stays_within_16_bits() -> None:
    total = np.arange(0, 64 * 32_768, dtype=np.int32)
    up, down = np.empty(len(total), np.int16), np.empty(len(total), np.int16)
    kernels.limit(total, up)
    kernels.limit(-total, down)
    steps = np.diff(up.astype(np.int32))
    assert steps.min() >= 0
    assert steps.max() <= 1
    assert up.max() <= 32_767
    assert np.array_equal(up, -down)
    assert np.array_equal(up, limited(total))
    near_knee = up[KNEE : KNEE + 100].astype(np.int32) - total[KNEE : KNEE + 100]
    assert abs(near_knee).max() <= 2


def test_two_full_scale_voices_do_not_reach_the_rail() -> None:
    block = np.full((2, SAMPLES), 32_767, np.int16)
    total, out = np.zeros(SAMPLES, np.int32), np.zeros(SAMPLES, np.int16)
    kernels.mix_limited(block, total, out)
    assert 30_000 < out[0] < 32_767


@pytest.mark.parametrize("gain", [0, GAIN_ONE])
def test_a_constant_fade_is_silence_or_the_frame_itself(gain: int) -> None:
    pcm = np.array([-32768, -5, 0, 5, 32767], np.int16)
    out = np.empty_like(pcm)
    kernels.fade(pcm, out, gain, gain)
    assert out.tolist() == (pcm.tolist() if gain else [0] * 5)


def test_wrong_types_and_layouts_are_refused_at_the_call() -> None:
    with pytest.raises(TypeError):
        kernels.limit(np.zeros(4, np.int64), np.zeros(4, np.int16))
    with pytest.raises(TypeError):
        kernels.limit(np.zeros(4, np.int32), np.zeros(8, np.int16)[::2])

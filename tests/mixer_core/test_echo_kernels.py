"""The detector's loops: what bands hold, and compiled code against the same code interpreted."""

from __future__ import annotations

import numpy as np
import pytest

from mixer_core import echo_kernels as kernels
from mixer_core.bus.pcm import FRAME_SAMPLES
from mixer_core.places.ear import Ear, Pair


def tone(hz: float, amplitude: float = 1_000.0) -> bytes:
    time_s = np.arange(FRAME_SAMPLES) / 24_000
    return (amplitude * np.sin(2 * np.pi * hz * time_s)).astype("<i2").tobytes()


@pytest.mark.parametrize("band", range(kernels.BANDS))
def test_a_tone_is_in_its_band_with_its_power_and_hardly_in_those_beyond_the_next(
    band: int,
) -> None:
    ear = Ear()
    for frame in range(3):
        ear.hear(tone(kernels._CENTRES_HZ[band]), frame * 20_000_000)
    at = (ear.block + 1) % kernels.RING
    energies = ear.ring[kernels.ENERGIES : kernels.ENERGIES + kernels.BANDS, at]
    assert energies[band] == pytest.approx(1_000**2 / 2, rel=0.1)
    far = [energies[b] for b in range(kernels.BANDS) if abs(b - band) > 1]
    assert max(far) < energies[band] / 100


def test_compiled_and_interpreted_agree() -> None:
    dice = np.random.default_rng(4)
    ears, others, pairs = [Ear(), Ear()], [Ear(), Ear()], [Pair(0), Pair(0)]
    for n in range(12):
        pcm, sent = (dice.normal(0, 2_000 * (n % 3), FRAME_SAMPLES).astype("<i2") for _ in "ab")
        for ear, sound in ((ears, pcm), (others, sent)):
            for which, run in zip(ear, (kernels.hear, kernels.hear.py_func), strict=True):
                run(sound, which._wave, which.levels, which.ring, 2 * n)
        for i, run in enumerate((kernels.compare, kernels.compare.py_func)):
            pair = pairs[i]
            if n == 8:
                pair.state[kernels.FOUND] = 1.0
            run(
                ears[i].levels,
                ears[i].ring,
                others[i].ring,
                2 * n,
                pair.sums,
                pair.bands,
                pair.state,
            )
    assert np.allclose(ears[0].ring, ears[1].ring, rtol=1e-3, atol=1e-3)
    assert np.allclose(pairs[0].sums, pairs[1].sums, rtol=1e-2, atol=1e-2)
    assert np.allclose(pairs[0].state, pairs[1].state, rtol=1e-2, atol=1e-2)


def test_whatever_a_frame_holds_nothing_becomes_infinite() -> None:
    ear, sent, pair = Ear(), Ear(), Pair(kernels.POSSIBLE)
    pair.state[kernels.FOUND] = 1.0
    extremes = (np.zeros, np.ones)
    for n in range(300):
        value = (-32_768, 0, 32_767, 1)[n // 7 % 4]
        pcm = (extremes[n % 2](FRAME_SAMPLES) * value).astype("<i2").tobytes()
        sent.hear(pcm, n * 20_000_000)
        ear.hear(pcm, n * 20_000_000)
        pair.compare(ear, sent)
    for array in (ear.ring, ear.levels, pair.sums, pair.bands, pair.state):
        assert np.isfinite(array).all()

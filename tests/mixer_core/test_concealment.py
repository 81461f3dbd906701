"""What stands in for lost frames: the last period of the voice, fading, joined to what comes."""

from __future__ import annotations

import numpy as np
import pytest

from mixer_core import kernels
from mixer_core.bus.pcm import FRAME_SAMPLES
from mixer_core.concealment import CONCEALED_FRAMES, JOIN_SAMPLES, Concealer
from tests.mixer_core.mixer_bench import samples

RATE_HZ = 24_000


def voice(frequency_hz: float, frames: int) -> list[bytes]:
    """A sound of four harmonics."""
    at = np.arange(frames * FRAME_SAMPLES) / RATE_HZ
    wave = sum(np.sin(2 * np.pi * n * frequency_hz * at + n) / n for n in range(1, 5))
    pcm = np.round(6_000 * wave).astype(np.int16).tobytes()
    return [pcm[i : i + 2 * FRAME_SAMPLES] for i in range(0, len(pcm), 2 * FRAME_SAMPLES)]


def after(frames: list[bytes]) -> Concealer:
    concealer = Concealer()
    for pcm in frames:
        assert concealer.learn(pcm) is pcm
    return concealer


def level(pcm: bytes) -> float:
    return float(np.sqrt(np.mean(samples(pcm).astype(np.float64) ** 2)))


@pytest.mark.parametrize("frequency_hz", [81, 127, 203, 317, 396])
def test_a_lost_frame_of_a_voice_is_the_voice(frequency_hz: float) -> None:
    frames = voice(frequency_hz, 4)
    invented = samples(after(frames[:3]).invent()).astype(np.float64)[:240]
    truth = samples(frames[3]).astype(np.float64)[:240]
    assert np.mean((invented - truth) ** 2) < 0.1 * np.mean(truth**2)


def test_it_begins_where_the_voice_ends_and_fades_to_zero_within_60_ms() -> None:
    frames = voice(150, 3)
    concealer = after(frames)
    invented = []
    while concealer.can_go_on:
        invented.append(concealer.invent())
    assert len(invented) == CONCEALED_FRAMES
    whole = samples(b"".join([frames[-1], *invented])).astype(np.int32)
    steepest = np.abs(np.diff(samples(b"".join(frames)).astype(np.int32))).max()
    assert np.abs(np.diff(whole)).max() <= 1.5 * steepest, "no click"
    assert level(invented[0]) > 0.7 * level(frames[-1])
    assert level(invented[0]) > level(invented[1]) > level(invented[2])
    assert np.abs(whole[-24:]).max() <= 300


def test_the_next_frame_fades_in_for_5_ms_and_is_itself_after_that() -> None:
    frames = voice(150, 5)
    concealer = after(frames[:3])
    invented = concealer.invent()
    heard = samples(concealer.learn(frames[4])).astype(np.int32)
    assert np.array_equal(heard[JOIN_SAMPLES:], samples(frames[4])[JOIN_SAMPLES:])
    steepest = np.abs(np.diff(samples(b"".join(frames)).astype(np.int32))).max()
    assert abs(heard[0] - samples(invented).astype(np.int32)[-1]) <= 1.5 * steepest
    following = frames[3]
    assert concealer.learn(following) is following


def test_of_a_voice_that_was_never_heard_nothing_is_invented() -> None:
    concealer = Concealer()
    assert not concealer.can_go_on
    concealer.learn(voice(100, 1)[0])
    assert concealer.can_go_on
    concealer.forget()
    assert not concealer.can_go_on


def test_the_kernels_agree_with_their_plain_functions() -> None:
    generator = np.random.default_rng(7)
    for loudness in (0, 100, 32_768):
        history = generator.integers(-loudness, max(1, loudness), 960, np.int64).astype(np.int16)
        periods = [np.zeros(1, np.int64) for _ in range(2)]
        outs = [np.zeros(FRAME_SAMPLES, np.int16) for _ in range(2)]
        kernels.find_period(history, periods[0])
        kernels.find_period.py_func(history, periods[1])
        assert periods[0] == periods[1]
        for done in (0, 480, 1_300):
            kernels.repeat_period(history, int(periods[0][0]), done, outs[0])
            kernels.repeat_period.py_func(history, int(periods[0][0]), done, outs[1])
            assert np.array_equal(*outs)
        kernels.join(history[:120].copy(), outs[0])
        kernels.join.py_func(history[:120].copy(), outs[1])
        assert np.array_equal(*outs)

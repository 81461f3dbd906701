"""Frames in, frames out: sums, what each listener hears, levels, repairs."""

from __future__ import annotations

import numpy as np
import pytest

from mixer_core.bus.pcm import SILENCE
from mixer_core.levels import LevelMeter
from mixer_core.mixdown import (
    Mixdown,
    SlotMix,
    crossfade,
    frame_dbfs,
)
from mixer_core.runtime.units import MS_NS
from tests.mixer_core.mixer_bench import constant, samples


def values(pcm: bytes) -> set[int]:
    return {int(value) for value in samples(pcm)}


@pytest.mark.parametrize(
    ("heard", "sum_of"),
    [([0, 1, 2, 3], 1111), ([1, 2, 3], 1110), ([0, 2, 3], 1101), ([0, 1, 2], 111), ([1, 3], 1010)],
)
def test_any_choice_of_voices_is_their_sum(heard: list[int], sum_of: int) -> None:
    mix = SlotMix(Mixdown(8), [constant(10**n) for n in range(4)])
    assert values(mix.of(heard)) == {sum_of}
    assert values(mix.of([0, 1, 2, 3])) == {1111}
    assert values(mix.of(heard)) == {sum_of}


def test_one_voice_is_the_very_frame() -> None:
    frame = constant(32_767)
    assert SlotMix(Mixdown(2), [frame, SILENCE]).of([0]) is frame


def test_levels_are_relative_to_full_scale() -> None:
    sine = np.round(32_767 * np.sin(2 * np.pi * np.arange(480) / 48)).astype(np.int16)
    assert frame_dbfs(sine.tobytes()) == pytest.approx(-3.01, abs=0.01)
    assert frame_dbfs(constant(-32_768)) == 0.0
    assert frame_dbfs(SILENCE) == -100.0


def test_a_crossfade_begins_as_the_first_and_ends_as_the_second() -> None:
    ramp = samples(crossfade(constant(-8_000), constant(8_000))).astype(np.int32)
    assert ramp[0] == -8_000
    assert ramp[-1] > 7_900
    assert np.diff(ramp).min() >= 0


def test_levels_are_due_every_100_ms_and_once_more_in_silence() -> None:
    meter, mixdown = LevelMeter(), Mixdown(1)
    mixdown.meter(constant(3_277), meter.tally("p-1", 0))
    assert meter.due(99 * MS_NS, talking=True) is None
    assert meter.due(100 * MS_NS, talking=True) == {"p-1": -20.0}
    assert meter.due(199 * MS_NS, talking=True) is None
    assert meter.due(200 * MS_NS, talking=False) == {"p-1": -100.0}
    assert meter.due(300 * MS_NS, talking=False) is None
    assert meter.next_timeout_ns() is None

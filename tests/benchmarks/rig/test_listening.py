"""Listening by measurement: which frames are lost, and what is made of what was heard."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.rig import listening, signals
from benchmarks.suites.speech import in_silence, mixed, repeated
from mixer_core.bus.pcm import FRAME_SAMPLES

FRAMES = list(signals.speech(0))
TRUTH = listening.to_samples(b"".join(FRAMES))


@pytest.mark.parametrize(("share", "burst"), [(0.02, 1), (0.05, 3)])
def test_losses_are_as_many_and_as_long_as_was_asked_for(share: float, burst: int) -> None:
    lost = listening.lost_frames(1_000, share, burst, seed=3)
    assert share * 1_000 <= len(lost) < share * 1_000 + burst
    assert min(lost) >= 5 and max(lost) < 995
    begins = [n for n in lost if n - 1 not in lost]
    assert len(begins) * burst == len(lost), "no two losses touch"
    assert lost == listening.lost_frames(1_000, share, burst, seed=3)


def test_silence_has_no_signal_and_the_truth_the_best() -> None:
    lost = {10, 50}
    silent = listening.to_samples(in_silence(FRAMES, lost))
    assert listening.snr_db(TRUTH, silent, lost) == pytest.approx(0.0)
    assert listening.snr_db(TRUTH, TRUTH, lost) == listening.BEST_DB
    assert listening.snr_db(np.zeros_like(TRUTH), silent, lost) == 0.0, "all of it is a pause"


@pytest.mark.parametrize("hear", [in_silence, repeated, mixed])
def test_what_is_not_lost_is_heard_in_its_place(hear: object) -> None:
    assert callable(hear)
    lost = listening.lost_frames(len(FRAMES), 0.05, 3, seed=1)
    heard = listening.to_samples(hear(FRAMES, lost))
    assert len(heard) == len(TRUTH)
    for number in range(len(FRAMES)):
        part = slice(number * FRAME_SAMPLES + 120, (number + 1) * FRAME_SAMPLES)
        if number not in lost:
            assert np.array_equal(heard[part], TRUTH[part])


def test_the_mixer_comes_nearer_to_the_truth_than_silence_and_the_last_frame() -> None:
    lost = listening.lost_frames(len(FRAMES), 0.05, 1, seed=1)
    ratios = [
        listening.snr_db(TRUTH, listening.to_samples(hear(FRAMES, lost)), lost)
        for hear in (mixed, in_silence, repeated)
    ]
    assert ratios[0] > max(ratios[1:]) + 3

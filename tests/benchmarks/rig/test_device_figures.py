"""What is said of held speech follows from levels whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.rig.device_figures import Held, held, way_ms
from mixer_core.bus.pcm import FRAME_NS

BEGIN_NS = 7_000_000_123
LEVEL_DBFS = -22.0
LAG = 17
TALK, PAUSE = 100, 30
SILENT = -90.0


def levels(utterances: int) -> np.ndarray:
    """Of speech: frames of changing level, and pauses."""
    rng = np.random.default_rng(4)
    made = np.full(utterances * (TALK + PAUSE), SILENT)
    for number in range(utterances):
        at = number * (TALK + PAUSE)
        made[at : at + TALK] = LEVEL_DBFS + rng.uniform(-6, 4, TALK)
    return made


def timed(made: np.ndarray, lag: int = 0) -> list[tuple[int, float]]:
    return [(BEGIN_NS + (n + lag) * FRAME_NS, float(level)) for n, level in enumerate(made)]


def judged(said: np.ndarray, came: np.ndarray) -> Held:
    spoken = [one for one in timed(said) if one[1] > SILENT]
    return held(spoken, timed(came, LAG), LEVEL_DBFS)


def test_the_way_is_found_and_nothing_is_missing_where_all_comes() -> None:
    said = levels(6)
    found = judged(said, said)
    assert found.lag_ms == LAG * 20 and found.alike > 0.9
    assert (found.loud, found.missing, found.cases, found.too_late) == (600, 0, 0, 0)
    assert found.late_ms == [0.0] * 6


@pytest.mark.parametrize("begin", [0, 40])
def test_a_piece_that_is_held_back_is_one_case_and_late_only_at_the_beginning(begin: int) -> None:
    said = levels(6)
    came = said.copy()
    third = 2 * (TALK + PAUSE)
    came[third + begin : third + begin + 25] = SILENT
    found = judged(said, came)
    assert found.cases == 1
    assert 22 <= found.missing <= 25, "each end is blurred by one frame"
    assert found.too_late == (begin == 0)


def test_an_utterance_of_which_nothing_comes_is_late_by_all_of_it() -> None:
    said = levels(6)
    came = said.copy()
    came[-(TALK + PAUSE) :] = SILENT
    found = judged(said, came)
    assert found.too_late == 1 and max(found.late_ms) == TALK * 20
    assert found.missing >= TALK - 1


def test_where_an_echo_comes_back_its_way_is_known() -> None:
    said = levels(3)
    found_ms, alike = way_ms(timed(said), timed(said - 15, 23))
    assert found_ms == 23 * 20 and alike > 0.9


def test_where_nobody_speaks_nothing_is_said() -> None:
    assert held([], [], LEVEL_DBFS) == Held()
    assert way_ms([], []) == (0.0, 0.0)

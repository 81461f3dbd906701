"""The gateway as one model (``story``): some of its runs, and those that have shown faults."""

from __future__ import annotations

import pytest

from tests.model.story import verdict
from tests.support.tables import points

BLOCK = 10


@pytest.mark.parametrize("first", range(1, 61, BLOCK))
def test_whatever_dies_everybody_talks_again(first: int) -> None:
    verdicts = [verdict(seed) for seed in points(range(first, first + BLOCK))]
    assert {found.seed: found.faults for found in verdicts if found.faults} == {}
    assert sum(found.frames for found in verdicts) > 0

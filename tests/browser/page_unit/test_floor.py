"""floor.js: who speaks first keeps the floor in the pauses between words."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

HEAR = "const f = new m.Floor(); return a.map(([nowMs, levels]) => f.hear(levels, nowMs));"
ADA, BO = ["ada", -20], ["bo", -12]


@pytest.mark.parametrize(
    ("heard", "holders"),
    [
        ([[0, []], [50, [["ada", -60]]]], ["", ""]),
        ([[0, [ADA]], [100, [ADA, BO]], [200, [BO]], [900, [BO]]], ["ada", "ada", "ada", "bo"]),
        ([[0, [ADA]], [500, []], [700, [ADA]], [1400, [BO]], [1500, [BO]]], ["ada"] * 4 + ["bo"]),
        ([[0, [ADA]], [800, []], [900, [ADA]]], ["ada", "", "ada"]),
        ([[0, [ADA, BO]]], ["bo"]),
    ],
)
def test_the_floor_is_kept_until_a_pause(run: Run, heard: list[object], holders: list[str]) -> None:
    assert run("state/floor.js", HEAR, heard) == holders

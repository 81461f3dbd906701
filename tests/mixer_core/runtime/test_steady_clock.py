"""Unix time that does not follow a jump at once, and follows it in the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.steady_clock import LASTS_NS, STARTING_NS, STEP_MS, SteadyClock
from mixer_core.runtime.units import MS_NS, S_NS

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
UP_NS = STARTING_NS * 10


@pytest.mark.parametrize("jump_ms", [40 * DAY_MS, -40 * DAY_MS, 4_000 * DAY_MS, 2 * STEP_MS])
def test_a_jump_counts_once_it_has_lasted(jump_ms: int) -> None:
    clock = SteadyClock()
    assert clock.now_ms(NOW_MS, UP_NS) == NOW_MS
    for second in range(1, LASTS_NS // S_NS, 60):
        wall_ms = NOW_MS + second * 1_000
        assert clock.now_ms(wall_ms + jump_ms, UP_NS + second * S_NS) == wall_ms
    late_ms = NOW_MS + jump_ms + LASTS_NS // MS_NS + 1_000
    assert clock.now_ms(late_ms, UP_NS + LASTS_NS + S_NS) == late_ms


def test_a_jump_back_is_as_if_nothing_had_been() -> None:
    clock = SteadyClock()
    clock.now_ms(NOW_MS, UP_NS)
    clock.now_ms(NOW_MS + 40 * DAY_MS, UP_NS)
    assert clock.now_ms(NOW_MS + 1_000, UP_NS + S_NS) == NOW_MS + 1_000
    clock.now_ms(NOW_MS + 40 * DAY_MS, UP_NS + LASTS_NS - 1)
    assert clock.now_ms(NOW_MS, UP_NS + LASTS_NS + 1) != NOW_MS + 40 * DAY_MS


def test_small_corrections_are_followed(step_ms: int = STEP_MS) -> None:
    clock = SteadyClock()
    clock.now_ms(NOW_MS, UP_NS)
    for number in range(1, 100):
        wall_ms = NOW_MS + number * step_ms
        assert clock.now_ms(wall_ms, UP_NS) == wall_ms


@pytest.mark.parametrize(
    ("first_ms", "boot_ns"), [(5_000, UP_NS), (NOW_MS - 90 * DAY_MS, STARTING_NS // 2)]
)
def test_a_clock_that_is_set_for_the_first_time_is_believed(first_ms: int, boot_ns: int) -> None:
    clock = SteadyClock()
    clock.now_ms(first_ms, boot_ns)
    assert clock.now_ms(NOW_MS, boot_ns + S_NS) == NOW_MS


@given(st.lists(st.tuples(st.integers(-(10**12), 10**12), st.integers(0, 10**13)), max_size=20))
def test_whatever_the_clock_does_time_goes_on(steps: list[tuple[int, int]]) -> None:
    clock = SteadyClock()
    boot_ns, held_ns, jump_ms = UP_NS, 0, 0
    known_ms = clock.now_ms(NOW_MS, boot_ns)
    for new_jump_ms, wait_ns in steps:
        held_ns = 0 if abs(new_jump_ms - jump_ms) > STEP_MS else held_ns + wait_ns
        jump_ms = new_jump_ms
        boot_ns += wait_ns
        wall_ms = NOW_MS + (boot_ns - UP_NS) // MS_NS + jump_ms
        before_ms, known_ms = known_ms, clock.now_ms(wall_ms, boot_ns)
        if abs(known_ms - before_ms - wait_ns // MS_NS) > STEP_MS + 1:
            assert abs(known_ms - wall_ms) <= 1, "it follows the wall clock or nobody"

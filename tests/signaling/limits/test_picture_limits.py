"""How many pictures, and how many bytes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.units import S_NS
from signaling.limits.limiter import Refusal
from signaling.limits.pictures import HOUR_NS, ROOM_FACTOR, ByteBudget, PictureLimits


def shows(limits: PictureLimits, who: str, room: str, at_s: float, size_bytes: int = 1) -> int:
    """Seconds to wait; 0: it was shown."""
    now_ns = int(at_s * S_NS)
    try:
        limits.begin(who, room, now_ns)
        limits.size(who, room, size_bytes, now_ns)
    except Refusal as refusal:
        assert refusal.retry_after_s
        return refusal.retry_after_s
    return 0


def test_one_person_waits_and_another_does_not() -> None:
    limits = PictureLimits(6, 10**9)
    assert [shows(limits, "a", "home", 0) for _ in range(7)] == [0] * 6 + [10]
    assert shows(limits, "b", "home", 0) == 0
    assert shows(limits, "a", "home", 10) == 0


def test_a_room_has_a_limit_of_its_own() -> None:
    limits = PictureLimits(2, 10**9)
    shown = [shows(limits, f"p{n}", "home", 0) for n in range(2 * ROOM_FACTOR + 1)]
    assert shown[:-1] == [0] * 2 * ROOM_FACTOR and shown[-1] > 0
    assert shows(limits, "p0", "attic", 0) == 0


def test_the_first_refusal_of_a_burst_has_a_line_for_the_log() -> None:
    limits = PictureLimits(1, 10**9)
    limits.begin("a", "home", 0)
    lines = []
    for _ in range(3):
        with pytest.raises(Refusal) as caught:
            limits.begin("a", "home", 0)
        lines.append(caught.value.log_line)
    assert lines == ["a: too many pictures", "", ""]


def test_bytes_come_back_within_an_hour() -> None:
    limits = PictureLimits(60, 1_000_000)
    assert shows(limits, "a", "home", 0, 500_000) == 0
    assert shows(limits, "a", "home", 0, 100_000) == 720
    assert shows(limits, "b", "home", 0, 500_000) == 0
    assert shows(limits, "c", "home", 0, 1) > 0, "the room has shown enough"
    assert shows(limits, "a", "home", 725, 100_000) == 0


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 400)), max_size=40))
def test_within_any_hour_at_most_twice_the_budget_is_shown(steps: list[tuple[int, int]]) -> None:
    budget, now_ns, taken = ByteBudget(1_000), 0, []
    for size_bytes, wait_s in steps:
        now_ns += wait_s * S_NS
        if budget.wait_s("k", size_bytes, now_ns) == 0:
            budget.take("k", size_bytes, now_ns)
            taken.append((now_ns, size_bytes))
    for start_ns, _ in taken:
        hour = [size for at, size in taken if start_ns <= at < start_ns + HOUR_NS]
        assert sum(hour) <= 2_000

"""What follows from the load: whom it keeps out, what is shed first, and that nothing flaps."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mixer_core.runtime.units import MS_NS, S_NS
from signaling.registry.load import CALM_NS, COMING_IN, FRESH_NS, PLENTY, WORDS, LoadPolicy, line
from signaling.registry.load_meter import SIGNALS, Load, Signal


def loaded(ratio: float, signal: Signal = "processor", own: float = 0.8) -> Load:
    return Load({signal: ratio}, own_cores=own, bears_cores=1.7)


def levels(policy: LoadPolicy, *steps: tuple[float, int]) -> list[int]:
    """The level after each second of (ratio, seconds)."""
    found, now_ns = [], 0
    for ratio, seconds in steps:
        for _ in range(seconds):
            now_ns += S_NS
            policy.measured(loaded(ratio), 5, now_ns)
            found.append(policy.level)
    return found


def test_what_is_shed_comes_in_order_and_goes_step_by_step() -> None:
    rising = ((0.5, 1), (0.75, 1), (0.9, 1), (1.2, 1))
    assert levels(LoadPolicy(), *rising) == [0, 1, 2, 3]
    falling = levels(LoadPolicy(), (1.2, 1), (0.1, 14))
    assert falling[0] == 3 and falling[-1] == 0
    steps = [after - before for before, after in pairwise(falling)]
    assert set(steps) == {0, -1}
    assert falling.count(2) == falling.count(1) == CALM_NS // S_NS


@pytest.mark.parametrize("around", [0.70, 0.85, 1.0])
def test_a_load_that_swings_around_a_limit_does_not_flap(around: float) -> None:
    swinging = [(around + (0.06 if n % 2 else -0.06), 1) for n in range(60)]
    found = levels(LoadPolicy(), *swinging)
    assert len(set(found[2:])) == 1, found


def test_newcomers_are_refused_at_the_last_level_only() -> None:
    policy = LoadPolicy()
    for ratio in (0.75, 0.9):
        policy.measured(loaded(ratio), 5, S_NS)
        assert policy.free(5, 0, S_NS) > 0
    policy.measured(loaded(1.0), 5, S_NS)
    assert policy.free(5, 0, S_NS) == 0


@pytest.mark.parametrize("signal", SIGNALS)
def test_every_signal_alone_keeps_newcomers_out_and_says_why(signal: Signal) -> None:
    policy = LoadPolicy()
    policy.measured(loaded(1.1, signal), 5, S_NS)
    assert policy.free(5, 0, S_NS) == 0
    assert policy.words() == policy.view().reason == WORDS[signal]
    assert policy.view().percent == 110
    assert policy.gauges()[f"load_{signal}_ratio"] == 1.1


def test_a_gateway_where_nobody_is_takes_somebody_however_busy_the_machine_is() -> None:
    policy = LoadPolicy()
    for second in range(100):
        policy.measured(loaded(5.0, "waiting"), 0, second * S_NS)
    assert policy.level == 0, "nothing is shed, and nothing said"
    assert policy.free(0, 0, 100 * S_NS) == 2
    assert policy.free(0, 1, 100 * S_NS) == 1, "half-open offers do not keep it shut"
    policy.measured(loaded(5.0, "waiting"), 1, 101 * S_NS)
    assert policy.free(1, 0, 101 * S_NS) == 0


def test_a_rush_is_counted_before_it_can_be_measured() -> None:
    policy = LoadPolicy()
    policy.measured(loaded(0.5, own=0.85), 10, S_NS)
    came = 0
    while policy.free(10 + came, 0, S_NS):
        policy.came_in(S_NS)
        came += 1
    assert 5 <= came <= 12
    assert policy.words() == COMING_IN
    later_ns = S_NS + FRESH_NS
    assert policy.free(10 + came, 0, later_ns) == came, "by then they show in what is measured"


def test_where_no_processor_is_ever_idle_few_come_at_once() -> None:
    free = LoadPolicy()
    free.measured(Load({"waiting": 0.1}, own_cores=0.3, busy=1.0, bears_cores=1.7), 5, S_NS)
    assert free.free(5, 0, S_NS) == 3
    policy = LoadPolicy()
    policy.measured(Load({"waiting": 0.6}, own_cores=0.3, busy=1.0, bears_cores=1.7), 5, S_NS)
    assert policy.free(5, 0, S_NS) == 1
    policy.came_in(S_NS)
    assert policy.free(5, 1, S_NS + FRESH_NS - 1) == 0
    assert policy.words() == COMING_IN
    assert policy.free(5, 1, S_NS + FRESH_NS) == 1


def test_what_a_session_costs_is_learned() -> None:
    """A slow machine takes fewer at once."""
    slow, fast = LoadPolicy(), LoadPolicy()
    for second in range(1, 20):
        slow.measured(loaded(0.6, own=1.2), 4, second * S_NS)
        fast.measured(loaded(0.6, own=0.2), 4, second * S_NS)
    assert slow.free(4, 0, 20 * S_NS) == 2
    assert fast.free(4, 0, 20 * S_NS) > 10


def test_switched_off_it_measures_and_does_nothing() -> None:
    policy = LoadPolicy(is_on=False)
    policy.measured(loaded(3.0), 5, S_NS)
    assert (policy.level, policy.free(5, 5, S_NS)) == (0, PLENTY)
    assert policy.view().level == 3


def test_a_load_counts_for_newcomers_where_it_is_to_and_somebody_has_made_it() -> None:
    for is_on, people, burden in ((True, 3, 0.9), (True, 0, 0.0), (False, 3, 0.0)):
        policy = LoadPolicy(is_on)
        policy.measured(loaded(0.9), people, 0)
        assert policy.burden(people) == burden
        assert policy.view().percent == 90


def test_the_log_has_a_line_when_newcomers_are_refused_and_one_when_no_longer() -> None:
    policy, lines = LoadPolicy(), []
    for step, ratio in enumerate([0.5, 0.9, 1.2, 1.3, 1.2, *[0.2] * 20, 1.1]):
        before = policy.level
        policy.measured(loaded(ratio, "lateness"), 5, step * S_NS)
        lines.append(line(before, policy.level, policy.view()))
    said = [words for words in lines if words]
    assert len(said) == 3
    assert "newcomers get 503" in said[0] and WORDS["lateness"] in said[0]
    assert "come in again" in said[1] and "newcomers get 503" in said[2]


def test_time_between_readings_does_not_matter() -> None:
    policy = LoadPolicy()
    policy.measured(loaded(1.5), 5, 0)
    policy.measured(loaded(0.1), 5, CALM_NS - MS_NS)
    assert policy.level == 3
    policy.measured(loaded(0.1), 5, CALM_NS)
    assert policy.level == 2

"""Where slots are cut: the longest wait is least, and nobody misses a slot for it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer_core.bus.pcm import FRAME_MS, FRAME_NS
from mixer_core.phases import FIRST_SPREAD_NS, MARGIN_NS, SETTLED_SLOTS, Wait, best_cut
from mixer_core.runtime.units import MS_NS
from tests.mixer_core.mixer_bench import Bench, constant
from tests.support.tables import examples

LINK = 99
SETTLE_FRAMES = 200
"""Two moves of the cut at the slowest, a second of patience each."""
MEASURED_FRAMES = 50


def settled(*waits_ms: float) -> list[Wait]:
    waits = []
    for wait_ms in waits_ms:
        wait = Wait()
        for _ in range(SETTLED_SLOTS):
            wait.observe(int(wait_ms * MS_NS))
        waits.append(wait)
    return waits


def widest_gap_ms(phases_ms: list[float]) -> float:
    ordered = sorted(phases_ms)
    following = [*ordered[1:], ordered[0] + FRAME_MS]
    return max(b - a for a, b in zip(ordered, following, strict=True))


def longest_wait_by_chance_ms(phases_ms: list[float]) -> float:
    """Where the cut is never moved: who talks first closes every slot."""
    first_ms = min(phases_ms)
    second_ms = min((phase for phase in phases_ms if phase > first_ms), default=first_ms)
    return (first_ms - second_ms) % FRAME_MS


class Talk:
    """Streams that talk all the time, each at its phase and up to ``jitter_ms`` late."""

    def __init__(self, phases_ms: list[float], jitter_ms: float, seed: int = 0) -> None:
        self.bench = Bench(stream_timeout_ms=10_000)
        self.bench.start(LINK, "link")
        chance = random.Random(seed)
        self.missed_before = 0.0
        """Slots mixed with somebody missing before all had settled."""
        self._arrivals: list[tuple[float, int]] = []
        for stream, phase_ms in enumerate(phases_ms, start=1):
            self.bench.start(stream)
            for n in range(SETTLE_FRAMES + MEASURED_FRAMES):
                at_ms = n * FRAME_MS + phase_ms + chance.uniform(0, jitter_ms)
                self._arrivals.append((at_ms, stream))
        self._arrivals.sort()

    def longest_waits_ms(self) -> list[float]:
        """Per slot the wait of its oldest frame, once settled."""
        began_ns, bench = self.bench.now_ns, self.bench
        waits_ms = []
        for at_ms, stream in self._arrivals:
            bench.advance(at_ms - (bench.now_ns - began_ns) / MS_NS)
            out = bench.audio(stream, constant(100))
            if at_ms < SETTLE_FRAMES * FRAME_MS:
                bench.mixer.update_metrics()
                self.missed_before = bench.metrics.values["slots_deadline_total"]
            else:
                waits_ms += [(bench.now_ns - f.stamp_ns) / MS_NS for f in out if f.stream == LINK]
        bench.mixer.update_metrics()
        return waits_ms

    def counts(self, *names: str) -> dict[str, float]:
        """The mixer's counters of these names."""
        return {name: self.bench.metrics.values[name] for name in names}


NOTHING_MISSED = {
    "slots_deadline_total": 0,
    "jitter_starved_total": 0,
    "jitter_late_total": 0,
    "jitter_overflowed_total": 0,
    "jitter_concealed_total": 0,
}

phases = st.lists(st.integers(0, 199).map(lambda tenths: tenths / 10), min_size=2, max_size=6)


@settings(max_examples=examples(25), deadline=None)
@given(phases, st.integers(0, 9))
def test_regular_talkers_wait_20_ms_less_the_widest_gap_and_miss_nothing(
    phases_ms: list[float], seed: int
) -> None:
    talk = Talk(phases_ms, jitter_ms=0, seed=seed)
    longest_ms = max(talk.longest_waits_ms())
    slack_ms = (MARGIN_NS + 2 * FIRST_SPREAD_NS) / MS_NS
    assert longest_ms <= FRAME_MS - widest_gap_ms(phases_ms) + slack_ms
    assert longest_ms <= longest_wait_by_chance_ms(phases_ms) + 0.01
    assert talk.counts(*NOTHING_MISSED) == NOTHING_MISSED


@settings(max_examples=examples(25), deadline=None)
@given(phases, st.floats(0, 3), st.integers(0, 99))
def test_jitter_below_the_gap_costs_no_slot_once_settled_and_waits_stay_bounded(
    phases_ms: list[float], jitter_ms: float, seed: int
) -> None:
    talk = Talk(phases_ms, jitter_ms, seed)
    waits_ms = sorted(talk.longest_waits_ms())
    p95_ms = waits_ms[int(0.95 * len(waits_ms))]
    assert len(waits_ms) >= MEASURED_FRAMES - 2
    assert p95_ms <= FRAME_MS + jitter_ms + 0.1
    if jitter_ms + (MARGIN_NS + 2 * FIRST_SPREAD_NS) / MS_NS < widest_gap_ms(phases_ms):
        assert talk.counts("slots_deadline_total")["slots_deadline_total"] == talk.missed_before
    assert talk.counts(
        "jitter_late_total", "jitter_overflowed_total", "jitter_concealed_total"
    ) == {
        "jitter_late_total": 0,
        "jitter_overflowed_total": 0,
        "jitter_concealed_total": 0,
    }


def test_a_cut_is_moved_by_one_frame_of_each_stream_that_lies_before_it() -> None:
    talk = Talk([0.0, 2.0, 4.0, 6.0], jitter_ms=0)
    assert max(talk.longest_waits_ms()) == pytest.approx(6, abs=0.1)
    # Who talked first (0 ms) closed the slots: the other three waited 18, 16 and 14 ms.
    assert talk.counts("jitter_surplus_total") == {"jitter_surplus_total": 3}


def test_the_best_cut_lies_in_the_widest_gap() -> None:
    assert best_cut(settled(18, 16, 4, 0)) == 2
    assert best_cut(settled(18, 0)) == 1
    assert best_cut(settled(16, 14, 12, 0)) == 3


def test_a_cut_that_is_good_or_not_much_worse_than_the_best_stays() -> None:
    assert best_cut(settled(9, 4, 0)) == 0
    assert best_cut(settled(11.0, 0)) == 0
    assert best_cut(settled(0, 0, 0)) == 0


def test_a_whole_frame_too_much_is_no_matter_of_the_cut() -> None:
    assert best_cut(settled(26, 2, 0)) == 0


def test_a_cut_stays_where_arrivals_spread_more_than_it_would_gain() -> None:
    waits = settled(16, 4)
    assert best_cut(waits) == 1
    for wait_ns in (2 * MS_NS, FRAME_NS):
        for wait in waits:
            wait.observe(wait_ns)
    assert best_cut(waits) == 0


def test_spread_is_learned_at_once_and_forgotten_slowly() -> None:
    (wait,) = settled(10)
    wait.observe(20 * MS_NS)
    risen_ns = wait.high_ns
    assert risen_ns > 15 * MS_NS
    for _ in range(20):
        wait.observe(10 * MS_NS)
    assert wait.high_ns > 13 * MS_NS
    for _ in range(600):
        wait.observe(10 * MS_NS)
    assert wait.high_ns < 11 * MS_NS

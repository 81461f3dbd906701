"""From counters to shares of what the gateway bears."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mixer_core.runtime.metrics import Histogram
from mixer_core.runtime.processor_time import TURNS, USED, WAITED
from mixer_core.runtime.units import MS_NS, S_NS
from signaling.registry.load_meter import (
    DROPS,
    FRAMES,
    LATENESS,
    HostCounters,
    Load,
    LoadLimits,
    LoadMeter,
    Signal,
)

CALM = {USED: 200_000, WAITED: 20_000, TURNS: 2_000, "frames_in_total": 200}
"""Counted in a second: a fifth of a processor, 10 µs of waiting a turn."""


class Machine:
    """Counters that grow as told, one second at a time."""

    def __init__(self, limits: LoadLimits | None = None, **host: float | None) -> None:
        self.meter = LoadMeter(limits or LoadLimits())
        self.host = {"cores": 2.0, "machine_cores": 2, "memory_mib": 2_000.0} | host
        self.host_sums = {"idle_us": 0, "stolen_us": 0, "pressure_us": 0}
        self.sums: dict[str, int] = {}
        self.late = Histogram()
        self.now_ns = 0

    def total(self, program: str, name: str) -> int | float | list[int]:
        return self.late.report() if name == LATENESS else self.sums.get(name, 0)

    def second(
        self, late_ms: float = 0, idle_us: int = 1_000_000, stolen_us: int = 0, **grown: int
    ) -> Load:
        for name, more in (CALM | grown).items():
            self.sums[name] = self.sums.get(name, 0) + more
        for _ in range(50):
            self.late.observe_ns(int(late_ms * MS_NS))
        self.host_sums["idle_us"] += idle_us
        self.host_sums["stolen_us"] += stolen_us
        self.host_sums["pressure_us"] += 900_000
        self.now_ns += S_NS
        host = HostCounters(**self.host, **self.host_sums)  # type: ignore[arg-type]
        return self.meter.read(host, self.total, self.now_ns)

    def seconds(self, count: int = 12, **each: float) -> Load:
        for _ in range(count):
            load = self.second(**each)  # type: ignore[arg-type]
        return load


def test_a_calm_machine_is_hardly_loaded() -> None:
    load = Machine().seconds()
    assert load.ratio < 0.2
    assert load.own_cores == pytest.approx(0.2, rel=0.05)
    assert load.busy == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(
    ("signal", "each"),
    [
        ("processor", {USED: 1_800_000}),
        ("waiting", {WAITED: 2_000 * 2_500}),
        ("lateness", {"late_ms": 29}),
        ("backlog", {DROPS[0][1]: 20}),
        ("backlog", {DROPS[1][1]: 20}),
        ("backlog", {DROPS[2][1]: 20}),
    ],
)
def test_each_signal_has_its_limit(signal: Signal, each: Mapping[str, float]) -> None:
    load = Machine().seconds(**each)
    assert load.worst == signal
    assert load.ratio >= 1.0


def test_one_bad_second_is_not_yet_a_load() -> None:
    machine = Machine()
    machine.seconds()
    load = machine.second(late_ms=30, **{WAITED: 2_000 * 3_500, DROPS[0][1]: 200})
    assert load.ratio < 1.0
    assert machine.seconds(6).ratio < 0.3


def test_a_quota_of_a_control_group_is_all_there_is() -> None:
    assert Machine(cores=0.5).seconds(**{USED: 450_000}).ratio > 1.0
    assert Machine().seconds(**{USED: 450_000}).ratio < 0.3


def test_what_the_hypervisor_takes_is_not_there() -> None:
    free = Machine().seconds(**{USED: 1_000_000})
    robbed = Machine().seconds(stolen_us=1_000_000, **{USED: 1_000_000})
    assert free.ratio == pytest.approx(0.59, abs=0.02)
    assert robbed.ratio == pytest.approx(1.18, abs=0.04)


def test_work_of_others_counts_as_far_as_it_makes_this_one_wait() -> None:
    """A machine that is full of patient work is no busy gateway."""
    patient = Machine().seconds(idle_us=0)
    assert patient.busy > 0.99 and patient.ratio < 0.2
    assert Machine().seconds(idle_us=0, **{WAITED: 2_000 * 9_000}).ratio > 1.0


def test_pressure_stands_in_where_a_kernel_does_not_count_waiting() -> None:
    load = Machine().seconds(**{WAITED: 0, TURNS: 0})
    assert load.worst == "waiting" and load.ratio == pytest.approx(0.9 / 0.8, rel=0.05)


def test_too_little_memory_is_a_load_and_an_unknown_amount_is_none() -> None:
    assert Machine(memory_mib=60.0).seconds().worst == "memory"
    assert Machine(memory_mib=60.0).seconds().ratio > 1.0
    assert Machine(memory_mib=None).seconds().ratio < 0.2


def test_a_limit_of_zero_is_not_looked_at() -> None:
    none = LoadLimits(processor=0, wait_ms=0, late_ms=0, lost=0, memory_mib=0)
    bad = {USED: 2_000_000, WAITED: 10**8, DROPS[0][1]: 500}
    load = Machine(none, memory_mib=1.0).seconds(late_ms=400, **bad)
    assert load.ratio == 0.0


def test_counters_that_begin_again_and_long_pauses_are_no_load() -> None:
    machine = Machine()
    before = machine.seconds()
    machine.sums = dict.fromkeys(machine.sums, 0)
    machine.late = Histogram()
    assert machine.second().ratio <= before.ratio + 0.01
    machine.now_ns += 3_600 * S_NS
    assert machine.second(**{USED: 10**9}).ratio < 0.2, "it only shows where the counters stand"


def test_few_deadlines_say_nothing() -> None:
    machine = Machine()
    machine.seconds()
    for _ in range(2):
        machine.late.observe_ns(60 * S_NS)
    machine.now_ns += S_NS
    host = HostCounters(cores=2.0)
    assert machine.meter.read(host, machine.total, machine.now_ns).ratios["lateness"] < 0.2


def test_the_frames_of_the_mixer_are_what_drops_are_compared_with() -> None:
    assert FRAMES == ("mixer_core", "frames_in_total")
    assert Machine().seconds(frames_in_total=20_000, **{DROPS[0][1]: 20}).ratio < 0.2

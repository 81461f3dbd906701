"""``bench link``: figures made of latencies."""

from __future__ import annotations

from benchmarks.report.plots import curve
from benchmarks.report.results import Measure
from benchmarks.suites.link import latencies_ms


def test_growth_is_seen_in_start_and_end() -> None:
    values = latencies_ms([1_000] * 50 + [5_000] * 50)
    assert (values["start"], values["end"], values["max"]) == (1.0, 5.0, 5.0)
    assert len(curve(Measure("", "", "ms", values))) == 4


def test_nothing_heard_has_no_latency() -> None:
    assert latencies_ms([]) == {}

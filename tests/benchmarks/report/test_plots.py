"""Plots: what is drawn, and what is said where nothing can be drawn."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.report import plots
from benchmarks.report.errors import BenchmarkError
from benchmarks.report.results import Measure, Report


def a_report() -> Report:
    return Report(
        "link",
        "2026-01-02T03:04:05+00:00",
        1.0,
        {"processor": "a processor", "cores": 2},
        {},
        [
            Measure("CPU", "ours", "% of a core", {"mean": 3.0, "best": 2.0}),
            Measure("CPU", "stock", "% of a core", {"best": 9.0}),
            Measure("latency", "ours", "ms", {"p50": 0.2, "p99": 40.0, "p95": 1.0, "max": 41.0}),
            Measure("dropped", "ours", "frames", {"count": 10.0}),
        ],
    )


def test_bars_are_by_unit_and_leave_out_what_has_no_length() -> None:
    found = plots.bars(a_report())
    assert {unit: len(measures) for unit, measures in found.items()} == {"% of a core": 2, "ms": 1}


def test_a_bar_shows_the_first_statistic_of_the_list() -> None:
    shown = [plots.bar_length(m) for m in a_report().measures[:3]]
    assert shown == [("mean", 3.0), ("best", 9.0), ("p50", 0.2)]


def test_the_line_on_a_median_reaches_its_tail() -> None:
    assert [plots.tail(m) for m in a_report().measures[:3]] == [None, None, 40.0]


def test_curves_that_cannot_be_told_apart_are_not_drawn() -> None:
    report = a_report()
    report.measures.extend([report.measures[2]] * plots.MAX_CURVES)
    assert plots.distributions(report) == {}


def test_many_bars_are_cut() -> None:
    report = a_report()
    report.measures.extend(Measure(str(i), "ours", "us", {"mean": 1.0}) for i in range(100))
    assert len(plots.bars(report)["us"]) == plots.MAX_BARS


def test_a_curve_rises_and_ends_at_one() -> None:
    latency = a_report().measures[2]
    assert plots.curve(latency) == [(0.2, 0.5), (1.0, 0.95), (40.0, 0.99), (41.0, 1.0)]
    assert list(plots.distributions(a_report())) == ["ms"]


def test_names_of_files() -> None:
    assert plots.slug("% of a core") == "percent-of-a-core"
    assert plots.slug("µs / frame") == "s-frame"


def test_without_matplotlib_one_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # As Python marks what cannot be imported.
    with pytest.raises(BenchmarkError, match="pip install"):
        plots.draw([a_report()], tmp_path)


def test_draws_every_report(fonts: None, tmp_path: Path) -> None:
    files = plots.draw([a_report()], tmp_path)
    assert {file.name for file in files} == {
        f"link-{name}.svg" for name in ("percent-of-a-core", "ms", "ms-distribution")
    }
    before = [file.read_bytes() for file in files]
    plots.draw([a_report()], tmp_path)
    assert [file.read_bytes() for file in files] == before
    assert all(file.stat().st_size > 1000 for file in files)

"""Two checkouts compared: which figures, what is noise, and what is not."""

from __future__ import annotations

import pytest

from benchmarks.report import comparison
from benchmarks.report.comparison import Side
from benchmarks.report.results import Measure, Report


def run(side: Side, *measures: Measure) -> tuple[Side, Report]:
    return side, Report("call", "", 1.0, {}, {}, list(measures))


def latency(p50: float, subject: str = "ours") -> Measure:
    return Measure("one session", subject, "ms", {"p50": p50, "max": 9.0})


def rounds(before: list[float], now: list[float], subject: str = "ours") -> comparison.Figure:
    runs = [run("before", latency(value, subject)) for value in before]
    runs += [run("now", latency(value, subject)) for value in now]
    (figure,) = comparison.figures(runs)
    return figure


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        ([5.0, 5.2, 5.1], [4.0, 4.1, 4.2], "better"),
        ([5.0, 5.2, 5.1], [6.0, 6.1, 6.2], "worse"),
        ([5.0, 6.5, 5.1], [6.0, 6.1, 6.2], "same"),  # The spread before is wider.
        ([5.0, 5.0, 5.0], [5.1, 5.1, 5.1], "same"),  # Two per cent.
        ([0.02, 0.02, 0.02], [0.1, 0.1, 0.1], "same"),  # Below what the ruler can tell.
        ([5.0], [50.0], ""),  # One round has no spread.
    ],
)
def test_verdicts(before: list[float], now: list[float], verdict: str) -> None:
    assert rounds(before, now).verdict == verdict


@pytest.mark.parametrize(
    ("before", "now", "ratio", "verdict"),
    [
        ([5.0, 10.0, 7.0], [5.5, 11.0, 7.7], "1.10 (1.10–1.10)", "worse"),
        ([5.0, 10.0, 7.0], [4.5, 8.0, 5.6], "0.80 (0.80–0.90)", "better"),
        ([5.0, 10.0, 7.0], [5.5, 9.5, 7.1], "1.01 (0.95–1.10)", "same"),
        ([0.0, 10.0], [5.0, 10.0], "1.50", "same"),  # A pair without a ratio: as without pairs.
    ],
)
def test_pairs_do_not_mind_a_machine_that_changes(
    before: list[float], now: list[float], ratio: str, verdict: str
) -> None:
    pairs = zip(before, now, strict=True)
    runs = [run(*one) for b, n in pairs for one in (("before", latency(b)), ("now", latency(n)))]
    (figure,) = comparison.figures(runs, is_paired=True)
    assert figure.verdict == verdict
    assert ratio in comparison.text([figure])


def test_a_value_without_its_pair_is_compared_as_without_pairs() -> None:
    runs = [run("before", latency(5.0)), run("before", latency(7.0)), run("now", latency(6.0))]
    (figure,) = comparison.figures(runs, is_paired=True)
    assert figure.ratios == [] and figure.ratio == 1.0


def test_only_processor_time_latency_and_memory_of_both_are_compared() -> None:
    both = [
        latency(1.0),
        Measure("one session", "gateway", "% of a core", {"total": 7.0, "wakeups_per_s": 300.0}),
        Measure("one session", "(clients)", "% of a core", {"total": 7.0}),
        Measure("one session", "lost", "frames", {"count": 0.0}),
    ]
    runs = [run("before", *both, latency(1.0, "old")), run("now", *both, latency(1.0, "new"))]
    found = comparison.figures(runs)
    assert [(f.subject, f.statistic) for f in found] == [("ours", "p50"), ("gateway", "total")]


def test_the_text_has_a_table_per_unit_and_the_controls_apart() -> None:
    figures = [rounds([4.0, 4.0], [2.0, 2.0]), rounds([8.0, 8.0], [8.0, 8.1], "stock aiortc")]
    lines = comparison.text(figures).splitlines()
    (row,) = (line for line in lines if "ours" in line)
    assert row.split()[-8:] == ["[p50]", "ours", "4", "4–4", "2", "2–2", "0.50", "better"]
    assert (
        "control, the same code in both: 1 figures, 0 better, 1 same within noise, 0 worse" in lines
    )
    assert lines[-1] == "before → now: 1 figures, 1 better, 0 same within noise, 0 worse"


def test_a_ratio_to_nothing_is_left_out() -> None:
    figure = rounds([0.0, 0.0], [5.0, 5.0])
    assert figure.ratio is None
    assert figure.verdict == "worse"
    assert "worse" in comparison.text([figure])


def test_nothing_in_common_is_said() -> None:
    assert comparison.text([]) == "before → now: 0 figures, 0 better, 0 same within noise, 0 worse"


def test_the_results_file_has_both_sides() -> None:
    measures = comparison.measures([rounds([1.0, 3.0, 2.0], [4.0])])
    assert [(m.subject, m.values) for m in measures] == [
        ("before", {"median": 2.0, "min": 1.0, "max": 3.0}),
        ("now", {"median": 4.0, "min": 4.0, "max": 4.0}),
    ]


def test_what_else_the_machine_did_is_said() -> None:
    report = Report("call", "", 1.0, {"load_before": 0.5}, {}, notes=["x: the machine was full; y"])
    busy = Report("call", "", 1.0, {"load_before": 7.0}, {})
    assert comparison.conditions([("before", report), ("now", busy)]) == [
        "load average before a run: 0.5–7",
        "in 1 of 2 runs the machine was full: latencies need a calmer time",
    ]
    assert comparison.conditions([]) == []

"""Reports as text, and two of them compared."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.report.results import Measure, Ratio, Report
from benchmarks.report.tables import compare, number, table, text


def a_report() -> Report:
    return Report(
        benchmark="bus",
        started="2026-01-02T03:04:05+00:00",
        seconds=12.3,
        machine={"processor": "a processor", "cores": 2},
        options={"quick": True},
        measures=[
            Measure("one hop", "ours", "us", {"p50": 10.0, "max": 31.26}),
            Measure("one hop", "theirs", "us", {"p50": 20.0}),
            Measure("memory", "ours", "MiB", {"mean": 1234.5}),
        ],
        ratios=[Ratio("ours / theirs", 0.5, 0.6), Ratio("worse", 2.0, 1.0), Ratio("free", 3.0)],
        notes=["a note"],
    )


def test_text_has_every_measure_ratio_and_note() -> None:
    shown = text(a_report())
    for words in ("one hop", "31.3", "1234", "ours / theirs", "≤ 0.6", "missed", "note: a note"):
        assert words in shown


def test_table_columns_are_aligned() -> None:
    lines = table([["a", "b", "c"], ["long name", "x", "12345"]]).splitlines()
    assert lines[0].index("b") == lines[2].index("x")
    assert len(lines[2]) == lines[2].index("12345") + 5
    assert table([]) == ""


def test_numbers_have_three_digits() -> None:
    assert [number(v) for v in (None, 0.0, 1.2345, 12.345, 999.5, 12345.6)] == [
        "",
        "0",
        "1.23",
        "12.3",
        "1e+03",
        "12346",
    ]


def test_compare_joins_by_benchmark_case_subject_and_unit() -> None:
    before, after = a_report(), a_report()
    after.measures[0] = Measure("one hop", "ours", "us", {"p50": 5.0, "p99": 7.0})
    after.measures[1] = Measure("one hop", "theirs", "ms", {"p50": 20.0})
    lines = compare([before], [after]).splitlines()
    assert len(lines) == 4  # head, rule, one statistic that both have, memory
    assert "-50.0 %" in lines[2] and "p50" in lines[2]
    assert "+0.0 %" in lines[3]


def test_compare_of_a_zero_has_no_percentage() -> None:
    zero = replace(a_report(), measures=[Measure("late", "ours", "frames", {"max": 0.0})])
    assert "%" not in compare([zero], [zero])


def test_nothing_in_common_is_an_empty_table() -> None:
    assert len(compare([], [a_report()]).splitlines()) == 2

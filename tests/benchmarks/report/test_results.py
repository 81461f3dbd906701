"""Results: ratios, quantiles, JSON there and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.report.errors import BenchmarkError
from benchmarks.report.results import Measure, Ratio, Report, quantiles, read_json, write_json


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


def test_json_there_and_back(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "results.json"
    write_json([a_report()], file)
    assert read_json(file) == [a_report()]


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"format": 99, "reports": []}', '{"format": 1, "reports": [{}]}', '"x"'],
)
def test_what_is_no_result_is_refused_by_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"other\.json"):
        read_json(file)


def test_a_wrong_type_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    write_json([a_report()], file)
    content = json.loads(file.read_text(encoding="utf-8"))
    content["reports"][0]["measures"][0]["values"]["p50"] = "fast"
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BenchmarkError, match="not a benchmark result"):
        read_json(file)


def test_verdicts() -> None:
    assert [ratio.verdict for ratio in a_report().ratios] == ["met", "missed", ""]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_quantiles_are_values_in_order(values: list[float]) -> None:
    found = quantiles(values, 0.5, 0.95, 0.99)
    assert list(found) == ["p50", "p95", "p99", "max"]
    assert list(found.values()) == sorted(found.values())
    assert set(found.values()) <= set(values)
    assert found["max"] == max(values)


def test_quantiles_of_nothing() -> None:
    assert quantiles([], 0.5) == {}

"""Series over time: their shape as text, and whether they grow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.report.series import TEXT_WIDTH, draw, growth, spark
from benchmarks.rig.footprint import KINDS, memory_mib


def test_a_series_is_one_line_from_zero_up() -> None:
    assert spark([(n, n) for n in range(8)]) == "▁▂▃▄▅▆▇█"
    assert spark([(n, 5.0) for n in range(4)]) == "████"
    assert spark([(0, 0.0), (1, 0.0)]) == "▁▁" and spark([]) == ""
    assert len(spark([(n, n) for n in range(1_000)])) == TEXT_WIDTH


def test_growth_is_that_of_what_is_settled() -> None:
    series = [(60.0 * n, 100.0 if n < 15 else 200.0) for n in range(120)]
    assert growth(series, 900) == 1.0
    assert growth(series, 0) == 200 / 150
    assert growth([(n, 1.0 + n) for n in range(8)], 0) == pytest.approx(7.5 / 1.5)
    assert growth(series[:3], 0) is None


def test_a_plot_has_every_group(fonts: None, tmp_path: Path) -> None:
    lines = {"a": [(0.0, 1.0), (60.0, 2.0)], "b": [(0.0, 3.0), (60.0, 1.0)]}
    assert draw({"memory": lines, "files": lines}, tmp_path / "x" / "y.png").stat().st_size > 1_000


def test_memory_by_kind_adds_up() -> None:
    found = memory_mib(os.getpid())
    assert set(found) == set(KINDS)
    assert found["Private"] + found["Shared"] == pytest.approx(found["Rss"], rel=0.02)
    assert 0 < found["Pss"] <= found["Rss"]

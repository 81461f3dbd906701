"""Plots of benchmark results with matplotlib: bars per unit, and latency distributions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .plotting import pyplot_for
from .results import Measure, Report
from .tables import number

FORMAT = "svg"
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "mixminus", "font.family": "sans-serif"}
"""Text stays text, and the same results give the same file."""
BAR_STATISTICS = (
    "mean",
    "best",
    "p50",
    "p95",
    "share",
    "per_session",
    "per_person",
    "median",
    "pss",
)
"""The first of these that a measure has is the length of its bar."""
MAX_BARS = 72
PERCENTILE = re.compile(r"^p(\d+(?:\.\d+)?)$")
MIN_PERCENTILES = 3
MAX_CURVES = 12
"""More curves in one plot cannot be told apart."""
TAILS = ("p99", "p95")
"""End of the line on a bar: the first of these that a measure has beside its median."""


def draw(reports: Sequence[Report], folder: Path) -> list[Path]:
    """Draw every report into ``folder`` (made where it is missing); returns the files.

    Raises:
        BenchmarkError: matplotlib is not installed; the message says how to get it.
    """
    pyplot_for(folder).rcParams.update(STYLE)
    files: list[Path] = []
    for report in reports:
        for unit, measures in bars(report).items():
            name = f"{report.benchmark}-{slug(unit)}"
            files.append(_save(_bar_chart(report, unit, measures), folder / f"{name}.{FORMAT}"))
        for unit, measures in distributions(report).items():
            name = f"{report.benchmark}-{slug(unit)}-distribution"
            figure = _distribution(report, unit, measures)
            files.append(_save(figure, folder / f"{name}.{FORMAT}"))
    return files


def bars(report: Report) -> dict[str, list[Measure]]:
    """Measures that have a bar, by unit, at most ``MAX_BARS`` each."""
    result: dict[str, list[Measure]] = {}
    for measure in report.measures:
        if any(name in measure.values for name in BAR_STATISTICS):
            result.setdefault(measure.unit, []).append(measure)
    return {unit: measures[:MAX_BARS] for unit, measures in result.items()}


def bar_length(measure: Measure) -> tuple[str, float]:
    """Statistic and value that the bar of ``measure`` shows."""
    name = next(name for name in BAR_STATISTICS if name in measure.values)
    return name, measure.values[name]


def distributions(report: Report) -> dict[str, list[Measure]]:
    """Measures with enough percentiles for a curve, by unit, unless they are too many."""
    result: dict[str, list[Measure]] = {}
    for measure in report.measures:
        if len(curve(measure)) >= MIN_PERCENTILES:
            result.setdefault(measure.unit, []).append(measure)
    return {unit: measures for unit, measures in result.items() if len(measures) <= MAX_CURVES}


def tail(measure: Measure) -> float | None:
    """Where the line on the bar of ``measure`` ends; None if it has none."""
    if bar_length(measure)[0] != "p50":
        return None
    return next((measure.values[name] for name in TAILS if name in measure.values), None)


def curve(measure: Measure) -> list[tuple[float, float]]:
    """(value, share) of every percentile of ``measure``, ``max`` as 1, in rising order."""
    points = []
    for name, value in measure.values.items():
        if found := PERCENTILE.match(name):
            points.append((value, float(found[1]) / 100))
        elif name == "max":
            points.append((value, 1.0))
    return sorted(points, key=lambda point: (point[1], point[0]))


def slug(text: str) -> str:
    """``text`` as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace("%", "percent")).strip("-")


def _title(report: Report, unit: str) -> str:
    machine = report.machine
    where = f"{machine.get('processor', '')} × {machine.get('cores', '')}"
    return f"{report.benchmark} ({unit}) · {where} · {report.started[:10]}"


def _bar_chart(report: Report, unit: str, measures: Sequence[Measure]) -> Any:
    pyplot = import_module("matplotlib.pyplot")
    height = 1.2 + 0.24 * len(measures)
    figure, axes = pyplot.subplots(figsize=(10, height), layout="constrained")
    subjects = list(dict.fromkeys(measure.subject for measure in measures))
    colours = pyplot.get_cmap("tab10")
    for row, measure in enumerate(measures):
        name, value = bar_length(measure)
        axes.barh(row, value, color=colours(subjects.index(measure.subject) % 10))
        far = tail(measure)
        axes.plot([value, far or value], [row, row], color="black", linewidth=1)
        words = f" {number(value)} ({name})" + (f" … {number(far)}" if far else "")
        axes.text(max(value, far or 0), row, words, va="center", fontsize=7)
    axes.set_yticks(range(len(measures)), [f"{m.case} · {m.subject}" for m in measures], fontsize=7)
    values = [value for m in measures for value in (bar_length(m)[1], tail(m)) if value]
    if not unit.startswith("%") and values and max(values) > 100 * min(values) > 0:
        axes.set_xscale("log")
        axes.set_xlim(right=4 * max(values))
    else:
        axes.margins(x=0.2)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_title(_title(report, unit), fontsize=9)
    return figure


def _distribution(report: Report, unit: str, measures: Sequence[Measure]) -> Any:
    pyplot = import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(10, 5), layout="constrained")
    for measure in measures:
        values, shares = zip(*curve(measure), strict=True)
        axes.plot(
            values, shares, marker="o", markersize=3, label=f"{measure.case} · {measure.subject}"
        )
    if all(value > 0 for measure in measures for value, _ in curve(measure)):
        axes.set_xscale("log")
    axes.set_xlabel(unit)
    axes.set_ylabel("share of values at or below")
    axes.set_title(_title(report, unit), fontsize=9)
    axes.grid(alpha=0.3)
    figure.legend(fontsize=6, loc="outside right upper")
    return figure


def _save(figure: Any, file: Path) -> Path:
    figure.savefig(file, metadata={"Date": None})
    import_module("matplotlib.pyplot").close(figure)
    return file

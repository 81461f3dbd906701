"""Series over time: as lines of text, as a PNG, and whether they grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from .plotting import pyplot_for

Series = Sequence[tuple[float, float]]
"""Points: seconds, and a value."""
BARS = "▁▂▃▄▅▆▇█"
TEXT_WIDTH = 48


def spark(series: Series, width: int = TEXT_WIDTH) -> str:
    """A series as one line of bars, from 0 to its largest value."""
    values = _thinned([value for _, value in series], width)
    top = max(values, default=0.0)
    if top <= 0:
        return BARS[0] * len(values)
    return "".join(BARS[min(len(BARS) - 1, int(value / top * len(BARS)))] for value in values)


def growth(series: Series, after_s: float) -> float | None:
    """The mean of the last quarter after ``after_s``, divided by that of the first.

    None: there are too few points.
    """
    values = [value for at_s, value in series if at_s >= after_s]
    quarter = len(values) // 4
    if quarter < 1:
        return None
    first = fmean(values[:quarter])
    return fmean(values[-quarter:]) / first if first else None


def draw(groups: Mapping[str, Mapping[str, Series]], file: Path) -> Path:
    """A PNG with one plot per group, one below the other, over minutes.

    Raises:
        BenchmarkError: matplotlib is not installed.
    """
    pyplot = pyplot_for(file.parent)
    size = (10, 2.4 * len(groups))
    figure, axes = pyplot.subplots(
        len(groups), 1, figsize=size, layout="constrained", sharex=True, squeeze=False
    )
    for (title, lines), axis in zip(groups.items(), axes[:, 0], strict=True):
        _plot(axis, title, lines)
    axes[-1, 0].set_xlabel("minutes")
    figure.savefig(file, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
    return file


def _plot(axis: Any, title: str, lines: Mapping[str, Series]) -> None:
    for name, series in lines.items():
        axis.plot([at_s / 60 for at_s, _ in series], [v for _, v in series], label=name)
    axis.set_ylim(bottom=0)
    axis.set_title(title, fontsize=9)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _thinned(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    edges = [round(n * len(values) / width) for n in range(width + 1)]
    return [fmean(values[a:b]) for a, b in pairwise(edges)]

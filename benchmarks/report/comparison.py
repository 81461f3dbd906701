"""Two checkouts measured in turns: medians, spread and ratio of every figure, and a verdict.

A figure is better or worse only if the medians differ by more than the wider of the two spreads
(largest minus smallest value), than ``LEAST_SHARE`` of the value, and than ``LEAST_DIFFERENCE``.
By chance alone that happens to 6 in 100 figures with three rounds, to 1 in 100 with four. For all
figures less is better.

Two that run at the same time make a pair in each round: the ratio is the median of the pairs', and
the spread that counts is that of their ratios. How fast the machine is at the moment is in both
halves of a pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from .results import Measure, Report
from .tables import number, table

Side = Literal["before", "now"]
SIDES: tuple[Side, Side] = ("before", "now")
Verdict = Literal["better", "same", "worse", ""]

STATISTICS: dict[str, tuple[str, ...]] = {
    "% of a core": ("total", "mean"),
    "ms": ("p50", "p95"),
    "MiB": ("pss", "private"),
}
"""Unit → the statistics that are compared: processor time, latency, memory."""
LEAST_DIFFERENCE = {"% of a core": 0.1, "ms": 0.1, "MiB": 0.3}
LEAST_SHARE = 0.03
CONTROLS = ("stock aiortc", "baseline")
"""Subjects that are the same code in both checkouts: they show how far chance alone goes."""
FULL = "the machine was full"
"""What a benchmark notes when latencies mean nothing."""
WORDS = {"better": "better", "same": "same within noise", "worse": "worse", "": ""}


@dataclass
class Figure:
    """One statistic of one measure, from all rounds."""

    benchmark: str
    case: str
    subject: str
    statistic: str
    unit: str
    values: dict[Side, list[float]] = field(default_factory=lambda: {side: [] for side in SIDES})
    is_paired: bool = False
    """The values of a round were measured at the same time."""

    @property
    def name(self) -> str:
        """Case, and the statistic in brackets."""
        return f"{self.case} [{self.statistic}]"

    @property
    def complete(self) -> bool:
        """Whether both checkouts have it."""
        return all(self.values.values())

    @property
    def ratios(self) -> list[float]:
        """now / before of each pair; empty without pairs, if one has no other, or before is 0."""
        before, now = (self.values[side] for side in SIDES)
        if not self.is_paired or len(before) != len(now) or not all(before):
            return []
        return [new / old for old, new in zip(before, now, strict=True)]

    @property
    def ratio(self) -> float | None:
        """Of the medians, or the median of the pairs'; None if before was 0."""
        before = median(self.values["before"])
        if ratios := self.ratios:
            return median(ratios)
        return median(self.values["now"]) / before if before else None

    @property
    def difference(self) -> float:
        """By how much now is more than before, in the figure's unit."""
        before = median(self.values["before"])
        if ratios := self.ratios:
            return (median(ratios) - 1) * before
        return median(self.values["now"]) - before

    @property
    def noise(self) -> float:
        """How far two medians may differ by chance, in the figure's unit."""
        before = median(self.values["before"])
        if ratios := self.ratios:
            spreads = [before * (max(ratios) - min(ratios))]
        else:
            spreads = [max(values) - min(values) for values in self.values.values()]
        return max(*spreads, LEAST_SHARE * before, LEAST_DIFFERENCE[self.unit])

    @property
    def verdict(self) -> Verdict:
        """Empty if a spread is missing because there was only one round."""
        if min(map(len, self.values.values())) < 2:
            return ""
        if abs(self.difference) <= self.noise:
            return "same"
        return "worse" if self.difference > 0 else "better"


def figures(runs: Iterable[tuple[Side, Report]], is_paired: bool = False) -> list[Figure]:
    """The figures that both sides have, in the order in which they were reported.

    ``is_paired``: the n-th run of each side was at the same time as that of the other.
    """
    found: dict[tuple[str, ...], Figure] = {}
    for side, report in runs:
        for measure in report.measures:
            if measure.subject.startswith("("):  # Clients and servers beside the gateway.
                continue
            for statistic in STATISTICS.get(measure.unit, ()):
                if statistic in measure.values:
                    key = (report.benchmark, measure.case, measure.subject, measure.unit, statistic)
                    new = Figure(*key[:3], statistic, measure.unit, is_paired=is_paired)
                    figure = found.setdefault(key, new)
                    figure.values[side].append(measure.values[statistic])
    return [figure for figure in found.values() if figure.complete]


def text(found: Sequence[Figure]) -> str:
    """A table per benchmark and unit, one of the controls, and the number of each verdict."""
    ours = [figure for figure in found if figure.subject not in CONTROLS]
    controls = [figure for figure in found if figure.subject in CONTROLS]
    parts = []
    for benchmark, unit in dict.fromkeys((figure.benchmark, figure.unit) for figure in ours):
        chosen = [f for f in ours if (f.benchmark, f.unit) == (benchmark, unit)]
        parts.append(_table(f"{benchmark} [{unit}]", chosen))
    for unit in dict.fromkeys(figure.unit for figure in controls):
        chosen = [figure for figure in controls if figure.unit == unit]
        parts.append(_table(f"control [{unit}]", chosen))
    if controls:
        parts.append(f"control, the same code in both: {_count(controls)}")
    parts.append(f"before → now: {_count(ours)}")
    return "\n\n".join(parts)


def conditions(runs: Sequence[tuple[Side, Report]]) -> list[str]:
    """What else the machine did while it was measured."""
    loads = [load for _, report in runs if (load := report.machine.get("load_before")) is not None]
    full = sum(any(FULL in note for note in report.notes) for _, report in runs)
    lines = [f"load average before a run: {min(loads):g}–{max(loads):g}"] if loads else []
    if full:
        lines.append(f"in {full} of {len(runs)} runs {FULL}: latencies need a calmer time")
    return lines


def measures(found: Sequence[Figure]) -> list[Measure]:
    """The same for a results file: the statistics of each side are ``median``, ``min``, ``max``."""
    return [
        Measure(
            f"{figure.benchmark}: {figure.case}, {figure.subject} [{figure.statistic}]",
            side,
            figure.unit,
            {"median": median(values), "min": min(values), "max": max(values)},
        )
        for figure in found
        for side, values in figure.values.items()
    ]


def _table(title: str, found: Sequence[Figure]) -> str:
    rows = [[title, "subject", "before", "spread", "now", "spread", "ratio", "verdict"]]
    for figure in found:
        ratio = figure.ratio
        rows.append(
            [
                figure.name,
                figure.subject,
                *(cell for side in SIDES for cell in _cells(figure.values[side])),
                "" if ratio is None else f"{ratio:.2f}{_range(figure.ratios)}",
                WORDS[figure.verdict],
            ]
        )
    return table(rows)


def _cells(values: Sequence[float]) -> list[str]:
    return [number(median(values)), f"{number(min(values))}–{number(max(values))}"]


def _range(ratios: Sequence[float]) -> str:
    return f" ({min(ratios):.2f}–{max(ratios):.2f})" if ratios else ""


def _count(found: Sequence[Figure]) -> str:
    verdicts = [figure.verdict for figure in found]
    if "" in verdicts:
        return f"{len(found)} figures, not judged: the spread needs at least two rounds"
    counts = (f"{verdicts.count(word)} {WORDS[word]}" for word in ("better", "same", "worse"))
    return f"{len(found)} figures, {', '.join(counts)}"

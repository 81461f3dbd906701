"""Reports as text for a terminal, and the comparison of two of them."""

from __future__ import annotations

from collections.abc import Sequence

from .results import Measure, Ratio, Report

TEXT_COLUMNS = 2
"""The first columns are aligned to the left, the figures after them to the right."""


def text(report: Report) -> str:
    """The report for a terminal: a table per unit, the ratios, the notes."""
    parts = [f"== {report.benchmark} ({report.seconds:.0f} s)"]
    for unit in dict.fromkeys(measure.unit for measure in report.measures):
        parts.append(unit_table(unit, [m for m in report.measures if m.unit == unit]))
    if report.ratios:
        rows = [_ratio_cells(ratio) for ratio in report.ratios]
        parts.append(table([["ratio", "", "value", "target"], *rows]))
    return "\n\n".join([*parts, *(f"note: {note}" for note in report.notes)])


def unit_table(unit: str, measures: Sequence[Measure]) -> str:
    """The table of all measures in one unit."""
    statistics = list(dict.fromkeys(key for measure in measures for key in measure.values))
    rows = [[f"case [{unit}]", "subject", *statistics]]
    for measure in measures:
        cells = [number(measure.values.get(key)) for key in statistics]
        rows.append([measure.case, measure.subject, *cells])
    return table(rows)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as aligned text; the first row is the header."""
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < TEXT_COLUMNS else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def number(value: float | None) -> str:
    """A value with three significant digits; empty for None."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def compare(before: Sequence[Report], after: Sequence[Report]) -> str:
    """A table of the measures that both have, with the change of each statistic."""
    old = {(report.benchmark, m.case, m.subject): m for report in before for m in report.measures}
    rows = [["case", "subject", "statistic", "before", "after", "change", "unit"]]
    for report in after:
        for measure in report.measures:
            earlier = old.get((report.benchmark, measure.case, measure.subject))
            if earlier is not None and earlier.unit == measure.unit:
                rows += _changes(report.benchmark, earlier, measure)
    return table(rows)


def _changes(benchmark: str, before: Measure, after: Measure) -> list[list[str]]:
    rows = []
    for key, value in after.values.items():
        old = before.values.get(key)
        if old is None:
            continue
        change = f"{100 * (value - old) / old:+.1f} %" if old else ""
        case = f"{benchmark}: {after.case}"
        rows.append([case, after.subject, key, number(old), number(value), change, after.unit])
    return rows


def _ratio_cells(ratio: Ratio) -> list[str]:
    target = "" if ratio.target is None else f"≤ {ratio.target:g}"
    return [ratio.name, ratio.verdict, f"{ratio.value:.4g}", target]

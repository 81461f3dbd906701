"""What a benchmark found: measures, ratios, tables, JSON, and the comparison of two JSON files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured quantity."""

    case: str
    """What was measured, such as ``mix 6 streams``."""
    subject: str
    """Who did it, such as ``ours`` or ``numpy``."""
    unit: str
    """Unit of the values: ns, us, ms, % of a core, MiB, frames …"""
    values: dict[str, float]
    """Statistic → value: ``p50``, ``p95``, ``max``, ``mean``, ``best`` …"""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Two measures of the same run, divided: what is reported, as machines differ."""

    name: str
    value: float
    target: float | None = None
    """The ratio should be at most this; None where there is no target."""

    @property
    def verdict(self) -> str:
        """``met``, ``missed`` or empty."""
        if self.target is None:
            return ""
        return "met" if self.value <= self.target else "missed"


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one benchmark."""

    benchmark: str
    started: str
    """ISO 8601 date and time with offset."""
    seconds: float
    """How long the benchmark took."""
    machine: dict[str, Any]
    options: dict[str, Any]
    measures: list[Measure] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    format: int = FORMAT_VERSION


def write_json(reports: Sequence[Report], path: Path) -> None:
    """Write reports to ``path``, readable by people and by ``read_json``."""
    content = {"format": FORMAT_VERSION, "reports": [asdict(report) for report in reports]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> list[Report]:
    """Read what ``write_json`` wrote.

    Raises:
        ValueError: another format, or no such file of ours; names the file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT_VERSION:
            raise ValueError(f"format {content['format']} is not {FORMAT_VERSION}")
        return [msgspec.convert(entry, Report) for entry in content["reports"]]
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        raise ValueError(f"{path} is no benchmark result: {error}") from error


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as aligned text; the first row is the head."""
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def text(report: Report) -> str:
    """The report for a terminal."""
    parts = [f"== {report.benchmark} ({report.seconds:.0f} s)"]
    for unit in dict.fromkeys(measure.unit for measure in report.measures):
        parts.append(unit_table(unit, [m for m in report.measures if m.unit == unit]))
    if report.ratios:
        head = ["ratio", "", "value", "target"]
        parts.append(
            table(
                [
                    head,
                    *(
                        [
                            r.name,
                            r.verdict,
                            f"{r.value:.4g}",
                            "" if r.target is None else f"≤ {r.target:g}",
                        ]
                        for r in report.ratios
                    ),
                ]
            )
        )
    return "\n\n".join([*parts, *(f"note: {note}" for note in report.notes)])


def unit_table(unit: str, measures: Sequence[Measure]) -> str:
    """The table of all measures in one unit."""
    statistics = list(dict.fromkeys(key for measure in measures for key in measure.values))
    rows = [[f"in {unit}", "who", *statistics]]
    for measure in measures:
        cells = [number(measure.values.get(key)) for key in statistics]
        rows.append([measure.case, measure.subject, *cells])
    return table(rows)


def number(value: float | None) -> str:
    """A value for a table: three significant digits, nothing for None."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def compare(before: Sequence[Report], after: Sequence[Report]) -> str:
    """Measures that both have, with the change of each statistic."""
    old = {(report.benchmark, m.case, m.subject): m for report in before for m in report.measures}
    rows = [["case", "who", "statistic", "before", "after", "change", "unit"]]
    for report in after:
        for measure in report.measures:
            earlier = old.get((report.benchmark, measure.case, measure.subject))
            if earlier is None or earlier.unit != measure.unit:
                continue
            for key, value in measure.values.items():
                was = earlier.values.get(key)
                if was is None:
                    continue
                change = f"{100 * (value - was) / was:+.1f} %" if was else ""
                rows.append(
                    [
                        f"{report.benchmark}: {measure.case}",
                        measure.subject,
                        key,
                        number(was),
                        number(value),
                        change,
                        measure.unit,
                    ]
                )
    return table(rows)


def quantiles(values: Sequence[float], *shares: float) -> dict[str, float]:
    """``p50``, ``p95`` … and ``max`` of ``values`` by nearest rank; empty for none."""
    ordered = sorted(values)
    if not ordered:
        return {}
    result = {
        f"p{share * 100:g}": ordered[min(len(ordered) - 1, int(share * len(ordered)))]
        for share in shares
    }
    return result | {"max": ordered[-1]}

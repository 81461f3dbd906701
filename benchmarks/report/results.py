"""What a benchmark found: measures and ratios, and their JSON file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from .errors import BenchmarkError

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured quantity."""

    case: str
    """What was measured, such as ``mix 6 streams``."""
    subject: str
    """Whose it is, such as ``ours``, ``numpy`` or ``openai_link child``."""
    unit: str
    """Unit of the values: ns, us, ms, % of a core, MiB, frames …"""
    values: dict[str, float]
    """Statistic → value: ``p50``, ``p95``, ``max``, ``mean``, ``best`` …"""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure to judge. Most are two measures of one run divided: machines differ, ratios less."""

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
        BenchmarkError: the file cannot be read, or is not one of ours, or of another format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT_VERSION:
            raise BenchmarkError(f"{path} has format {content['format']}, not {FORMAT_VERSION}")
        return [msgspec.convert(entry, Report) for entry in content["reports"]]
    except OSError as error:
        raise BenchmarkError(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise BenchmarkError(f"{path} is not a benchmark result: {error}") from error


def quantiles(values: Sequence[float], *shares: float) -> dict[str, float]:
    """``p50``, ``p95`` … and ``max`` of ``values`` by nearest rank; empty where there are none.

    ``shares``: 0.5 for the median, 0.95 …
    """
    ordered = sorted(values)
    if not ordered:
        return {}
    result = {
        f"p{share * 100:g}": ordered[min(len(ordered) - 1, int(share * len(ordered)))]
        for share in shares
    }
    return result | {"max": ordered[-1]}

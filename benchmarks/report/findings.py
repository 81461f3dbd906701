"""What a benchmark is asked for, and what it fills in while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .results import Measure, Ratio


@dataclass(frozen=True, slots=True)
class Options:
    """What every benchmark is told."""

    quick: bool = False
    """Seconds in place of minutes; figures are rougher."""
    smoke: bool = False
    """The shortest run that touches everything; figures mean nothing."""
    output_dir: Path | None = None
    """Directory for plots and flame graphs; None: no plots."""
    count: int = 0
    """How often to do what is measured; 0: as often as the kind of run says."""
    page: bool = False
    """Whether the page in a browser takes part in place of clients."""
    sessions: int = 0
    """Sessions that these processors bear; 0: to be found."""
    minutes: float | None = None
    """How long a soak lives like a household; None: it is the ordinary one."""
    only: tuple[str, ...] = ()
    """Parts to measure; empty: all."""

    def scaled(self, full: float, quick: float, smoke: float) -> float:
        """The amount (seconds, rounds) for this kind of run."""
        return smoke if self.smoke else quick if self.quick else full


@dataclass
class Findings:
    """The measures, ratios and notes of one run."""

    progress: Callable[[str], None]
    """Tells the user what is being measured now."""
    measures: list[Measure] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, case: str, subject: str, unit: str, **values: float) -> Measure:
        """Add one measure and return it."""
        measure = Measure(case, subject, unit, values)
        self.measures.append(measure)
        return measure

    def ratio(self, name: str, value: float, target: float | None = None) -> None:
        """Add one ratio; ``target``: it should be at most this."""
        self.ratios.append(Ratio(name, value, target))

"""What may be spent on a local day, by all rooms or by one. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from ..realtime.problems import Problem

WARN_SHARE = 0.8
"""Part of the budget at which people are warned."""


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell the room and the log, once: money runs out, or a price is not known."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Stop:
    """End the call now; ``Spending.blocked`` says when another may be made."""

    problem: Problem


class Budget:
    """One limit, and what was spent of it on the day that it is."""

    def __init__(self, limit_usd: float, setting: str, whose: str = "") -> None:
        """Start at nothing.

        Args:
            limit_usd: for a local day; 0: no limit.
            setting: what to raise, for people.
            whose: whose it is where it is not that of all rooms: "of this room".
        """
        self.limit_usd = limit_usd
        self.spent_usd = 0.0
        self.elsewhere_usd = 0.0
        """Of the same limit, by the other nodes of a cluster."""
        self._setting = setting
        self._whose = f" {whose}" if whose else ""
        self._warned = self._stopped = False

    def new_day(self) -> None:
        """Nothing is spent yet."""
        self.spent_usd = self.elsewhere_usd = 0.0
        self._warned = self._stopped = False

    def change(self, limit_usd: float) -> None:
        """Another limit counts from now on, and whoever was warned of the old one is again."""
        if limit_usd != self.limit_usd:
            self.limit_usd = limit_usd
            self._warned = self._stopped = False

    @property
    def total_usd(self) -> float:
        """What counts against the limit."""
        return self.spent_usd + self.elsewhere_usd

    @property
    def is_spent(self) -> bool:
        """There is a limit, and it is reached."""
        return bool(self.limit_usd) and self.total_usd >= self.limit_usd

    def blocked(self) -> Problem | None:
        """Why no call may be made now; None: it may."""
        if not self.is_spent:
            return None
        words = (
            f"The budget{self._whose} of {dollars(self.limit_usd)} for today is spent "
            f"({dollars(self.total_usd)}): the assistant is back tomorrow, or raise "
            f"{self._setting}."
        )
        return Problem("budget_spent", words, retryable=False)

    def check(self) -> list[Warn | Stop]:
        """What follows from what was spent; each is said once."""
        if not self.limit_usd or self._stopped:
            return []
        if self.is_spent:
            self._stopped = self._warned = True
            words = (
                f"The budget{self._whose} of {dollars(self.limit_usd)} for today is spent: "
                "the assistant stops until tomorrow."
            )
            return [Stop(Problem("budget_spent", words, retryable=False))]
        if not self._warned and self.total_usd >= WARN_SHARE * self.limit_usd:
            self._warned = True
            part = int(100 * self.total_usd / self.limit_usd)
            words = (
                f"{part} % of today's budget{self._whose} of {dollars(self.limit_usd)} is spent."
            )
            return [Warn("budget_low", words)]
        return []


def dollars(cost_usd: float) -> str:
    """For people."""
    return f"${cost_usd:.2f}"

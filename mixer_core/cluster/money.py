"""What the nodes of a cluster have spent on a day: who tells what, and what it comes to. Sans-I/O.

Each node tells of its own spending only, under a key of its own, so nothing is counted twice and
nobody writes over another. What a node has told never falls on a day: its journal may be put aside
or pruned, and what was spent stays spent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec

from mixer_core.runtime.errors import RecordError

from .records import VERSION, Version, decode_record

Dollars = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]


@dataclass(frozen=True, slots=True)
class Money:
    """What one node has spent on one day, in US dollars."""

    usd: Dollars = 0.0
    simulated_usd: Dollars = 0.0
    """What its simulator has counted."""
    v: Version = VERSION

    def __add__(self, other: Money) -> Money:
        return Money(self.usd + other.usd, self.simulated_usd + other.simulated_usd)


def money_key(day: str, node: str) -> str:
    """The bucket's key of a local day (2026-11-22) of a node."""
    return f"{day}.{node}"


def spent_elsewhere(entries: Iterable[tuple[str, bytes]], day: str, node: str) -> Money:
    """What all other nodes have spent on a day, by the bucket's keys and values.

    A value that cannot be read counts as nothing.
    """
    total = Money()
    for key, value in entries:
        if not key.startswith(f"{day}.") or key == money_key(day, node):
            continue
        try:
            total += decode_record(value, Money)
        except RecordError:
            continue
    return total


class Purse:
    """What this node tells of itself."""

    def __init__(self) -> None:
        self._day = ""
        self._base = self._told = Money()

    def due(self, day: str, counted: Money, known: Money | None) -> Money | None:
        """What to write now; None: the bucket has it.

        Args:
            day: that it is here.
            counted: by this node's journal.
            known: what the bucket has of this node and day; None: nothing.
        """
        if day != self._day:
            self._day, self._base, self._told = day, Money(), known or Money()
        self._base = Money(
            max(self._base.usd, self._told.usd - counted.usd),
            max(self._base.simulated_usd, self._told.simulated_usd - counted.simulated_usd),
        )
        self._told = _rounded(self._base + counted)
        return None if self._told == (known or Money()) else self._told


def _rounded(money: Money) -> Money:
    return Money(round(money.usd, 6), round(money.simulated_usd, 6))

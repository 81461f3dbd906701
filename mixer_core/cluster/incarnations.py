"""The incarnations of a node: which are its own, and which comes next. Sans-I/O.

An incarnation is one lease of a node, a number that only grows. Whoever finds another one under its
name in the store has to know whether that may be alive: those of this machine are not, since one
machine runs one such process.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_INCARNATION = re.compile(r"0[0-9a-f]{15}")

DIGITS = 16
"""Of an incarnation: hexadecimal, the first one 0, so that there is always a next one."""
MAX_OWN = 32
"""Incarnations of this machine that are remembered: each that may be in the store, or may arrive
there yet. A process draws one for each lease, however often it has to ask for it."""


def is_incarnation(text: str) -> bool:
    """Whether a node may have been this one; else its record is damaged."""
    return _INCARNATION.fullmatch(text) is not None


def next_incarnation(found: str, proposed: int) -> str:
    """A newer one than ``found``; ``proposed``: any number, such as the Unix time in ms."""
    before = int(found, 16) if found else 0
    return f"{max(before + 1, proposed):0{DIGITS}x}"


class Incarnations:
    """Of one node."""

    def __init__(self, noted: Sequence[str]) -> None:
        """``noted``: those that this machine has noted on disk, the newest one last."""
        self._own: tuple[str, ...] = tuple(noted)
        self._drawn: tuple[str, ...] = ()
        self._unused = ""
        """The newest one, if no write of it was acknowledged; empty: there is none."""
        self._stranger: tuple[int, int] | None = None
        """Revision of a record of this name that is not ours, and when it was first seen."""

    @property
    def own(self) -> tuple[str, ...]:
        """Those of this machine, the newest one last: to be noted on disk before it is written."""
        return self._own

    @property
    def newest(self) -> str:
        """That of this process, or of the one before; empty: there is none."""
        return self._own[-1] if self._own else ""

    def is_own(self, incarnation: str) -> bool:
        """Whether it is of this machine."""
        return incarnation in self._own

    def is_drawn(self, incarnation: str) -> bool:
        """Whether it is of this process."""
        return incarnation in self._drawn

    def draw(self, found: str, proposed: int) -> str:
        """One that is newer than ``found``, that in the store, or empty: a new one, or the one
        before if nobody has acknowledged that."""
        self._stranger = None
        if self._unused > found:
            return self._unused
        incarnation = next_incarnation(max((*self._own, found)), proposed)
        kept = (found,) if self.is_own(found) else ()
        rest = tuple(one for one in self._own if one not in kept)
        self._own = (*kept, *rest[2 - MAX_OWN :], incarnation)
        self._drawn = (*self._drawn[1 - MAX_OWN :], incarnation)
        self._unused = incarnation
        return incarnation

    def acknowledged(self) -> None:
        """The newest one is in the store, or was."""
        self._unused = ""

    def stranger(self, revision: int, now_ns: int) -> tuple[int, bool]:
        """A record of this name that is not ours: since when it is the same; whether it is the
        first that was found."""
        is_first = self._stranger is None
        if self._stranger is None or self._stranger[0] != revision:
            self._stranger = revision, now_ns
        return self._stranger[1], is_first

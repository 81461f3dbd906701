"""The incarnations of a node: which are its own, and which comes next. Sans-I/O.

An incarnation is one lease of a node, a number that only grows. Whoever finds another one under its
name in the store has to know whether that may be alive: those of this machine are not, since one
machine runs one such process.
"""

from __future__ import annotations

import re

_INCARNATION = re.compile(r"0[0-9a-f]{15}")

DIGITS = 16
"""Of an incarnation: hexadecimal, the first one 0, so that there is always a next one."""
MAX_OWN = 8
"""Incarnations of this machine that may still be in the store."""


def is_incarnation(text: str) -> bool:
    """Whether a node may have been this one; else its record is damaged."""
    return _INCARNATION.fullmatch(text) is not None


def next_incarnation(found: str, proposed: int) -> str:
    """A newer one than ``found``; ``proposed``: any number, such as the Unix time in ms."""
    before = int(found, 16) if found else 0
    return f"{max(before + 1, proposed):0{DIGITS}x}"


class Incarnations:
    """Of one node."""

    def __init__(self, previous: str) -> None:
        """``previous``: the newest one that this machine has noted on disk, or empty."""
        self._own: tuple[str, ...] = (previous,) if previous else ()
        self._drawn: tuple[str, ...] = ()
        self._stranger: tuple[int, int] | None = None
        """Revision of a record of this name that is not ours, and when it was first seen."""

    @property
    def newest(self) -> str:
        """That of this process, or of the one before."""
        return self._own[-1]

    def is_own(self, incarnation: str) -> bool:
        """Whether it is of this machine."""
        return incarnation in self._own

    def is_drawn(self, incarnation: str) -> bool:
        """Whether it is of this process."""
        return incarnation in self._drawn

    def draw(self, found: str, proposed: int) -> str:
        """A new one; ``found``: that in the store, or empty."""
        incarnation = next_incarnation(max((*self._own, found)), proposed)
        self._own = (*self._own[1 - MAX_OWN :], incarnation)
        self._drawn = (*self._drawn[1 - MAX_OWN :], incarnation)
        self._stranger = None
        return incarnation

    def stranger(self, revision: int, now_ns: int) -> tuple[int, bool]:
        """A record of this name that is not ours: since when it is the same; whether it is the
        first that was found."""
        is_first = self._stranger is None
        if self._stranger is None or self._stranger[0] != revision:
            self._stranger = revision, now_ns
        return self._stranger[1], is_first

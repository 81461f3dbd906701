"""Unique numbers for streams and participants. Sans-I/O: the random source is passed in."""

from __future__ import annotations

from collections.abc import Callable

MASK = 0xFFFF_FFFF
REMEMBERED = 4096
"""The latest numbers that are not drawn again; far fewer are in use at once."""


class Numbers:
    """Draws non-zero u32 numbers that were not drawn or noted lately."""

    def __init__(self, source: Callable[[], int]) -> None:
        """``source`` returns a random integer at each call."""
        self._source = source
        self._known: dict[int, None] = {}

    def draw(self) -> int:
        """A number from 1 to 2³²-1 that is not in use."""
        number = self._source() & MASK
        while number == 0 or number in self._known:
            number = (number + 1) & MASK
        self.note(number)
        return number

    def note(self, number: int) -> None:
        """A number is in use."""
        self._known.pop(number, None)
        self._known[number] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

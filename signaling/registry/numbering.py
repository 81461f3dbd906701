"""Numbers that are not used twice: stream ids and participant ids. Pure: randomness comes in."""

from __future__ import annotations

from collections.abc import Callable

MASK = 0xFFFF_FFFF
REMEMBERED = 4096
"""So many latest numbers are kept unique: far more than can be alive."""


class Numbers:
    """Draws non-zero u32 numbers that have not been drawn or noted lately."""

    def __init__(self, source: Callable[[], int]) -> None:
        """``source`` returns a random integer at each call."""
        self._source = source
        self._known: dict[int, None] = {}

    def draw(self) -> int:
        """A number of 1 … 2³²-1 that nobody has."""
        number = self._source() & MASK
        while number == 0 or number in self._known:
            number = (number + 1) & MASK
        self.note(number)
        return number

    def note(self, number: int) -> None:
        """Somebody else chose that number."""
        self._known.pop(number, None)
        self._known[number] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

"""Numbers of things in sentences."""

from __future__ import annotations


def counted(number: float, one: str, several: str = "") -> str:
    """``1 room``, ``2 rooms``; ``several``: where it is not ``one`` with an s."""
    return f"{number:.0f} {one if number == 1 else several or f'{one}s'}"

"""The order of items: numbers with room between them, so that most never move. Sans-I/O.

The first number of a conversation follows from the time: a page that has seen an earlier
conversation of the room (its process died, nothing was kept) shows the later one below it.
"""

from __future__ import annotations

from collections.abc import Iterable

from mixer_core.journal.records import HistoryItem

GAP = 1 << 20
"""Between neighbours that came one after the other."""
ROOT = "root"
"""The predecessor of the first item."""
SINCE_S = 1_735_689_600
"""Unix time of the number 0: the numbers stay below 2^53, which every reader of JSON takes."""


def first_place(wall_ms: int) -> int:
    """Where a conversation that begins now starts, as if each second had had an item."""
    return max(1, wall_ms // 1_000 - SINCE_S) * GAP


class ItemOrder:
    """The order of items by id."""

    def __init__(self, items: Iterable[HistoryItem] = ()) -> None:
        """``items``: those that have their places already."""
        self._positions = {item.item: item.position for item in items}
        self.order = sorted(self._positions, key=self._positions.__getitem__)
        """Ids in order; read it, do not change it."""

    def insert(self, item: str, previous: str, first: int = GAP) -> dict[str, int]:
        """Put a new item behind ``previous``, or at the end where that is unknown.

        Args:
            item: its id.
            previous: id of the item before it; ``ROOT``: it is the first.
            first: the place of the very first item (``first_place``).

        Returns:
            The places that are new: the item's own, and those of items that had to move.
        """
        index = self._index_behind(previous)
        below = self._positions[self.order[index - 1]] if index else 0
        if not self.order:
            place = first
        elif index == len(self.order):
            place = below + GAP
        else:
            above = self._positions[self.order[index]]
            place = above - GAP if index == 0 and above > GAP else (below + above) // 2
        self.order.insert(index, item)
        self._positions[item] = place
        if place != below:
            return {item: place}
        start = max(GAP, min(self._positions.values()))
        self._positions = {known: start + n * GAP for n, known in enumerate(self.order)}
        return dict(self._positions)

    def before(self, item: str) -> str:
        """The item before a known one; ``ROOT``: it is the first."""
        index = len(self.order) - 1 - self.order[::-1].index(item)
        return self.order[index - 1] if index else ROOT

    def remove(self, item: str) -> None:
        """Forget an item."""
        del self._positions[item]
        self.order.remove(item)

    def _index_behind(self, previous: str) -> int:
        if previous == ROOT:
            return 0
        if not self.order or previous == self.order[-1] or previous not in self._positions:
            return len(self.order)
        return self.order.index(previous) + 1

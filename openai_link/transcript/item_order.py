"""The order of items: numbers with room between them, so that most never move. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable

from mixer_core.journal.records import HistoryItem

GAP = 1 << 20
"""Between neighbours that came one after the other."""


class ItemOrder:
    """The order of items by id."""

    def __init__(self, items: Iterable[HistoryItem] = ()) -> None:
        """``items``: those that have their places already."""
        self._positions = {item.item: item.position for item in items}
        self.order = sorted(self._positions, key=self._positions.__getitem__)
        """Ids in order; read it, do not change it."""

    def insert(self, item: str, previous: str) -> dict[str, int]:
        """Put a new item behind ``previous``, or at the end where that is unknown.

        Returns:
            The places that are new: the item's own, and those of items that had to move.
        """
        index = self._index_behind(previous)
        below = self._positions[self.order[index - 1]] if index else 0
        if index == len(self.order):
            place = below + GAP
        else:
            place = (below + self._positions[self.order[index]]) // 2
        self.order.insert(index, item)
        self._positions[item] = place
        if place != below:
            return {item: place}
        self._positions = {known: (n + 1) * GAP for n, known in enumerate(self.order)}
        return dict(self._positions)

    def remove(self, item: str) -> None:
        """Forget an item."""
        del self._positions[item]
        self.order.remove(item)

    def _index_behind(self, previous: str) -> int:
        if not self.order or previous == self.order[-1] or previous not in self._positions:
            return len(self.order)
        return self.order.index(previous) + 1

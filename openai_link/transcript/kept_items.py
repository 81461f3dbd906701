"""The items of a conversation that are remembered, each in its newest state and in order. Sans-I/O.

Methods return the records to write: a record of an item is its whole present state, in place of the
one before. The newest ``MAX_ITEMS``, with ``MAX_CHARS``, are remembered; older ones are in the
journal only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from mixer_core.journal.records import HistoryItem, ItemRecord, Record, RemovedRecord

from ..realtime.bounds import MAX_TEXT_CHARS
from ..realtime.unicode_text import whole
from .item_order import ROOT, ItemOrder, first_place

MAX_ITEMS = 2_000
MAX_CHARS = 4_000_000
"""Words, arguments and outputs that are remembered, of all items."""
_TEXTS = ("name", "text", "failure", "tool", "arguments", "output")


class KeptItems:
    """Of one conversation."""

    def __init__(self, recovered: Sequence[HistoryItem] = ()) -> None:
        """``recovered``: what the journal knows of a conversation that goes on."""
        self._order = ItemOrder(recovered)
        self._known = {item.item: item for item in recovered}
        self._chars = sum(map(_chars, recovered))
        """Size of what is remembered."""

    def __contains__(self, item: str) -> bool:
        return item in self._known

    def __iter__(self) -> Iterator[HistoryItem]:
        """In order."""
        return (self._known[item] for item in self._order.order)

    def __reversed__(self) -> Iterator[HistoryItem]:
        return (self._known[item] for item in reversed(self._order.order))

    def __len__(self) -> int:
        return len(self._order.order)

    def __getitem__(self, item: str) -> HistoryItem:
        return self._known[item]

    def get(self, item: str) -> HistoryItem | None:
        """An item; None: it is not known."""
        return self._known.get(item)

    def awaiting(self, call: str) -> HistoryItem | None:
        """The item of a tool call that has not been answered."""
        return next((i for i in self._known.values() if i.call == call and i.pending), None)

    @property
    def last(self) -> str:
        """Id of the last item; ``ROOT``: there is none."""
        return self._order.order[-1] if self._order.order else ROOT

    def before(self, item: str) -> str:
        """Id of the item before a known one; ``ROOT``: it is the first."""
        return self._order.before(item)

    def place(self, item: HistoryItem, previous: str, began_ms: int) -> list[Record]:
        """Put a new item in its place, with records of it and of those that had to move.

        Args:
            item: its position is not read.
            previous: id of the item before it; ``ROOT``: it is the first; unknown: it is the last.
            began_ms: Unix time now, from which the place of the very first item follows.
        """
        moved = self._order.insert(item.item, previous, first_place(began_ms))
        records: list[Record] = []
        for other, position in moved.items():
            if other != item.item:
                records += self.put(replace(self._known[other], position=position))
        records += self.put(replace(item, position=moved[item.item]))
        self._forget_oldest(item.item)
        return records

    def put(self, item: HistoryItem) -> list[Record]:
        """Keep the new state of an item that has its place; a record where something changed."""
        item = _whole(item)
        before = self._known.get(item.item)
        if before == item:
            return []
        self._known[item.item] = item
        self._chars += _chars(item) - (0 if before is None else _chars(before))
        return [ItemRecord(item)]

    def remove(self, item: str) -> list[Record]:
        """An item is no part of the conversation any more."""
        known = self._known.pop(item, None)
        if known is None:
            return []
        self._chars -= _chars(known)
        self._order.remove(item)
        return [RemovedRecord(item)]

    def _forget_oldest(self, newest: str) -> None:
        while len(self._order.order) > 1 and self._is_full:
            first, second = self._order.order[:2]
            oldest = second if first == newest else first
            self._order.remove(oldest)
            self._chars -= _chars(self._known.pop(oldest))

    @property
    def _is_full(self) -> bool:
        return len(self._order.order) > MAX_ITEMS or self._chars > MAX_CHARS


def newest_states(records: list[Record]) -> list[Record]:
    """Of several states of one item only the last."""
    newest = {r.item.item: r for r in records if isinstance(r, ItemRecord)}
    return list(newest.values())


def _whole(item: HistoryItem) -> HistoryItem:
    """``item`` with texts that can be stored and sent, of bounded length."""
    texts = {name: getattr(item, name) for name in _TEXTS}
    kept = {name: whole(text[:MAX_TEXT_CHARS]) for name, text in texts.items()}
    changed: dict[str, Any] = {n: text for n, text in kept.items() if text is not texts[n]}
    return replace(item, **changed) if changed else item


def _chars(item: HistoryItem) -> int:
    return sum(len(getattr(item, name)) for name in _TEXTS)

"""Where the lines that people see belong: in the order of the conversation. Sans-I/O.

Words come at any time: those of somebody who spoke often after the answer to them. A caption, and
a tool's event, therefore carries ``position``, the place of its item in the record, and a page puts
the line there; ``previous`` is the id of the item before it, empty for the first. Places are
numbers with room between them (``item_order``); when the room is used up, they are given anew, and
an EVENT ``places`` tells the new ones of all lines that were shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mixer_core.journal.records import HistoryItem, ItemRecord, Record

MAX_LINES = 200
"""Lines whose places are known to pages, as many as a page shows; the oldest are forgotten."""
MAX_TOLD = 100
"""Places in one EVENT, which has 16 KiB."""

Event = Mapping[str, Any]


class LinePlaces:
    """The places that pages were told."""

    def __init__(self) -> None:
        self._lines: dict[str, tuple[str, int]] = {}
        """By item: the tool call of its line (empty: a caption), and its place."""

    def __contains__(self, item: str) -> bool:
        """Whether a line of the item was shown."""
        return item in self._lines

    def recovered(self, items: Sequence[HistoryItem]) -> None:
        """Pages may show lines of a conversation that goes on from another process."""
        self._lines = {item.item: (item.call, item.position) for item in items[-MAX_LINES:]}

    def placed(self, event: Event, item: HistoryItem | None, previous: str = "") -> Event:
        """``event`` with the place of its ``item``, if that has one yet, behind ``previous``."""
        if item is None:
            return event
        self._lines.pop(item.item, None)
        self._lines[item.item] = str(event.get("call", "")), item.position
        if len(self._lines) > MAX_LINES:
            del self._lines[next(iter(self._lines))]
        return {**event, "position": item.position, "previous": previous}

    def moved(self, records: Sequence[Record]) -> list[Event]:
        """The EVENTs to tell where ``records`` moved lines that were shown.

        Where one is moved, all were given new places.
        """
        is_moved = False
        for record in records:
            if not isinstance(record, ItemRecord) or record.item.item not in self._lines:
                continue
            call, before = self._lines[record.item.item]
            is_moved = is_moved or before != record.item.position
            self._lines[record.item.item] = call, record.item.position
        lines = list(self._lines.items()) if is_moved else []
        return [_event(lines[first : first + MAX_TOLD]) for first in range(0, len(lines), MAX_TOLD)]


def _event(lines: Sequence[tuple[str, tuple[str, int]]]) -> Event:
    places = {item: place for item, (call, place) in lines if not call}
    calls = {call: place for _, (call, place) in lines if call}
    return {"type": "places", "places": places, "calls": calls}

"""Seeding a new session with history, and knowing when it has it. Sans-I/O.

History goes out as ``conversation.item.create`` events, each of which the server acknowledges by
the item's ``done``. Only then may it hear the room. What happens in the old session meanwhile is
told afterwards, by calling ``tell`` again; nothing is told twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mixer_core.journal.records import HistoryItem

from ..facts import Caption, Fact, ItemAdded, ItemDeleted, ItemDone, ServerError
from ..pictures import Picture
from ..realtime.client_events import ClientEvents
from .history import Seed, SeedLimits, message_event, seed_events, seeded_call

PATIENCE_NS = 4_000_000_000
"""After so long without an acknowledgement the session is used as it is."""

Event = dict[str, Any]
UNSETTLED = 3
"""Only so many of the newest items may still be waiting for their words."""


def settled(items: Sequence[HistoryItem], speaking: bool) -> Sequence[HistoryItem]:
    """The part of ``items`` that will not change while the session goes on.

    ``speaking``: the newest answer is being heard, and may be cut off yet.
    """
    first = max(0, len(items) - UNSETTLED)
    for index in range(first, len(items)):
        item = items[index]
        growing = not item.final and not item.pending
        if growing or (speaking and item.role == "assistant" and item.kind == "message"):
            return items[:index]
    return items


class Seeding:
    """What one session was told of the history."""

    def __init__(self, events: ClientEvents, limits: SeedLimits) -> None:
        """``events``: those of the session, so that ids are unique in it."""
        self._events = events
        self._limits = limits
        self._told: set[str] = set()
        self._open_calls: dict[str, str] = {}
        """Tools that had not answered when they were told: ``call_id`` by item."""
        self._waiting: set[str] = set()
        self._event_items: dict[str, str] = {}
        self._created: set[str] = set()
        """Ids of all items that were created here: their echoes are no news."""
        self._replaced: set[str] = set()
        """Ids of items that were created here and deleted again."""
        self._until_ns: int | None = None
        self.new_ids: dict[str, str] = {}
        """Ids of items of the record to their ids in this session."""
        self.ignored: list[str] = []
        """Ids of items of ours that are no items of the record."""
        self.refused = 0
        """Items that the server did not take."""
        self._pictures: dict[str, tuple[HistoryItem, str]] = {}
        """Items that are told with their pictures, by event; and the item before each."""
        self._untold: list[tuple[HistoryItem, str]] = []
        """Those of them that the server did not take: they are told in words."""

    @property
    def is_complete(self) -> bool:
        """Whether the server has acknowledged everything, or does not do so."""
        return not self._waiting

    def tell(
        self,
        items: Iterable[HistoryItem],
        names: Iterable[str],
        now_ns: int,
        after: str = "",
        pictures: Mapping[str, Picture] = MappingProxyType({}),
    ) -> list[Event]:
        """The events that tell what of ``items`` the session does not know yet.

        Args:
            items: the conversation in order, or a part of it.
            names: everybody who is in the room.
            now_ns: monotonic.
            after: id in this session of the item behind which they belong; empty: at the end.
            pictures: those that are shown again, by item.
        """
        items = list(items)
        events = [
            self._events.function_output(seeded_call(item.call), item.output)
            for item in items
            if item.item in self._open_calls and not item.pending
        ]
        for item in items:
            if not item.pending:
                self._open_calls.pop(item.item, None)
        fresh = [item for item in items if item.item not in self._told]
        seed = seed_events(fresh, self._events, self._limits, names, pictures)
        self.new_ids.update(seed.new_ids)
        self.ignored += seed.ignored + [event["item"]["id"] for event in events]
        for item in fresh:
            if item.final or item.item in seed.new_ids:  # Else its words may come yet.
                self._told.add(item.item)
            if item.pending and item.item in seed.new_ids:
                self._open_calls[item.item] = item.call
        self._note_pictures(seed, [item for item in fresh if item.item in pictures], after)
        for event in seed.events if after else ():
            event["previous_item_id"], after = after, str(event["item"]["id"])
        events += seed.events
        for event in events:
            self._wait_for(event)
        if events:
            self._until_ns = now_ns + PATIENCE_NS
        return events

    def instead(self, now_ns: int) -> list[Event]:
        """The events that tell in words of pictures that the server has just refused."""
        untold, self._untold = self._untold, []
        events = [message_event(item, self._events, after=after) for item, after in untold]
        for (item, _), event in zip(untold, events, strict=True):
            self.new_ids[item.item] = str(event["item"]["id"])
            self._wait_for(event)
            self._until_ns = now_ns + PATIENCE_NS
        return events

    def note(self, text: str, now_ns: int) -> Event:
        """The event that tells the model something that is no part of the record."""
        event = self._events.system_text(text)
        self.ignored.append(str(event["item"]["id"]))
        self._wait_for(event)
        self._until_ns = now_ns + PATIENCE_NS
        return event

    def answer(self, call: str, output: str) -> list[Event]:
        """The event that tells the output of a tool call, if the call is history here."""
        item = next((item for item, known in self._open_calls.items() if known == call), None)
        if item is None:
            return []
        del self._open_calls[item]
        return [self._events.function_output(seeded_call(call), output)]

    def correct(self, item: HistoryItem, now_ns: int, after: str = "") -> list[Event]:
        """The events that tell the words of a message which has become shorter.

        It is created again in its place, and deleted as it was. One that was not told is told now,
        behind ``after``.
        """
        old = self.new_ids.get(item.item)
        if old is None:
            return self.tell([item], (), now_ns, after)
        events = [message_event(item, self._events, after=old)] if item.text.strip() else []
        for event in events:
            self.new_ids[item.item] = str(event["item"]["id"])
            self._wait_for(event)
            self._until_ns = now_ns + PATIENCE_NS
        self._replaced.add(old)
        return [*events, self._events.delete(old)]

    def on_fact(self, fact: Fact, now_ns: int) -> bool:
        """Whether the fact is only an echo of history, which nobody else need hear."""
        if isinstance(fact, ItemAdded | ItemDone | Caption) and fact.item in self._created:
            if isinstance(fact, ItemDone) and fact.item in self._waiting:
                self._waiting.discard(fact.item)
                self._until_ns = now_ns + PATIENCE_NS
            return True
        if isinstance(fact, ItemDeleted) and fact.item in self._replaced:
            return True
        if isinstance(fact, ServerError) and fact.event_id in self._event_items:
            self._waiting.discard(self._event_items[fact.event_id])
            self.refused += 1
            if fact.event_id in self._pictures:
                self._untold.append(self._pictures.pop(fact.event_id))
            return True
        return False

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing is waited for."""
        return self._until_ns if self._waiting else None

    def tick(self, now_ns: int) -> None:
        """The time-out was reached: go on without the acknowledgements."""
        if self._until_ns is not None and now_ns >= self._until_ns:
            self._waiting.clear()

    def _note_pictures(self, seed: Seed, shown: Sequence[HistoryItem], after: str) -> None:
        """Remember where the items stand whose pictures the server may refuse."""
        ids = {seed.new_ids[item.item]: item for item in shown if item.item in seed.new_ids}
        for event in seed.events:
            item = str(event["item"]["id"])
            if item in ids:
                self._pictures[str(event["event_id"])] = ids[item], after
            after = item

    def _wait_for(self, event: Mapping[str, Any]) -> None:
        item = str(event["item"]["id"])
        self._waiting.add(item)
        self._created.add(item)
        self._event_items[str(event["event_id"])] = item

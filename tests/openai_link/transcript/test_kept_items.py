"""Which items of a conversation are kept, and in which order."""

from __future__ import annotations

from dataclasses import replace

from mixer_core.journal.records import HistoryItem, ItemRecord, RemovedRecord
from openai_link.realtime.bounds import MAX_TEXT_CHARS
from openai_link.transcript.item_order import ROOT
from openai_link.transcript.kept_items import MAX_CHARS, KeptItems, newest_states

NOW_MS = 1_760_000_000_000


def item(name: str, text: str = "") -> HistoryItem:
    return HistoryItem(name, 0, "message", "user", text=text)


def kept(*names: str) -> KeptItems:
    items = KeptItems()
    for name in names:
        items.place(item(name), "", NOW_MS)
    return items


def names(items: KeptItems) -> list[str]:
    return [each.item for each in items]


def test_items_stand_behind_the_one_before_them() -> None:
    items = kept("a", "c")
    (record,) = items.place(item("b"), "a", NOW_MS)
    assert isinstance(record, ItemRecord) and record.item.position > 0
    items.place(item("z"), ROOT, NOW_MS)
    assert names(items) == ["z", "a", "b", "c"] and items.last == "c"
    assert items.before("b") == "a" and items.before("z") == ROOT
    assert [each.item for each in reversed(items)] == ["c", "b", "a", "z"]


def test_only_a_new_state_is_a_record() -> None:
    items = kept("a")
    said = replace(items["a"], text="hello")
    assert items.put(said) == [ItemRecord(said)] and items.put(said) == []
    assert items.remove("a") == [RemovedRecord("a")] and items.remove("a") == []
    assert "a" not in items and items.last == ROOT


def test_of_a_conversation_that_is_too_long_the_oldest_items_go_but_not_the_new_one() -> None:
    items, most = KeptItems(), MAX_CHARS // MAX_TEXT_CHARS
    for number in range(most + 2):
        items.place(item(str(number), "x" * MAX_TEXT_CHARS), "", NOW_MS)
    assert len(items) == most and names(items)[0] == "2"
    items.place(item("first", "x" * MAX_TEXT_CHARS), ROOT, NOW_MS)
    assert "first" in items and "2" not in items and len(items) == most


def test_of_several_states_of_an_item_the_last_is_written() -> None:
    old, new, other = item("a"), item("a", "hello"), item("b")
    states = newest_states([ItemRecord(old), ItemRecord(other), ItemRecord(new)])
    assert states == [ItemRecord(new), ItemRecord(other)]

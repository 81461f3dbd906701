"""Where lines stand: numbers that grow with the conversation, also when there is no room left."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.journal.records import HistoryItem, ItemRecord, Record
from openai_link.facts import Caption, ItemAdded, Transcribed, TurnCommitted
from openai_link.room.actions import TellBrowsers, WriteJournal
from openai_link.room.record import RoomRecord
from openai_link.settings import OpenaiLinkSettings
from openai_link.transcript.item_order import GAP, ROOT, ItemOrder, first_place
from openai_link.transcript.line_places import MAX_LINES, MAX_TOLD, LinePlaces

WALL_MS = 1_800_000_000_000


def item(name: str, position: int) -> HistoryItem:
    return HistoryItem(name, position, "message", "user")


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=90))
def test_numbers_always_grow_in_the_order_of_the_items(inserts: list[tuple[int, bool]]) -> None:
    order = ItemOrder()
    places: dict[str, int] = {}
    for number, (behind, is_first) in enumerate(inserts):
        known = order.order[behind % len(order.order)] if order.order else ""
        places |= order.insert(f"i{number}", ROOT if is_first else known, first_place(WALL_MS))
        assert sorted(places, key=places.__getitem__) == order.order
        assert len(set(places.values())) == len(places)
        assert all(0 < place < 2**53 for place in places.values()), "JSON holds no more"


def test_a_later_conversation_stands_below_an_earlier_one() -> None:
    """A page outlives the process that had the record, and its numbers."""
    earlier, last = ItemOrder(), 0
    for number in range(30):
        last = max(earlier.insert(f"a{number}", "", first_place(WALL_MS)).values())
    later = ItemOrder().insert("b0", "", first_place(WALL_MS + 60_000))
    assert later["b0"] > last


def test_new_numbers_are_told_for_all_lines_that_were_shown() -> None:
    places = LinePlaces()
    for number in range(MAX_LINES + 5):
        places.placed({"type": "caption", "item": f"i{number}"}, item(f"i{number}", number))
    places.placed({"type": "tool", "call": "c1"}, item("t1", 999))
    assert places.moved([ItemRecord(item("i50", 50))]) == [], "nothing has moved"
    assert places.moved([ItemRecord(item("unseen", 7))]) == []
    moved: list[Record] = [ItemRecord(item(f"i{n}", n * GAP)) for n in range(MAX_LINES + 5)]
    events = places.moved([*moved, ItemRecord(item("t1", 1_000 * GAP))])
    assert len(events) == MAX_LINES // MAX_TOLD
    told = {key: place for event in events for key, place in event["places"].items()}
    assert told == {f"i{n}": n * GAP for n in range(6, MAX_LINES + 5)}
    assert [event["calls"] for event in events if event["calls"]] == [{"c1": 1_000 * GAP}]


class Record_:
    """A room's record with a page that listens; the journal answers at once."""

    def __init__(self) -> None:
        self.record = RoomRecord("den", OpenaiLinkSettings(), lambda wall_ms: "day")
        self.told: list[Any] = []
        self.now_ns = 0

    def fact(self, fact: Any) -> None:
        self.now_ns += 1_000_000
        self._take(self.record.on_fact(1, fact, WALL_MS, self.now_ns))

    def _take(self, outcomes: Any) -> None:
        for outcome in outcomes:
            if isinstance(outcome, TellBrowsers):
                self.told.append(outcome.event)
            if isinstance(outcome, WriteJournal) and outcome.ticket is not None:
                self._take(self.record.journal_written(outcome.ticket))

    def added(self, name: str, previous: str, role: str = "user") -> None:
        content = {"id": name, "type": "message", "role": role, "content": []}
        self.fact(ItemAdded(name, previous, content))

    def lines(self) -> list[str]:
        """As a page shows them."""
        places: dict[str, int] = {}
        for event in self.told:
            if event["type"] == "places":
                places |= event["places"]
            elif "position" in event:
                places[event["item"]] = event["position"]
        return sorted(places, key=places.__getitem__)


def test_lines_keep_their_order_when_the_room_between_two_is_used_up() -> None:
    """Thirty late items between two lines, each behind the one before: numbers are given anew."""
    room = Record_()
    room.added("first", "")
    room.added("last", "first", "assistant")
    room.fact(Caption("assistant", "last", "Bye.", True))
    room.fact(Caption("user", "first", "Hello.", True))
    before = "first"
    names = []
    for number in range(30):
        names.append(f"m{number}")
        room.added(names[-1], before)
        room.fact(Caption("user", names[-1], f"Word {number}.", True))
        before = names[-1]
    assert any(event["type"] == "places" for event in room.told)
    assert room.lines() == ["first", *names, "last"]
    assert [known.item for known in room.record.items()] == room.lines()


def test_words_without_an_item_stand_where_their_turn_was() -> None:
    """A server that tells of a turn and its words, and never of an item."""
    room = Record_()
    for turn, answer in (("u1", "a1"), ("u2", "a2")):
        room.fact(TurnCommitted(turn))
        room.added(answer, "", "assistant")
        room.fact(Caption("assistant", answer, f"Answer {answer}.", True))
    for turn in ("u2", "u1"):
        room.fact(Transcribed(turn, f"Words of {turn}."))
        room.fact(Caption("user", turn, f"Words of {turn}.", True))
    assert room.lines() == ["u1", "a1", "u2", "a2"]
    texts = [known.text for known in room.record.items() if known.role == "user"]
    assert texts == ["Words of u1.", "Words of u2."]

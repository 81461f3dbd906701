"""Final lines wait for the journal: not for ever, and without end while the room is in doubt."""

from __future__ import annotations

import pytest

from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.room.actions import Event
from openai_link.room.guard import REASON, WORDS
from openai_link.room.ownership import STALE
from openai_link.room.unwritten import MAX_WAITING, SHOWN_AFTER_NS, UnwrittenEvents
from tests.openai_link.room.world import Scene, World, say, until

ONE, TWO, THREE = ({"item": name, "final": True} for name in ("one", "two", "three"))
TIMEOUT_NS = 5 * S_NS


def interim(*events: Event) -> list[Event]:
    """They as they are shown meanwhile."""
    return [{**event, "final": False} for event in events]


@pytest.fixture
def events() -> UnwrittenEvents:
    return UnwrittenEvents(TIMEOUT_NS)


def test_each_is_told_once_it_is_written(events: UnwrittenEvents) -> None:
    first, _ = events.wait(ONE, 0)
    second, _ = events.wait(TWO, S_NS)
    assert events.next_timeout_ns() == SHOWN_AFTER_NS and events.tick(SHOWN_AFTER_NS - 1) == []
    assert events.tick(SHOWN_AFTER_NS) == interim(ONE)
    assert events.next_timeout_ns() == S_NS + SHOWN_AFTER_NS
    assert events.tick(S_NS + SHOWN_AFTER_NS) == interim(TWO)
    assert events.next_timeout_ns() == TIMEOUT_NS and events.tick(TIMEOUT_NS - 1) == []
    assert events.written(first) == [ONE] and events.written(first) == []
    assert events.next_timeout_ns() == S_NS + TIMEOUT_NS
    assert events.written(second) == [TWO] and events.next_timeout_ns() is None


def test_after_one_that_waited_too_long_nobody_waits_until_something_is_written(
    events: UnwrittenEvents,
) -> None:
    events.wait(ONE, 0)
    events.wait(TWO, S_NS)
    assert events.tick(TIMEOUT_NS) == [ONE, TWO], "the journal writes in order"
    ticket, told = events.wait(THREE, TIMEOUT_NS)
    assert told == [THREE] and events.written(ticket) == []
    assert events.wait(ONE, TIMEOUT_NS)[1] == [], "it is written again"


def test_of_too_many_the_oldest_are_told(events: UnwrittenEvents) -> None:
    told = [events.wait({"item": str(number)}, 0)[1] for number in range(MAX_WAITING + 1)]
    assert told == [*([[]] * MAX_WAITING), [{"item": "0"}]]


def test_while_it_is_held_only_what_is_written_is_told(events: UnwrittenEvents) -> None:
    ticket, _ = events.wait(ONE, 0)
    events.wait(TWO, 0)
    events.hold()
    assert events.tick(98 * S_NS) == interim(ONE, TWO)
    assert events.next_timeout_ns() is None and events.tick(99 * S_NS) == []
    assert events.written(ticket) == [ONE]
    assert events.wait(THREE, 99 * S_NS)[1] == []
    events.release(100 * S_NS)
    assert events.tick(100 * S_NS) == interim(THREE)
    assert events.next_timeout_ns() == 100 * S_NS + TIMEOUT_NS
    assert events.tick(100 * S_NS + TIMEOUT_NS) == [TWO, THREE]


def test_what_was_late_waits_again_where_it_is_held(events: UnwrittenEvents) -> None:
    events.wait(ONE, 0)
    events.tick(TIMEOUT_NS)
    events.hold()
    assert events.wait(TWO, TIMEOUT_NS)[1] == []


def unwritten() -> World:
    """A room whose journal does not answer, with lines that wait for it."""
    room = World(Scene("typed", (say("hello"),)))
    room.journal.never_answers = True
    room.run(3_000)
    assert not room.final_captions()
    return room


def test_a_fenced_room_tells_nothing_that_is_not_written_and_goes_on_when_it_is_granted() -> None:
    room = unwritten()
    room.do(room.engine.suspend(REASON, WORDS, room.now_ns))
    room.run(60_000)
    assert not room.final_captions(), "another machine may have the room, and not know the words"
    room.do(room.engine.resume(REASON, room.now_ns))
    room.run(TIMEOUT_NS // MS_NS + 100)
    assert "hello" in room.final_captions().values()


def test_what_another_machine_does_not_know_is_told_nobody() -> None:
    room = unwritten()
    room.do(room.engine.suspend(STALE, WORDS, room.now_ns, for_good=True))
    for ticket in range(1, 50):  # Whoever waits for a journal that has ended is answered.
        room.do(room.engine.journal_written(ticket, room.now_ns))
    room.run(60_000)
    assert not room.final_captions()


def test_a_reply_that_ends_because_another_machine_has_the_room_is_no_final_line() -> None:
    room = World(Scene("story", (say("tell me a long story"), until("speaking", 8_000))))
    room.run(2_500)
    told = room.final_captions()
    room.do(room.engine.suspend(STALE, WORDS, room.now_ns, for_good=True))
    for ticket in range(1, 50):  # Whoever waits for a journal that has ended is answered.
        room.do(room.engine.journal_written(ticket, room.now_ns))
    room.run(1_000)
    assert room.assistant != "speaking" and room.final_captions() == told


def test_what_the_journal_keeps_waiting_is_shown_soon_though_not_as_final() -> None:
    room = World(Scene("typed", (say("hello"),)))
    room.journal.never_answers = True
    room.run(1_500)
    shown = [event for event in room.of("caption") if not event["final"]]
    assert {"hello", "You said: hello"} <= {event["text"] for event in shown}
    assert not room.final_captions()
    written = World(Scene("typed", (say("hello"),)))
    written.run(1_500)
    assert [event["text"] for event in written.of("caption") if not event["final"]] == ["You"]

"""The room's record: order, speakers, truncation, tools, and nothing twice after a reconnect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.pcm import FRAME_NS
from mixer_core.journal.records import (
    ClosedRecord,
    HistoryItem,
    ItemRecord,
    Record,
    RemovedRecord,
    SessionRecord,
)
from openai_link.facts import (
    Caption,
    Fact,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemTruncated,
    ResponseStarted,
    SessionConfirmed,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    Transcribed,
    TurnCommitted,
)
from openai_link.realtime.client_events import ClientEvents
from openai_link.transcript.history import SeedLimits, seed_events
from openai_link.transcript.item_order import GAP, ItemOrder
from openai_link.transcript.kept_items import MAX_ITEMS
from openai_link.transcript.speech_timeline import SpeechTimeline
from openai_link.transcript.transcript import Transcript

S = 1_000_000_000
WALL = 1_790_000_000_000


def test_halves_of_characters_never_reach_the_record() -> None:
    transcript = Transcript("home")
    transcript.people({"p-1": "A\ud83d"})
    assert transcript.names() == {"p-1": "A\ufffd"}
    records = transcript.on_fact(written("i1", "a \ud83d\ude00 and \ud83d"), 0, WALL)
    texts = [record.item.text for record in records if isinstance(record, ItemRecord)]
    assert texts[-1] == "a 😀 and \ufffd"


def spoken(item: str, previous: str = "", transcript: str | None = None) -> ItemAdded:
    part = {"type": "input_audio", "transcript": transcript}
    return ItemAdded(item, previous, _message(item, "user", part, "completed"))


def written(item: str, text: str, previous: str = "") -> ItemAdded:
    part = {"type": "input_text", "text": text}
    return ItemAdded(item, previous, _message(item, "user", part, "completed"))


def reply(item: str, previous: str = "") -> ItemAdded:
    return ItemAdded(item, previous, _message(item, "assistant", None, "in_progress"))


def replied(item: str, text: str, status: str = "completed") -> ItemDone:
    part = {"type": "output_audio", "transcript": text}
    return ItemDone(item, _message(item, "assistant", part, status))


def _message(item: str, role: str, part: dict[str, Any] | None, status: str) -> dict[str, Any]:
    content = [] if part is None else [part]
    return {"id": item, "type": "message", "role": role, "status": status, "content": content}


def called(item: str, call: str, previous: str = "") -> list[Fact]:
    content = {"id": item, "type": "function_call", "call_id": call, "name": "get_time"}
    return [
        ItemAdded(item, previous, content | {"arguments": "", "status": "in_progress"}),
        ToolCalled("resp", item, call, "get_time", '{"zone": "CET"}'),
        ItemDone(item, content | {"arguments": '{"zone": "CET"}', "status": "completed"}),
    ]


class Room:
    """A transcript and, as the journal would have it, the last state of each item."""

    def __init__(self, transcript: Transcript | None = None) -> None:
        self.timeline = SpeechTimeline()
        self.transcript = transcript or Transcript("home", self.timeline)
        self.transcript.people({"p-1": "Anna", "p-2": "Ben"})
        self.kept: dict[str, HistoryItem] = {}
        self.slots = 0

    def feed(self, facts: Iterable[Fact], now_ns: int = 0) -> list[Record]:
        records: list[Record] = []
        for fact in facts:
            records += self.keep(self.transcript.on_fact(fact, now_ns, WALL))
        return records

    def speak(self, frames: int, now_ns: int, **voices: int) -> None:
        """People speak from ``now_ns`` on: how loud each is in dBFS."""
        for n in range(frames):
            slot = self.slots = self.slots + 1
            self.timeline.heard(slot, now_ns + n * FRAME_NS)
            heard = {who.replace("_", "-"): [1, 1, level] for who, level in voices.items()}
            assert self.timeline.report({"slot": slot, "count": 1, "voices": heard})

    def keep(self, records: list[Record]) -> list[Record]:
        for record in records:
            if isinstance(record, ItemRecord):
                self.kept[record.item.item] = record.item
            elif isinstance(record, RemovedRecord):
                self.kept.pop(record.item, None)
        return records

    def texts(self) -> list[str]:
        items = self.transcript.items()
        assert sorted(self.kept.values(), key=lambda item: item.position) == items
        return [item.text or item.output for item in items]


def test_a_spoken_turn_has_its_speaker_and_its_late_transcript() -> None:
    room = Room()
    room.feed([SpeechStarted("u1")], 10 * S)
    room.speak(50, 10 * S, p_2=-20, p_1=-45)
    room.feed([SpeechStopped("u1"), TurnCommitted("u1"), spoken("u1")], 12 * S)
    room.feed([ResponseStarted("r1"), reply("a1", "u1"), replied("a1", "Hello Ben.")], 12 * S)
    room.feed([Transcribed("u1", " Hello. ")], 13 * S)
    first, second = room.transcript.items()
    assert (first.name, first.participant, first.text, first.final) == (
        "Ben",
        "p-2",
        "Hello.",
        True,
    )
    assert first.wall_ms == WALL - 2_400, "the time at which the turn began"
    assert (second.role, second.text, second.final) == ("assistant", "Hello Ben.", True)
    assert room.transcript.response_shares("r1") == [("p-2", 1.0)]
    assert room.transcript.speaker("u1") == ("p-2", "Ben")
    room.texts()


def test_two_people_at_once_are_both_named() -> None:
    room = Room()
    room.feed([SpeechStarted("u1")], S)
    room.speak(50, S, p_1=-20, p_2=-22)
    room.feed([SpeechStopped("u1"), TurnCommitted("u1"), spoken("u1")], 2 * S)
    assert room.transcript.items()[0].name == "Anna, Ben"


def test_a_transcript_may_come_before_its_item() -> None:
    room = Room()
    room.feed([Transcribed("u1", "early"), spoken("u1")])
    assert room.texts() == ["early"]


def test_a_transcript_that_failed_or_is_empty_ends_the_item() -> None:
    room = Room()
    room.feed([spoken("u1"), Transcribed("u1", "", failure="it broke")])
    room.feed([spoken("u2", "u1"), Transcribed("u2", "")])
    first, second = room.transcript.items()
    assert (first.text, first.failure, first.final) == ("", "it broke", True)
    assert (second.text, second.failure, second.final) == ("", "", True)


def test_written_text_has_its_writer() -> None:
    for event_id, item in (("mm_1", "mm_1"), ("mm_1", "item_of_the_server")):
        room = Room()
        room.transcript.said(event_id, "p-1", "Anna", "Hi", WALL - 5)
        room.feed([written(item, "Hi"), ResponseStarted("r1")])
        (only,) = room.transcript.items()
        assert (only.name, only.text, only.wall_ms, only.final) == ("Anna", "Hi", WALL - 5, True)
        assert room.transcript.response_shares("r1") == [("p-1", 1.0)]


def test_an_interrupted_reply_ends_where_it_was_heard() -> None:
    room = Room()
    room.feed([reply("a1"), ItemTruncated("a1", 900)])
    room.keep(room.transcript.heard("a1", "One two", 700, WALL))
    room.feed([replied("a1", "One two three four.", "incomplete"), ItemTruncated("a1", 900)])
    (only,) = room.transcript.items()
    assert (only.text, only.heard_ms, only.final) == ("One two", 700, True)
    room.feed([Caption("assistant", "a1", "One two three", True)])
    assert room.texts() == ["One two"]
    room.keep(room.transcript.heard("a1", "One two three", 800, WALL))
    assert room.transcript.items()[0].heard_ms == 800, "a later report replaces it"
    assert room.texts() == ["One two three"]


def test_an_interrupted_reply_without_words_has_those_of_its_caption() -> None:
    room = Room()
    room.feed([reply("a1"), Caption("assistant", "a1", "One tw", True)])
    room.feed([replied("a1", "", "incomplete")])
    assert room.texts() == ["One tw"]


def test_a_tool_keeps_its_first_result_and_a_broken_off_call_is_not_pending() -> None:
    room = Room()
    room.feed(called("f1", "call_1"))
    (item,) = room.transcript.items()
    assert item.pending and (item.tool, item.arguments) == ("get_time", '{"zone": "CET"}')
    room.keep(room.transcript.tool_result("call_1", "noon", True, WALL))
    assert room.transcript.tool_result("call_1", "late", False, WALL) == []
    output = {"type": "function_call_output", "call_id": "call_1", "output": "noon"}
    assert room.feed([ItemAdded("o1", "f1", output), ItemDone("o1", output)]) == []
    broken = {"type": "function_call", "call_id": "call_2", "name": "x", "status": "incomplete"}
    room.feed([ItemAdded("f2", "f1", broken | {"status": "in_progress"}), ItemDone("f2", broken)])
    assert [item.pending for item in room.transcript.items()] == [False, False]
    assert room.texts()[0] == "noon"


def test_what_a_new_session_is_told_does_not_appear_twice() -> None:
    room = Room()
    room.feed([SessionConfirmed("sess_1", False), written("u1", "Hi"), reply("a1", "u1")])
    room.feed([replied("a1", "Hello."), *called("f1", "call_1", "a1")])
    room.keep(room.transcript.tool_result("call_1", "noon", True, WALL))
    before = room.transcript.items()
    seed = seed_events(before, ClientEvents("c2"), SeedLimits())
    assert len(seed.events) == 4
    room.transcript.seeded(seed.new_ids, seed.ignored)
    records = room.feed([SessionConfirmed("sess_2", False)])
    assert records == [SessionRecord("sess_2", True, WALL)]
    previous = ""
    for event in seed.events:
        item = event["item"]
        added = ItemAdded(item["id"], previous, item | {"status": "completed"})
        assert room.feed([added, ItemDone(item["id"], item)]) == []
        previous = item["id"]
    assert room.transcript.items() == before
    room.feed([written("u2", "More", previous)])
    assert room.texts() == ["Hi", "Hello.", "noon", "More"]
    room.feed([ItemDeleted(seed.new_ids["u1"])])
    assert room.texts() == ["Hello.", "noon", "More"]


def test_what_the_old_session_heard_last_stays_before_the_new_one() -> None:
    room = Room()
    room.feed([written("u1", "one")])
    seed = seed_events(room.transcript.items(), ClientEvents("c2"), SeedLimits())
    room.transcript.seeded(seed.new_ids, seed.ignored)
    room.feed([written("u2", "two, in the old session", "u1")])
    room.feed([written("u3", "three, in the new one", seed.new_ids["u1"])])
    assert room.texts() == ["one", "two, in the old session", "three, in the new one"]


def test_a_recovered_conversation_goes_on_behind_what_was() -> None:
    room = Room()
    room.feed([written("u1", "Hi"), *called("f1", "call_1", "u1")])
    again = Room(Transcript("home", recovered=list(room.kept.values())))
    again.kept = dict(room.kept)
    again.feed([reply("a1"), replied("a1", "Hello.")])
    again.keep(again.transcript.tool_result("call_1", "noon", True, WALL))
    assert again.texts() == ["Hi", "noon", "Hello."]


def test_sessions_and_the_end_are_told() -> None:
    transcript = Transcript("home")
    assert transcript.on_fact(SessionConfirmed("s", False), 0, 1) == [SessionRecord("s", True, 1)]
    assert transcript.on_fact(SessionConfirmed("s", True), 0, 2) == []
    ended = transcript.session("ended", "s", "rollover", 3)
    assert ended == [SessionRecord("s", False, 3, "rollover")]
    assert transcript.closed("empty", 4) == [ClosedRecord(4, "empty")]


def test_a_long_conversation_is_bounded_in_memory() -> None:
    room = Room()
    for number in range(MAX_ITEMS + 10):
        room.feed([written(f"u{number}", str(number))])
    items = room.transcript.items()
    assert (len(items), items[0].text) == (MAX_ITEMS, "10")


def _turn(number: int) -> list[Fact]:
    user, answer = f"u{number}", f"a{number}"
    before = f"a{number - 1}" if number else ""
    return [spoken(user, before), reply(answer, user), replied(answer, f"answer {number}")]


@given(st.integers(1, 8), st.randoms(use_true_random=False))
def test_transcripts_at_any_time_never_change_the_order(turns: int, chance: Any) -> None:
    room = Room()
    facts = [fact for number in range(turns) for fact in _turn(number)]
    for number in range(turns):
        fact = Transcribed(f"u{number}", f"question {number}")
        facts.insert(chance.randint(0, len(facts)), fact)
    room.feed(facts)
    wanted = [text for n in range(turns) for text in (f"question {n}", f"answer {n}")]
    assert room.texts() == wanted
    assert all(item.final for item in room.transcript.items())


@given(st.lists(st.integers(0, 30), max_size=60))
def test_items_follow_the_one_they_are_added_behind(behind: list[int]) -> None:
    room, wanted = Room(), ["first"]
    room.feed([written("first", "first")])
    for number, choice in enumerate(behind):
        previous = wanted[choice % len(wanted)]
        name = f"u{number}"
        room.feed([written(name, name, previous)])
        wanted.insert(wanted.index(previous) + 1, name)
    assert room.texts() == wanted


def test_places_are_renumbered_where_there_is_no_room() -> None:
    placing = ItemOrder()
    placing.insert("a", "")
    placing.insert("z", "a")
    moved = 0
    for number in range(40):
        moved = max(moved, len(placing.insert(f"n{number}", "a")))
    assert moved > 1
    assert placing.order[:2] == ["a", "n39"] and placing.order[-1] == "z"
    assert GAP > 1

"""A room that is recorded: what is told, noted and done, in virtual time."""

from __future__ import annotations

from typing import Any

from mixer_core.journal.records import ItemRecord
from openai_link.recording.consent import LEAD_NS
from openai_link.room.actions import (
    Action,
    BeginRecording,
    EndRecording,
    PlayTone,
    TellBrowsers,
    WriteJournal,
)
from tests.openai_link.room.test_rule_changes import change
from tests.openai_link.room.world import Scene, World, wait


class Recorded:
    """A room with Ada and Ben, as an admin and a guest."""

    def __init__(self, allowed: bool = True) -> None:
        self.world = World(Scene("recorded", (wait(500),)))
        for _ in self.world.steps():
            pass
        change(self.world, recording=allowed)
        self.world.roster("p-1", "p-2")
        self.now_ns = self.world.now_ns

    def say(self, on: bool, name: str = "Ada", stream: int = 7) -> list[Action]:
        event: dict[str, Any] = {"type": "record", "on": on, "name": name, "stream": stream}
        return self.world.engine.browser_event({**event, "participant": "p-1"}, self.now_ns)

    def begun(self) -> list[Action]:
        self.say(True)
        self.now_ns += LEAD_NS
        return self.world.engine.tick(self.now_ns)


def states(actions: list[Action]) -> list[str]:
    told = [a.event for a in actions if isinstance(a, TellBrowsers) and a.event["type"] == "state"]
    return [str(event["recording"]["phase"]) for event in told]


def notes(actions: list[Action]) -> list[str]:
    records = [r for a in actions if isinstance(a, WriteJournal) for r in a.records]
    return [r.item.text for r in records if isinstance(r, ItemRecord)]


def test_its_begin_is_told_heard_and_noted() -> None:
    room = Recorded()
    asked = room.say(True)
    assert states(asked) == ["soon"] and PlayTone(True) in asked and not notes(asked)
    assert room.world.engine.next_timeout_ns() is not None
    room.now_ns += LEAD_NS
    begun = room.world.engine.tick(room.now_ns)
    assert BeginRecording("Ada") in begun and states(begun)[-1] == "on"
    assert notes(begun) == ["Ada records this room."]
    assert room.world.engine.keeps("p-2", room.now_ns) and not room.world.engine.keeps("p-9", 0)


def test_an_objection_ends_it_and_is_noted() -> None:
    room = Recorded()
    room.begun()
    ended = room.say(False, "Ben")
    assert EndRecording("Ben has ended the recording") in ended and PlayTone(False) in ended
    assert states(ended) == ["off"]
    assert notes(ended) == ["The recording has ended: Ben has ended the recording."]
    assert not room.world.engine.keeps("p-1", room.now_ns)


def test_everybody_is_told_whose_voice_it_has_no_room_for() -> None:
    room = Recorded()
    room.begun()
    (told,) = [
        action
        for action in room.world.engine.left_out_of_recording("Zoe", room.now_ns)
        if isinstance(action, TellBrowsers)
    ]
    assert told.event["code"] == "recording_full" and "Zoe" in told.event["message"]
    assert not told.addressee


def test_where_it_is_not_allowed_only_the_asker_is_told() -> None:
    room = Recorded(allowed=False)
    (told,) = room.say(True)
    assert isinstance(told, TellBrowsers) and told.addressee == 7
    assert told.event["code"] == "not_recorded"


def test_it_ends_with_the_rule_the_people_and_the_process() -> None:
    for end in ("rule", "people", "process", "disk"):
        room = Recorded()
        room.begun()
        engine, now_ns = room.world.engine, room.now_ns
        if end == "rule":
            done: list[Action] = []
            room.world.do = done.extend  # type: ignore[method-assign]
            change(room.world, recording=False)
        elif end == "people":
            done = engine.roster({"type": "participants", "participants": []}, now_ns)
        elif end == "process":
            done = engine.stop(now_ns)
        else:
            done = engine.end_recording("it cannot be written: the disk is full", now_ns)
        assert any(isinstance(action, EndRecording) for action in done), end
        assert any("The recording has ended" in note for note in notes(done)), end


def test_a_recording_that_a_killed_process_left_is_told_and_noted() -> None:
    room = Recorded()
    told = room.world.engine.recording_left("the room's process ended", room.now_ns)
    assert notes(told) == ["The recording has ended: the room's process ended."]
    assert states(told) == ["off"] and PlayTone(False) in told
    (state,) = [a.event for a in told if isinstance(a, TellBrowsers) and a.event["type"] == "state"]
    assert state["recording"]["words"] == "the room's process ended"


def test_it_does_not_end_one_that_has_begun_since() -> None:
    room = Recorded()
    room.begun()
    told = room.world.engine.recording_left("the room's process ended", room.now_ns)
    assert notes(told) and not any(isinstance(a, EndRecording | PlayTone) for a in told)
    assert room.world.engine.keeps("p-2", room.now_ns)

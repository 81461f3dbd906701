"""Who is answered: the address rule in a room, in virtual time, with the simulator's server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mixer_core.runtime.room_rules import Address, RoomRules
from openai_link.facts import (
    Caption,
    PlaybackEnded,
    PlaybackStarted,
    SpeechStarted,
    TurnCommitted,
)
from openai_link.room.address_desk import NO_WORDS, NOT_TRANSCRIBED, AddressDesk
from openai_link.room.record import RoomRecord
from openai_link.room.signals import AnswerTurn
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.engine.brain import Recognition
from tests.openai_link.room.hostile import HostileWorld
from tests.openai_link.room.hostility import Rule
from tests.openai_link.room.world import (
    MS_PER_CHARACTER,
    Scene,
    Step,
    World,
    say,
    speak,
    until,
    wait,
)

ADA, BEN = "p-1", "p-2"
BOTH = Step("join", "p-1,p-2")
ANSWERED = (until("speaking", 4_000), until("idle", 20_000))
ENDS = ("added", "done", "input_audio_transcription.completed")
"""Events of an item."""
CALL, TALK = "Nova, tell us the time.", "We should eat soon."


def rules(address: Address, **more: Any) -> RoomRules:
    return RoomRules(address=address, address_names=("Nova",), **more)


def hold(*steps: Step, heard: Sequence[str], address: Address = "addressed", **more: Any) -> World:
    scene = Scene("address", (BOTH, wait(300), *steps), tuple(heard), says=rules(address), **more)
    world = World(scene)
    world.finish()
    return world


def answers(world: World) -> list[str]:
    """What the assistant has said."""
    return [item.text for item in world.journal.items().values() if item.role == "assistant"]


def spoken(world: World) -> list[str]:
    return [item.text for item in world.journal.items().values() if item.role == "user"]


def created(world: World) -> int:
    return sum(event["type"] == "response.create" for event in world.sent)


def test_only_a_turn_with_the_name_has_an_answer_and_costs_one() -> None:
    world = hold(
        *(speak(800, ADA), wait(2_500), speak(800, BEN), *ANSWERED, speak(800, BEN), wait(4_000)),
        heard=(TALK, CALL, TALK),
    )
    assert spoken(world) == [TALK, CALL, TALK]
    assert answers(world) == [f"You said: {CALL}"]
    assert len(world.responses) == created(world) == 1
    names = [item.name for item in world.journal.items().values() if item.role == "user"]
    assert names == ["Ada", "Ben", "Ben"]
    assert world.state["address"] == "addressed"


def test_whoever_is_alone_is_answered_without_a_name() -> None:
    scene = Scene(
        "alone", (wait(300), speak(800, ADA), *ANSWERED), (TALK,), says=rules("addressed")
    )
    world = World(scene)
    world.finish()
    assert answers(world) == [f"You said: {TALK}"]


def test_typed_words_are_always_for_the_assistant() -> None:
    world = hold(say("What time is it?"), *ANSWERED, heard=())
    assert answers(world) == ["You said: What time is it?"]


def test_a_room_that_is_open_answers_what_follows_a_reply() -> None:
    world = hold(
        *(speak(800, ADA), *ANSWERED, wait(1_000), speak(800, BEN), *ANSWERED),
        *(wait(12_000), speak(800, BEN), wait(4_000)),
        heard=(CALL, TALK, "Never mind."),
        address="open",
    )
    assert len(answers(world)) == 2


def test_a_reply_that_ended_with_its_session_leaves_no_room_open() -> None:
    world = hold(
        *(speak(800, ADA), until("speaking", 4_000), wait(400)),
        *(Step("refuse", "65000"), Step("lose"), wait(100_000)),
        *(speak(800, BEN), wait(4_000)),
        heard=(CALL, TALK),
        address="open",
    )
    assert world.opened > 1 and TALK in spoken(world)
    assert created(world) == 1, "nobody waits for the first answer any more, and none is wanted"


@pytest.mark.parametrize("name", ["🤖", "..."])
def test_a_name_that_nobody_can_say_is_none(name: str) -> None:
    says = RoomRules(address="addressed", persona=name)
    called = "Assistant, what time is it?"
    steps = (BOTH, wait(300), speak(800, ADA), *ANSWERED)
    world = World(Scene("unsayable", steps, (called,), says=says))
    world.finish()
    assert answers(world) == [f"You said: {called}"]


def test_a_rule_is_changed_while_the_room_runs_and_the_server_follows() -> None:
    world = hold(speak(800, ADA), wait(3_000), heard=(TALK, TALK, TALK, CALL))
    assert answers(world) == []
    choose(world, "always")
    more(world, speak(800, BEN), *ANSWERED)
    assert answers(world) == [f"You said: {TALK}"]
    assert created(world) == 0, "the server answers by itself"
    choose(world, "addressed")
    more(world, speak(800, BEN), wait(3_000), speak(800, BEN), *ANSWERED)
    assert len(answers(world)) == 2
    assert created(world) == 1
    assert [event["address"] for event in world.of("state")][-1] == "addressed"


def test_push_to_talk_may_be_chosen_and_given_up() -> None:
    press, release = Step("press"), Step("release")
    world = hold(heard=(CALL, TALK, TALK), address="always")
    choose(world, "push_to_talk")
    more(world, speak(800, BEN), wait(3_000))
    assert spoken(world) == [], "nothing is heard"
    more(world, press, speak(800, ADA), wait(800), release, *ANSWERED)
    assert answers(world) == [f"You said: {CALL}"]
    choose(world, "always")
    more(world, speak(800, BEN), *ANSWERED)
    assert len(answers(world)) == 2


def test_nobody_waits_for_an_answer_to_what_was_being_said_when_a_button_decides() -> None:
    world = World(Scene("button", (BOTH, wait(300), speak(3_000, ADA)), (TALK,)))
    world.run(1_500)
    assert world.assistant == "listening"
    choose(world, "push_to_talk")
    assert world.assistant == "idle"
    world.run(60_000)
    assert created(world) == 0 and answers(world) == []


def test_words_that_do_not_come_are_told_once_and_cost_nothing() -> None:
    world = hold(
        *(speak(800, ADA), wait(8_000), speak(800, ADA), wait(8_000)),
        *(speak(800, ADA), *ANSWERED, speak(800, ADA), wait(3_000)),
        heard=(),
        words=tuple(Recognition(CALL, kind) for kind in ("failed", "empty", "normal", "failed")),
    )
    told = [event["message"] for event in world.of("error")]
    assert told.count(NO_WORDS) == 2
    assert len(world.responses) == 1


def test_a_late_transcript_still_has_its_answer() -> None:
    world = hold(speak(800, ADA), wait(5_000), heard=(), words=(Recognition(CALL, "late"),))
    assert answers(world) == [f"You said: {CALL}"]


def test_a_stop_reaches_the_turn_whose_words_are_still_to_come() -> None:
    world = hold(
        *(speak(800, ADA), wait(900), Step("interrupt"), wait(6_000)),
        heard=(),
        words=(Recognition(CALL, delay_ms=1_500),),
    )
    assert spoken(world) == [CALL]
    assert created(world) == 0 and world.of("error") == []


def test_of_a_turn_that_is_deleted_nobody_is_told_that_its_words_are_missing() -> None:
    scene = Scene(
        "deleted",
        (BOTH, wait(300), speak(800, ADA), wait(900)),
        says=rules("addressed"),
        words=(Recognition(CALL, delay_ms=1_500),),
    )
    world = World(scene)
    world.run(2_000)
    assert spoken(world) == [""]
    world.do(world.engine.forget("Ada", world.now_ns))
    world.run(8_000)
    assert world.of("error") == [] and created(world) == 0


def test_nobody_is_answered_in_the_middle_of_the_next_sentence() -> None:
    world = hold(
        *(speak(800, ADA), wait(700), speak(3_000, BEN), *ANSWERED),
        heard=(),
        words=(Recognition(CALL, delay_ms=1_000), Recognition(TALK)),
    )
    asked_ns = next(
        at for at, event in world.told if event.get("assistant") in ("thinking", "speaking")
    )
    assert asked_ns > 4_800_000_000, "Ben has finished"
    assert len(answers(world)) == 1


def test_one_answer_is_to_all_that_was_said_when_it_was_asked_for() -> None:
    both = "And Nova, the weather?"
    world = hold(
        *(speak(800, ADA), wait(700), speak(3_000, BEN), *ANSWERED, Step("lose"), wait(9_000)),
        heard=(),
        words=(Recognition(CALL, delay_ms=1_000), Recognition(both, delay_ms=600)),
    )
    assert spoken(world) == [CALL, both]
    assert created(world) == len(answers(world)) == 1 and world.opened == 2


def test_a_cough_that_becomes_no_turn_keeps_nobody_from_an_answer() -> None:
    """The second turn begins and ends, and is not committed."""
    words = (Recognition(CALL, delay_ms=400), Recognition("Hm."))
    scene = Scene(
        "cough",
        (BOTH, wait(300), speak(800, ADA), wait(700), speak(1_200, BEN), *ANSWERED),
        says=rules("addressed"),
        words=words,
        settings={"tell_speakers": False},
    )
    second = ("input_audio_buffer.committed", *(f"conversation.item.{e}" for e in ENDS))
    world = HostileWorld(scene, [Rule("drop", kind, skip=1, times=1) for kind in second])
    world.finish()
    assert created(world) == 1 and len(answers(world)) == 1


COMMITTED = "input_audio_buffer.committed"


@pytest.mark.parametrize(
    "hostility",
    [
        (Rule("drop", COMMITTED),),
        (Rule("delay", COMMITTED, delay_ms=1_500),),
        (Rule("drop", COMMITTED), Rule("drop", "conversation.item.added")),
        tuple(
            Rule("drop", kind)
            for kind in (COMMITTED, *(f"conversation.item.{e}" for e in ENDS[:2]))
        ),
        (Rule("drop", "input_audio_buffer.speech_stopped"), Rule("drop", COMMITTED)),
    ],
    ids=str,
)
def test_who_is_meant_does_not_depend_on_one_order_of_events(hostility: tuple[Rule, ...]) -> None:
    """None of the events has to come, and none before another one."""
    scene = Scene(
        "order",
        (BOTH, wait(300), speak(800, ADA), wait(16_000), speak(800, BEN), wait(16_000)),
        heard=(TALK, CALL),
        says=rules("addressed"),
        settings={"tell_speakers": False},
    )
    world = HostileWorld(scene, hostility)
    world.finish()
    assert (created(world), answers(world)) == (1, [f"You said: {CALL}"])


def test_an_answer_that_is_owed_survives_the_session() -> None:
    world = hold(
        *(speak(800, ADA), wait(1_200), Step("lose"), *ANSWERED),
        heard=(),
        words=(Recognition(CALL, delay_ms=300),),
    )
    assert len(answers(world)) >= 1
    world = hold(speak(800, ADA), wait(700), Step("lose"), wait(9_000), heard=(TALK, TALK))
    assert answers(world) == [], "nobody asked"


def test_the_rule_survives_a_rollover() -> None:
    world = hold(
        *(wait(9_000), speak(800, BEN), wait(3_000), speak(800, BEN), *ANSWERED),
        heard=(TALK, CALL),
        session_limit_s=10,
    )
    assert world.opened > 1
    assert answers(world) == [f"You said: {CALL}"]


@pytest.mark.parametrize(("address", "people"), [("addressed", ()), ("open", (BOTH,))])
@pytest.mark.parametrize("ms", [5_000, 3_400])
def test_of_a_speech_that_a_rollover_divides_both_halves_have_one_answer(
    address: Address, people: tuple[Step, ...], ms: int
) -> None:
    """The longer one goes on after the room has moved at 17 s, the other one has just ended."""
    scene = Scene(
        "divided",
        (*people, wait(300), say("hello"), *ANSWERED),
        heard=("A very long speech.", "Its end."),
        says=rules(address, address_open_s=60),
        session_limit_s=20,
        options={"transcription_delay_ms": 800},
    )
    world = World(scene)
    world.finish()
    world.run(13_500 - world.now_ns // 1_000_000)
    more(world, speak(ms, ADA), *ANSWERED, wait(1_000))
    assert world.opened == 2 and world.assistant == "idle"
    assert len(answers(world)) == len(world.responses) == created(world) == 2
    assert all(answers(world)), "none was begun in the middle of the speech"


def test_without_a_transcription_a_rule_of_names_is_refused_in_words() -> None:
    world = hold(heard=(), address="always", settings={"transcription_model": ""})
    choose(world, "addressed")
    world.run(500)
    assert world.state["address"] == "always"
    assert [event["message"] for event in world.of("error")] == [NOT_TRANSCRIBED]


def test_with_a_button_in_the_settings_the_button_decides() -> None:
    world = hold(
        *(Step("press"), speak(800, ADA), wait(800), Step("release"), *ANSWERED),
        heard=(TALK,),
        settings={"turn_detection": "push_to_talk"},
    )
    assert answers(world) == [f"You said: {TALK}"]
    assert world.state["address"] == "push_to_talk"


@pytest.mark.parametrize("address", ["addressed", "open"])
def test_the_server_never_speaks_up_by_itself(address: Address) -> None:
    world = hold(
        speak(800, ADA),
        wait(20_000),
        heard=(TALK,),
        address=address,
        settings={"idle_timeout_ms": 5_000},
    )
    assert world.responses == []


def test_the_end_of_a_reply_in_the_session_before_does_not_end_that_of_the_new_one() -> None:
    settings = OpenaiLinkSettings(transcription_model="any")
    desk = AddressDesk(rules("addressed"), settings, RoomRecord("den", settings, str))
    desk.people({ADA: "Ada", BEN: "Ben"})
    for session, fact in (
        (1, PlaybackStarted("old")),
        (2, PlaybackStarted("new")),
        (1, PlaybackEnded("old", cleared=True)),
        (2, Caption("assistant", "item", "Tea or coffee?", final=True)),
        (2, PlaybackEnded("new", cleared=False)),
        (2, SpeechStarted("turn")),
    ):
        desk.on_fact(session, fact, 0)
    assert AnswerTurn("turn") in desk.on_fact(2, TurnCommitted("turn"), 0), "it is asked for"


# -- a server that answers although it was told not to --------------------------------------------

DISOBEDIENT = {"answers_every_turn": True}


def cancelled(world: World) -> int:
    return sum(event["type"] == "response.cancel" for event in world.sent)


@pytest.mark.parametrize("speed", [0.5, 8.0])
@pytest.mark.parametrize(("words_ms", "stopped"), [(0, 2), (400, 3)])
def test_what_nobody_asked_for_is_cancelled_and_neither_heard_nor_kept(
    speed: float, words_ms: int, stopped: int
) -> None:
    """Words that are there before the server begins make its answer the one that is wanted."""
    world = hold(
        *(speak(800, ADA), wait(2_500), speak(800, BEN), *ANSWERED, speak(800, BEN), wait(4_000)),
        heard=(),
        words=tuple(Recognition(words, delay_ms=words_ms) for words in (TALK, CALL, TALK)),
        options={**DISOBEDIENT, "generation_speed": speed},
    )
    assert spoken(world) == [TALK, CALL, TALK]
    assert [text for text in answers(world) if text] == [f"You said: {CALL}"]
    assert (cancelled(world), created(world)) == (stopped, 1)
    assert world.engine.counters()["uninvited_responses_total"] == stopped
    shown = [e["text"] for e in world.of("caption") if e["speaker"] == "assistant"]
    assert not any(TALK in text for text in shown) and not world.of("error")
    assert any("told not to" in text for _, text in world.logs)
    heard_ms = sum(20 for *_, pcm in world.frames if any(pcm))
    assert heard_ms < MS_PER_CHARACTER * len(f"You said: {CALL}") + 300


def test_whoever_is_alone_has_one_answer_of_such_a_server() -> None:
    scene = Scene(
        "alone",
        (wait(300), speak(800, ADA), *ANSWERED, wait(500), speak(800, ADA), *ANSWERED, wait(2_000)),
        (TALK, CALL),
        says=rules("addressed"),
        options=DISOBEDIENT,
    )
    world = World(scene)
    world.finish()
    assert answers(world) == [f"You said: {TALK}", f"You said: {CALL}"]
    assert cancelled(world) == 0


def test_an_answer_that_was_stopped_opens_no_window() -> None:
    world = hold(
        *(speak(800, ADA), wait(3_000), speak(800, BEN), wait(4_000)),
        heard=(TALK, TALK),
        address="open",
        options=DISOBEDIENT,
    )
    assert [text for text in answers(world) if text] == []
    assert created(world) == 0


def test_answers_by_the_button_only_are_kept_too() -> None:
    scene = Scene(
        "button",
        (wait(300), speak(800), wait(1_500), Step("press"), Step("release"), *ANSWERED),
        heard=(TALK,),
        settings={"create_response": False},
        options=DISOBEDIENT,
    )
    world = World(scene)
    world.finish()
    assert [text for text in answers(world) if text] == [f"You said: {TALK}"]
    assert cancelled(world) == 1


def choose(world: World, address: str) -> None:
    """An admin chooses a rule: the mixer tells it with who is there."""
    people = [{"participant": who, "name": name} for who, name in (("p-1", "Ada"), ("p-2", "Ben"))]
    event = {"type": "participants", "participants": people, "address": address}
    world.do(world.engine.roster(event, world.now_ns))


def more(world: World, *steps: Step) -> None:
    world.scene = Scene(**{**vars(world.scene), "steps": (*world.scene.steps, *steps)})
    world.finish()

"""A room goes on at another machine: two engines, the journal between them, in virtual time."""

from __future__ import annotations

from mixer_core.runtime.room_rules import RoomRules
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.room.handover import WORDS_NS
from openai_link.simulator.engine.brain import Recognition
from tests.openai_link.room.world import (
    PAGE_NS,
    PARTICIPANT,
    Scene,
    Step,
    World,
    say,
    speak,
    until,
    wait,
)

LIMIT_NS = 20 * S_NS
TALK = Scene("talk", (say("hello"), until("speaking"), until("idle", 20_000)))


def standby(old: World) -> World:
    """What another machine makes of the journal, as it is now."""
    new = World(Scene("next", ()), list(old.journal.items().values()), standby=True)
    new.run(500)
    assert new.engine.state == "ready" and new.state["upstream"] == "ready"
    return new


def leave(old: World, within_ns: int = LIMIT_NS) -> None:
    old.do(old.engine.yield_room(within_ns, old.now_ns))
    for _ in range(within_ns // (20 * MS_NS) + 2):
        if old.yielded is None:
            old.step()
    assert old.yielded is not None and not old.sessions


def arrive(new: World, old: World) -> None:
    new.do(new.engine.granted(list(old.journal.items().values()), new.now_ns))
    assert old.yielded is not None
    if old.yielded.owed:
        new.do(new.engine.owes_answer(new.now_ns))
    new.roster(PARTICIPANT)


def loud(world: World) -> int:
    """Frames that the page has played in which somebody speaks."""
    played_ns = world.now_ns - PAGE_NS
    return sum(any(pcm) for at_ns, _, _, pcm in world.frames if at_ns <= played_ns)


def texts(world: World) -> list[str]:
    return [item.text for item in sorted(world.journal.items().values(), key=lambda i: i.position)]


def test_the_next_machine_knows_everything_and_nobody_hears_two_voices() -> None:
    old, other = World(TALK), World(TALK)
    for world in (old, other):
        world.finish()
        more = (*world.scene.steps, say("and how are you"), until("speaking"))
        world.scene = Scene("more", more)
        while world.assistant != "speaking":
            world.step()
    new = standby(old)
    leave(old)
    other.finish()
    assert old.assistant != "speaking" and loud(old) == loud(other) > 0, "it was heard to its end"
    assert not new.frames and not new.journal.records, "the next one has waited"
    assert old.yielded is not None and not old.yielded.owed
    assert old.state["upstream"] == "reconnecting" and "another machine" in old.state["detail"]
    arrive(new, old)
    new.ask("what did I say")
    assert new.opened == 1, "the session that was prepared got the room"
    told = [
        e["item"]["content"][0]["text"] for e in new.sent if "item" in e and "content" in e["item"]
    ]
    before = texts(old)
    assert len(before) == 4 and all(sum(t == text for t in told) == 1 for text in before), told
    assert new.final_captions() and not old.sessions
    old.run(5_000)
    assert old.opened == 1 and not old.sessions and not old.exited


def test_an_answer_that_is_cut_off_because_the_time_is_up_is_given_by_the_next_machine() -> None:
    old = World(TALK)
    old.finish()
    new = standby(old)
    old.scene = Scene("more", (*old.scene.steps, say("tell me a long story"), until("speaking")))
    while old.assistant != "speaking":
        old.step()
    leave(old, 400 * MS_NS)
    assert any("the time was up" in text for _, text in old.logs)
    assert old.yielded is not None and old.yielded.owed
    arrive(new, old)
    while new.assistant != "speaking":
        new.step()


def test_a_turn_that_is_over_and_not_answered_is_answered_by_the_next_machine() -> None:
    old = World(TALK)
    old.finish()
    new = standby(old)
    old.browser(type="say", text="hello again")
    leave(old, 0)
    assert old.yielded is not None and old.yielded.owed
    assert texts(old)[-1] == "hello again", "it was left only once it was in the journal"
    arrive(new, old)
    new.run(1_000)
    assert list(new.final_captions().values()) == ["You said: hello again"]


def test_a_turn_that_is_over_and_not_written_down_is_waited_for() -> None:
    """It may be for the assistant, and nobody else will know what was said."""
    call = "Nova, what time is it?"
    rules = RoomRules(address="addressed", address_names=("Nova",))
    words = (Recognition(call, delay_ms=1_500),)
    steps = (Step("join", "p-1,p-2"), wait(300), speak(800, PARTICIPANT), wait(1))
    old = World(Scene("called", steps, says=rules, words=words))
    old.run(1_200)
    leave(old)
    assert texts(old) == [call, f"You said: {call}"]
    assert old.yielded is not None and not old.yielded.owed


def test_words_that_do_not_come_are_not_waited_for_up_to_the_limit() -> None:
    """Some servers write nothing down: the room is left in a pause all the same."""
    words = (Recognition("hello", delay_ms=60_000),)
    steps = (wait(300), speak(800, PARTICIPANT), until("speaking"), until("idle", 20_000))
    old = World(Scene("never", steps, words=words))
    old.finish()
    begin_ns = old.now_ns
    leave(old)
    assert old.now_ns - begin_ns < WORDS_NS + S_NS < LIMIT_NS


def test_who_stays_after_all_goes_on_with_the_conversation() -> None:
    old = World(TALK)
    old.finish()
    leave(old)
    old.do(old.engine.stay(old.now_ns))
    old.run(500)
    assert old.state["upstream"] == "ready" and old.opened == 2
    old.ask("hello")
    waiting = World(TALK)
    waiting.finish()
    waiting.do(waiting.engine.yield_room(LIMIT_NS, waiting.now_ns))
    waiting.do(waiting.engine.stay(waiting.now_ns))
    waiting.run(2_000)
    assert waiting.yielded is None and waiting.opened == 1


def test_a_room_without_a_session_is_left_at_once() -> None:
    old = World(TALK)
    old.finish()
    old.is_cut_off = True
    old.lose_all()
    old.do(old.engine.yield_room(LIMIT_NS, old.now_ns))
    assert old.yielded is not None
    old.run(60_000)
    assert old.opened <= 2 and not old.sessions


def test_a_session_that_waits_may_be_silent_and_is_made_again_if_it_is_lost() -> None:
    old = World(TALK)
    old.finish()
    new = standby(old)
    new.is_cut_off = True
    new.run(10_000)
    assert new.opened == 1 and new.engine.state == "ready"
    new.is_cut_off = False
    new.lose_all()
    new.run(1_000)
    assert new.opened == 2 and new.engine.state == "ready" and not new.frames
    leave(old)
    arrive(new, old)
    new.ask("hello")


def test_the_room_may_come_before_the_session_is_ready() -> None:
    old = World(TALK)
    old.finish()
    new = World(Scene("next", ()), standby=True)
    leave(old)
    arrive(new, old)
    new.run(500)
    new.ask("hello")
    assert new.opened == 1


def test_a_room_that_does_not_come_is_not_waited_for() -> None:
    new = World(Scene("next", ()), standby=True)
    new.run(59_000)
    assert not new.exited
    new.run(2_000)
    assert new.exited and not new.sessions


def test_suspended_for_two_reasons_it_goes_on_when_none_is_left() -> None:
    room = World(TALK)
    room.finish()
    for reason in ("fenced", "other"):
        room.do(room.engine.suspend(reason, "It waits.", room.now_ns))
    room.run(60_000)
    assert not room.sessions and room.opened == 1 and room.state["detail"] == "It waits."
    room.do(room.engine.resume("fenced", room.now_ns))
    room.run(1_000)
    assert not room.sessions
    room.do(room.engine.resume("other", room.now_ns))
    room.run(1_000)
    room.ask("hello")


def test_who_speaks_is_not_cut_off() -> None:
    old = World(Scene("turn", (speak(3_000, PARTICIPANT),), heard=("one long sentence",)))
    old.run(1_000)
    old.do(old.engine.yield_room(LIMIT_NS, old.now_ns))
    old.run(1_500)
    assert old.yielded is None
    while old.yielded is None:
        old.step()
    assert any(item.text == "one long sentence" for item in old.journal.items().values())
    assert not old.yielded.owed, "it was answered before"

"""A room that has moved to its next session, while the old one still says something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mixer_core.runtime.units import MS_NS
from tests.openai_link.room import checks
from tests.openai_link.room.scenes import ANSWERED, PRESS, QUESTION, RELEASE
from tests.openai_link.room.world import Scene, Step, World, say, speak, until, wait

MOVES_MS = 17_000
"""When a room with sessions of 20 s moves at the latest."""
PTT = {"turn_detection": "push_to_talk"}


def world_of(*steps: Step, **keys: Any) -> World:
    return World(Scene("draining", steps, session_limit_s=20, **keys))


def moves_while_speaking(*steps: Step, **keys: Any) -> World:
    """The room moves 3 s after a reply of about 5 s has begun."""
    return world_of(wait(14_000), say(QUESTION), until("speaking"), wait(3_500), *steps, **keys)


def run_until_moved(world: World) -> None:
    while world.engine.counters()["rollovers_total"] == 0:
        world.step()


def test_the_old_session_says_its_reply_to_the_end() -> None:
    world = moves_while_speaking(until("idle", 20_000))
    checks.check_all(world)
    assert world.flushes == [] and world.opened == 2


def test_who_speaks_over_the_old_session_ends_the_reply_where_it_was_heard() -> None:
    world = moves_while_speaking(speak(800), *ANSWERED, heard=("Stop it.",))
    world.finish()
    (flush_ns,) = world.flushes
    (item,) = [item for item in checks.messages(world) if item.heard_ms is not None]
    assert abs(item.heard_ms - world.played_ms(flush_ns + 15 * MS_NS)) <= 20
    assert 0 < len(item.text) < len(f"You said: {QUESTION}")
    checks.check_all(world)


@pytest.mark.parametrize("stop", [Step("interrupt"), PRESS], ids=str)
def test_a_stop_by_hand_or_a_press_silences_the_old_session(stop: Step) -> None:
    world = moves_while_speaking(stop, wait(1_000), RELEASE, settings=PTT)
    world.run(18_000)
    assert world.flushes and world.assistant != "speaking"
    loud = [at for at, _, _, pcm in world.frames if any(pcm)]
    assert loud[-1] <= world.flushes[0]
    checks.check_all(world)


def test_nobody_is_answered_over_the_button_that_has_silenced_the_old_session() -> None:
    """A tool of the new session has run meanwhile: its answer waits until the button is let go."""
    world = moves_while_speaking(wait(20_000), settings=PTT, tools=("lights",), tool_ms=1_000)
    run_until_moved(world)
    response = {"id": "resp_9", "status": "completed"}
    call = {"item_id": "item_9", "call_id": "call_9", "name": "lights", "arguments": "{}"}
    for event in (
        {"type": "response.created", "response": response},
        {"type": "response.function_call_arguments.done", "response_id": "resp_9", **call},
        {"type": "response.done", "response": response},
    ):
        world.do(world.engine.server_event(2, event, world.now_ns))
    world.browser(type="ptt", down=True)
    world.run(5_000)
    assert world.flushes and world.ran and requests_of_the_new_session(world) == 0
    world.browser(type="ptt", down=False, held_ms=40)
    world.run(3_000)
    assert requests_of_the_new_session(world) == 1


def requests_of_the_new_session(world: World) -> int:
    sent = [event for event in world.sent if event["type"] == "response.create"]
    return len([event for event in sent if event["event_id"].startswith("mmt2_")])


def test_a_reply_that_is_stopped_in_the_old_session_is_paid_for() -> None:
    slow = {"generation_speed": 1.0}
    world = moves_while_speaking(speak(800), *ANSWERED, heard=("Stop it.",), options=slow)
    world.finish()
    assert [usage.status for usage in world.journal.usage() if usage.kind == "response"] == [
        "cancelled",
        "completed",
    ]
    checks.check_all(world)


def test_a_reply_that_is_lost_with_the_old_session_is_asked_for_again() -> None:
    world = moves_while_speaking(until("idle", 20_000))
    run_until_moved(world)
    world.lose(1)
    checks.check_all(world)
    cut, again, _ = [item for item in checks.messages(world) if item.role == "assistant"]
    assert cut.heard_ms is not None and again.text


def test_what_was_typed_and_is_lost_with_the_old_session_is_said_in_the_next() -> None:
    world = moves_while_speaking(until("idle", 20_000))
    while world.now_ns <= MOVES_MS * MS_NS:
        world.step()
    world.browser(type="say", text="And of birds.")
    world.inputs.clear()  # The server never took it.
    run_until_moved(world)
    world.lose(1)
    checks.check_all(world)
    assert "You said: And of birds." in [item.text for item in checks.messages(world)]


def test_a_stop_after_the_old_session_died_leaves_no_reply_pending() -> None:
    """Nobody waits for a reply that was spoken over: a later loss makes nobody talk."""
    slow = {"generation_speed": 1.0}
    world = moves_while_speaking(speak(800), *ANSWERED, heard=("Stop it.",), options=slow)
    checks.check_all(world)
    replies = len(world.responses)
    world.lose_all()
    world.run(3_000)
    assert world.state["upstream"] == "ready" and len(world.responses) == replies


def test_a_late_transcript_of_the_old_session_is_waited_for() -> None:
    world = world_of(
        wait(13_500),
        speak(3_000),
        wait(5_000),
        heard=("Good morning.",),
        settings={"create_response": False},
        options={"transcription_delay_ms": 3_000},
    )
    world.finish()
    assert world.opened == 2 and list(world.final_captions().values()) == ["Good morning."]
    checks.the_session_knows_what_was_said(world)


def test_a_turn_that_ends_as_the_room_moves_is_not_lost() -> None:
    """Of push-to-talk: the button was let go, its last words are on their way."""
    talk = (PRESS, speak(3_400), RELEASE)
    world = world_of(wait(13_500), *talk, *ANSWERED, heard=("Good night.",), settings=PTT)
    world.finish()
    assert world.opened == 2
    assert list(world.final_captions().values()) == ["Good night.", "You said: Good night."]
    buffer = [e["type"] for e in world.sent if e["type"].startswith("input_audio_buffer")]
    assert buffer == ["input_audio_buffer.clear", "input_audio_buffer.commit"]
    checks.check_all(world)


class LateDone(World):
    """The server says that a tool call's item is done 200 ms after it has told the call."""

    def _serve(self, session: int, made: Sequence[Any]) -> None:
        late = [action for action in made if is_done_call(action)]
        super()._serve(session, [action for action in made if action not in late])
        for action in late:
            self.schedule(200 * MS_NS, "_say_late", session, action)

    def _say_late(self, session: int, action: Any) -> None:
        super()._serve(session, [action])


def is_done_call(action: Any) -> bool:
    event = getattr(action, "event", {})
    done = event.get("type") == "conversation.item.done"
    return done and event["item"]["type"] == "function_call"


@pytest.mark.parametrize("refused", [True, False])
def test_a_tool_call_of_the_old_session_is_answered_once_in_the_new_one(refused: bool) -> None:
    """Its output follows the call, which the new session is told of."""
    calls = Scene(
        "draining",
        (wait(13_500), say("call lights"), *ANSWERED),
        tools=("lights",),
        runs_tools=not refused,
        tool_ms=100,
        options={"think_ms": 4_000},
        session_limit_s=20,
    )
    world = LateDone(calls)
    world.run(13_000)
    if refused:
        world.forbids("lights")
    run_until_moved(world)
    assert not world.of("tool")
    checks.check_all(world)
    assert world.of("tool")[-1]["status"] == ("refused" if refused else "done")


@pytest.mark.parametrize("mode", ["push_to_talk", "server_vad"])
def test_browsers_see_whether_the_new_session_hears_somebody(mode: str) -> None:
    world = world_of(
        wait(13_500), PRESS, speak(3_400), wait(5_000), settings={"turn_detection": mode}
    )
    world.run(16_000)
    assert world.assistant == "listening"
    run_until_moved(world)
    assert world.assistant == ("listening" if mode == "push_to_talk" else "idle")


@pytest.mark.parametrize("mode", ["push_to_talk", "server_vad"])
def test_of_a_speech_that_the_move_divides_both_halves_are_known_and_answered_once(
    mode: str,
) -> None:
    world = world_of(
        wait(13_500),
        PRESS,
        speak(5_000),
        RELEASE,
        *ANSWERED,
        heard=("A very long speech.", "Its end."),
        settings={"turn_detection": mode},
        options={"transcription_delay_ms": 800},
    )
    world.finish()
    assert [(item.text, item.session) for item in checks.messages(world)] == [
        ("A very long speech.", "sess_1"),
        ("Its end.", "sess_2"),
        ("You said: Its end.", "sess_2"),
    ]
    checks.check_all(world)


def test_a_speech_that_ends_as_the_room_moves_is_answered_in_the_new_session() -> None:
    """Its end was heard by the old one, which answers no more."""
    world = world_of(wait(13_500), speak(3_400), wait(5_000), heard=("A very long speech.",))
    run_until_moved(world)
    world.run(3_000)
    assert list(world.final_captions().values()) == [
        "A very long speech.",
        "You said: A very long speech.",
    ]
    checks.check_all(world)


def test_without_transcripts_the_beginning_of_a_divided_speech_is_forgotten() -> None:
    """Nobody could tell the new session what it was."""
    world = world_of(
        wait(13_500),
        speak(5_000),
        *ANSWERED,
        settings={"transcription_model": ""},
        heard=("A very long speech.",),
    )
    world.finish()
    assert not any(event["type"] == "input_audio_buffer.commit" for event in world.sent)
    assert len(world.responses) == 1

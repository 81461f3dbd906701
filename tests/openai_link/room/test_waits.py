"""Alive means answering: servers that keep the connection up and leave out what is waited for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mixer_core.runtime.units import S_NS
from tests.openai_link.room import checks
from tests.openai_link.room.hostile import HostileWebsocketWorld, HostileWorld
from tests.openai_link.room.hostility import Rule
from tests.openai_link.room.scenes import PRESS, RELEASE
from tests.openai_link.room.world import Scene, Step, say, speak, until, wait

Json = dict[str, Any]
WORLDS = pytest.mark.parametrize("world_type", [HostileWorld, HostileWebsocketWorld])
PTT = {"turn_detection": "push_to_talk"}
TURNS = tuple(f"Spoken turn {number}." for number in range(1, 20))
FIRST = (wait(300), say("Good morning."), until("speaking"), until("idle", 20_000), wait(1_000))


def world_of(world_type: type[HostileWorld], *steps: Step, **keys: Any) -> HostileWorld:
    """The rest of ``keys``: ``rules`` of hostility, and those of the scene."""
    rules = keys.pop("rules", ())
    return world_type(Scene("waits", (wait(300), *steps), TURNS, **keys), rules)


def notices(world: HostileWorld, since_ns: int = 0) -> list[tuple[int, str]]:
    """When people were told that something is wrong, and in which words."""
    return [
        (at_ns, str(event.get("detail") or event.get("message")))
        for at_ns, event in world.told
        if at_ns >= since_ns
        and (event["type"] == "error" or (event["type"] == "state" and event["detail"]))
        and event.get("code") != "price_unknown"
    ]


def last_answer(world: HostileWorld) -> str:
    spoken = [e["text"] for e in world.of("caption") if e["speaker"] == "assistant" and e["final"]]
    return spoken[-1] if spoken else ""


def answered(world: HostileWorld, question: str) -> bool:
    """Whether the newest answer is one to ``question``."""
    return last_answer(world).endswith(question)


def lasted_s(world: HostileWorld, since_ns: int) -> float:
    return (world.now_ns - since_ns) / S_NS


def run_until(world: HostileWorld, limit_s: float, what: Callable[[], bool]) -> float:
    """Go on until ``what`` holds; returns the seconds that it took."""
    begun_ns = world.now_ns
    while not what():
        assert world.now_ns < begun_ns + limit_s * S_NS, (world.state, world.logs[-5:])
        world.step()
    return lasted_s(world, begun_ns)


# -- a server that keeps the connection alive and says nothing -------------------------------------


@WORLDS
@pytest.mark.parametrize("how", ["say", "speak"])
def test_a_server_that_falls_silent_is_left_and_the_last_turn_is_answered(
    world_type: type[HostileWorld], how: str
) -> None:
    world = world_of(world_type, *FIRST)
    world.finish()
    world.hostility.cut_off(1)
    begun_ns = world.now_ns
    for number in range(3):
        if how == "say":
            world.browser(type="say", text=f"Question {number}")
        else:
            world.loud_until_ns = world.now_ns + 1_500_000_000
        world.run(12_000)
    (told_ns, words), *_ = notices(world, begun_ns)
    assert told_ns - begun_ns < 30 * S_NS and "does not answer" in words
    assert world.opened == 2
    assert "Question 2" in last_answer(world) if how == "say" else "Spoken" in last_answer(world)
    checks.browsers_end_in_a_true_state(world, "ready")


CUT_AFTER = [
    "response.created",
    "response.output_item.added",
    "response.output_audio_transcript.delta",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.committed",
]


@WORLDS
@pytest.mark.parametrize("after", CUT_AFTER)
def test_nothing_follows_after_an_event(world_type: type[HostileWorld], after: str) -> None:
    """Whatever the server said last, the room is told in time, and the last question answered."""
    spoken = after.startswith("input_audio")
    rule = Rule("drop_rest", after, times=1, skip=0 if spoken else int(after == CUT_AFTER[0]))
    ask = speak(1_000) if spoken else say("And again?")
    world = world_of(world_type, *FIRST, ask, rules=(rule,))
    begun_ns = 0
    while world._step < len(world.scene.steps):
        begun_ns = world.now_ns
        world.step()
    run_until(world, 45, lambda: world.opened == 2)
    assert any("does not answer" in words for _, words in notices(world))
    assert lasted_s(world, begun_ns) < 45
    world.settle(60_000)
    world.ask(checks.LAST)
    checks.the_room_talks_again(world)
    checks.browsers_end_in_a_true_state(world, "ready")


def test_sound_that_breaks_off_is_no_answer() -> None:
    """The first piece of sound is played, and then nothing comes for ever."""
    rule = Rule("drop_rest", "response.output_audio.delta", times=1)
    world = world_of(HostileWebsocketWorld, say("Good morning."), rules=(rule,))
    run_until(world, 10, lambda: world.assistant == "speaking")
    assert run_until(world, 30, lambda: world.opened == 2) < 30
    run_until(world, 20, lambda: answered(world, "Hello."))  # Its beginning was heard.
    checks.check_all(world)


@WORLDS
@pytest.mark.parametrize(
    "missing", ["response.created", "response.done", "response.output_item.done"]
)
@pytest.mark.parametrize("rate_limits", ["never", "always"])
def test_one_event_that_is_missing_keeps_nobody_from_an_answer(
    world_type: type[HostileWorld], missing: str, rate_limits: str
) -> None:
    world = world_of(
        world_type,
        say("Good morning."),
        until("speaking"),
        until("idle", 20_000),
        rules=(Rule("drop", missing, times=1),),
        options={"omit_rate_limits": rate_limits},
    )
    world.finish()
    for question in ("One?", "Two?"):
        world.browser(type="say", text=question)
        assert run_until(world, 8, lambda q=question: answered(world, q)) < 4
        world.settle(20_000)
    assert world.opened == 1 and not notices(world)
    checks.check_all(world)


@WORLDS
def test_a_request_that_is_never_answered_is_made_again(world_type: type[HostileWorld]) -> None:
    """All of a response is lost, and the server goes on as if it had been told."""
    lost = ("response.", "rate_limits", "output_audio_buffer", "conversation.item")
    rules = tuple(Rule("drop", kinds, times=200) for kinds in lost)
    world = world_of(world_type, rules=rules)
    world.run(500)
    world.browser(type="say", text="Are you there?")
    assert run_until(world, 30, lambda: world.opened == 2) > 20
    world.hostility.stop()
    world.settle(60_000)
    assert answered(world, "Are you there?")


def test_an_answer_that_never_comes_is_given_up_with_a_notice() -> None:
    lost = ("response.", "output_audio", "conversation.item")
    world = world_of(HostileWorld, rules=tuple(Rule("drop", kinds) for kinds in lost))
    world.run(500)
    world.browser(type="say", text="Are you there?")
    run_until(world, 150, lambda: any(e["code"] == "no_answer" for e in world.of("error")))
    opened = world.opened
    world.run(60_000)
    assert world.opened == opened, "nobody waits for it any more"
    world.hostility.stop()
    world.ask(checks.LAST)
    checks.the_room_talks_again(world)


# -- servers that leave out events -----------------------------------------------------------------


@WORLDS
@pytest.mark.parametrize(
    "missing",
    [
        ("session.updated",),
        ("session.created",),
        ("session.created", "session.updated"),
    ],
)
def test_a_session_is_confirmed_by_any_event_or_by_no_refusal(
    world_type: type[HostileWorld], missing: Sequence[str]
) -> None:
    world = world_of(world_type, rules=tuple(Rule("drop", kind) for kind in missing))
    if world_type is HostileWebsocketWorld and len(missing) == 2:
        return  # It says nothing at all: see below.
    run_until(world, 5, lambda: world.state["upstream"] == "ready")
    world.ask("Good morning.")
    assert answered(world, "Good morning.") and world.opened == 1


def test_a_server_that_never_says_a_word_is_named() -> None:
    world = world_of(HostileWebsocketWorld, rules=(Rule("drop"),))
    run_until(world, 15, lambda: bool(notices(world)))
    assert "the server did not send session.created" in notices(world)[0][1]


CALL_EVENTS = (
    "response.function_call_arguments.done",
    "response.output_item.done",
    "response.done.output",
)


@WORLDS
@pytest.mark.parametrize("comes_by", CALL_EVENTS)
@pytest.mark.parametrize("output", [[], None, "absent"])
def test_a_call_is_carried_out_once_by_whichever_event_brings_it(
    world_type: type[HostileWorld], comes_by: str, output: Any
) -> None:
    def edit(event: Json) -> Json | None:
        kind = event["type"]
        item = event.get("item") or {}
        if kind == "conversation.item.done" and item.get("type") == "function_call":
            return None
        if kind in CALL_EVENTS and kind != comes_by:
            return None
        if kind == "response.done" and comes_by != "response.done.output":
            response = {k: v for k, v in event["response"].items() if k != "output"}
            return {
                **event,
                "response": response | ({} if output == "absent" else {"output": output}),
            }
        return event

    world = world_of(world_type, say("call lights"), tools=("lights",))
    world.hostility.edit = edit
    world.settle(60_000)
    assert [name for _, name in world.ran] == ["lights"]
    assert answered(world, '{"result": "lights done"}') and world.opened == 1


def test_a_call_that_was_cut_off_is_not_carried_out() -> None:
    """Its arguments are said to be complete, and its response is cancelled."""

    def edit(event: Json) -> Json | None:
        if event["type"] in ("response.output_item.done", "conversation.item.done"):
            return None
        if event["type"] == "response.done":
            return {**event, "response": {**event["response"], "status": "cancelled", "output": []}}
        return event

    world = world_of(HostileWorld, say("call lights"), tools=("lights",), runs_tools=False)
    world.hostility.edit = edit
    world.settle(60_000)
    assert world.ran == []


def without_metadata(event: Json) -> Json:
    response = event.get("response")
    if isinstance(response, dict):
        return {**event, "response": {k: v for k, v in response.items() if k != "metadata"}}
    return event


@WORLDS
@pytest.mark.parametrize("mode", ["server_vad", "push_to_talk"])
def test_a_server_without_metadata_answers_every_question(
    world_type: type[HostileWorld], mode: str
) -> None:
    world = world_of(world_type, settings={"turn_detection": mode})
    world.hostility.edit = without_metadata
    world.run(500)
    for number in range(4):
        question = f"Question {number}?"
        world.browser(type="say", text=question)
        assert run_until(world, 5, lambda q=question: answered(world, q)) < 1.5
        world.settle(20_000)
    if mode == "push_to_talk":
        world.browser(type="ptt", down=True)
        world.loud_until_ns = world.now_ns + S_NS
        world.run(1_000)
        world.browser(type="ptt", down=False)
        run_until(world, 5, lambda: answered(world, "Spoken turn 1."))
    assert world.opened == 1


def test_a_refusal_that_names_no_event_frees_the_place() -> None:
    """As of a server that refuses the greeting."""
    refused: set[str] = set()

    def edit(event: Json) -> Json | None:
        response = event.get("response_id") or (event.get("response") or {}).get("id")
        if not refused and event["type"] == "response.created":
            refused.add(str(response))
            error = {"type": "invalid_request_error", "code": "invalid_value", "message": "No."}
            return {"type": "error", "event_id": "event_x", "error": error}
        return None if response in refused else event

    world = world_of(HostileWorld, settings={"greet": True, "output": "text"})
    world.hostility.edit = edit
    world.run(1_000)
    assert [event["code"] for event in world.of("error")] == ["invalid_value"]
    world.browser(type="say", text="Good morning.")
    assert run_until(world, 5, lambda: answered(world, "Good morning.")) < 1


# -- servers that are only slow, or at rest --------------------------------------------------------


@WORLDS
def test_a_model_that_thinks_for_20_s_is_waited_for(world_type: type[HostileWorld]) -> None:
    world = world_of(world_type, say("Why?"), options={"think_ms": 20_000})
    world.settle(60_000)
    assert answered(world, "Why?") and world.opened == 1 and not notices(world)


@WORLDS
@pytest.mark.parametrize("how", ["say", "speak"])
def test_a_server_that_tells_of_its_response_late_is_asked_once(
    world_type: type[HostileWorld], how: str
) -> None:
    """It thinks for 20 s before the first word about it."""
    rules = tuple(Rule("delay", kinds, delay_ms=20_000) for kinds in ("response.", "output_audio"))
    ask = say("Why?") if how == "say" else speak(1_000)
    world = world_of(world_type, ask, rules=rules)
    world.run(25_000)
    world.hostility.stop()
    world.settle(60_000)
    asked = [event for event in world.sent if event["type"] == "response.create"]
    assert len(asked) == (how == "say") and world.opened == 1 and not notices(world)
    assert last_answer(world)


@WORLDS
def test_the_limit_is_a_setting(world_type: type[HostileWorld]) -> None:
    world = world_of(
        world_type,
        say("Why?"),
        options={"think_ms": 50_000},
        settings={"answer_timeout_ms": 60_000},
    )
    run_until(world, 60, lambda: answered(world, "Why?"))
    assert world.opened == 1 and not notices(world)


@WORLDS
def test_a_room_at_rest_waits_for_nothing(world_type: type[HostileWorld]) -> None:
    world = world_of(world_type, *FIRST)
    world.finish()
    sent = len(world.sent)
    world.run(600_000)
    assert world.opened == 1 and len(world.sent) == sent
    checks.check_all(world)


@WORLDS
def test_a_long_answer_a_long_tool_and_a_long_press_are_waited_for(
    world_type: type[HostileWorld],
) -> None:
    story = (say("Tell me a story."), until("speaking"), until("idle", 60_000))
    hold = (PRESS, speak(2_000), wait(40_000), RELEASE, until("speaking"), until("idle", 20_000))
    tool = (say("call lights"), until("speaking", 60_000), until("idle", 20_000))
    world = world_of(
        world_type,
        *story,
        *tool,
        *hold,
        tools=("lights",),
        tool_ms=35_000,
        settings={**PTT, "tool_timeout_ms": 60_000},
    )
    world.finish(240_000)
    assert world.opened == 1 and not notices(world)
    checks.check_all(world)


def test_noise_that_the_server_takes_for_no_speech_is_no_loss() -> None:
    """It answers when it is asked; it is asked less and less often."""
    world = world_of(HostileWorld)
    world.run(500)
    world.hostility.edit = lambda event: (
        None if event["type"].startswith(("input_audio", "conversation", "response")) else event
    )
    world.loud_until_ns = world.now_ns + 600 * S_NS
    world.run(600_000)
    asked = [event for event in world.sent if event["type"] == "conversation.item.retrieve"]
    assert world.opened == 1 and 1 <= len(asked) <= 6


@pytest.mark.parametrize(("behaves_ms", "opened"), [(0, 2), (500, 3)])
def test_a_server_that_ignores_what_it_does_not_know_is_lost_once(
    behaves_ms: int, opened: int
) -> None:
    """One that has answered before is lost in the session in which it did, and once more."""
    world = world_of(HostileWorld)
    world.run(behaves_ms)
    world.hostility.edit = lambda event: event if event["type"].startswith("session") else None
    world.loud_until_ns = world.now_ns + 300 * S_NS
    world.run(300_000)
    assert world.opened == opened


@WORLDS
@pytest.mark.parametrize("missing", ["speech_stopped", "committed", ""])
def test_a_turn_whose_end_is_missing_ends(world_type: type[HostileWorld], missing: str) -> None:
    """Nobody is shown to be listened to for ever; what the server does answer is heard."""
    drops = {missing} if missing else {"speech_stopped", "committed"}
    rules = tuple(Rule("drop", f"input_audio_buffer.{kind}") for kind in drops)
    world = world_of(world_type, speak(1_000), rules=rules)
    world.run(2_000)
    world.settle(60_000)
    assert answered(world, "Spoken turn 1.") or world.settings.transcription_model
    checks.browsers_end_in_a_true_state(world, "ready")
    assert world.opened == 1


@pytest.mark.parametrize("missing", ["started", "stopped"])
def test_a_reply_whose_playback_is_not_told_ends(missing: str) -> None:
    rule = Rule("drop", f"output_audio_buffer.{missing}")
    world = world_of(HostileWorld, say("Good morning."), rules=(rule,))
    run_until(world, 10, lambda: world.assistant == "speaking")
    run_until(world, 20, lambda: world.assistant == "idle")
    world.ask("And how are you on this fine morning?")
    assert answered(world, "on this fine morning?") and world.opened == 1
    checks.browsers_end_in_a_true_state(world, "ready")


def test_words_that_are_never_completed_end() -> None:
    rule = Rule("drop", "conversation.item.input_audio_transcription.completed")
    world = world_of(HostileWorld, speak(1_000), rules=(rule,))
    world.run(40_000)
    checks.browsers_end_in_a_true_state(world, "ready")


# -- a server that begins no answer, and people who do not want it any more -----------------------


@pytest.mark.parametrize("is_stopped", [False, True])
def test_an_answer_that_does_not_come_is_not_asked_for_after_a_stop(is_stopped: bool) -> None:
    mute = (Rule("drop", "response."), Rule("drop", "conversation.item."))
    stop = (Step("interrupt"),) if is_stopped else ()
    world = world_of(
        HostileWebsocketWorld, speak(800), until("thinking"), *stop, wait(32_000), rules=mute
    )
    world.run(32_000)
    asked = sum(event["type"] == "response.create" for event in world.sent)
    assert asked == (0 if is_stopped else 1)
    assert world.opened == 1
    assert (world.assistant == "idle") is is_stopped

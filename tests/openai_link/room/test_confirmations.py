"""What the server confirms counts: it is paid for, and what is not as asked is told, once."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from openai_link.simulator.brains.rules import Rule
from tests.openai_link.room import checks
from tests.openai_link.room.scenes import ANSWERED
from tests.openai_link.room.test_websocket import WebsocketWorld
from tests.openai_link.room.world import Scene, Step, World, say, speak, until, wait

MINI = "gpt-realtime-2.1-mini"
KINDS = (World, WebsocketWorld)


def confirming(kind: type[World], scene: Scene, **changes: Any) -> World:
    """A server that runs its sessions as it likes."""

    class Other(kind):  # type: ignore[misc, valid-type]
        def _receive(self, session: int, event: dict[str, Any]) -> None:
            if event["type"] in ("session.created", "session.updated"):
                for path, value in changes.items():
                    *outer, last = path.split("__")
                    place = event["session"]
                    for key in outer:
                        place = place[key]
                    place[last] = value
            super()._receive(session, event)

    return Other(scene)


def notices(world: World) -> list[tuple[str, str]]:
    return [(event["code"], event["message"]) for event in world.of("error")]


def warnings(world: World) -> list[str]:
    return [text for level, text in world.logs if level == "warning"]


WRITES = (Rule(match=re.compile("."), say=("In writing.",), text_only=True),)
TALK = (wait(300), speak(800), *ANSWERED, Step("lose"), wait(2_000), say("Go on."), *ANSWERED)
SCENE = Scene("talk", TALK, heard=("Good morning.",))


@pytest.mark.parametrize("kind", KINDS)
def test_another_model_is_told_once_and_priced_as_what_it_is(kind: type[World]) -> None:
    world = confirming(kind, SCENE, model=MINI)
    world.finish()
    ((code, message),) = notices(world)
    assert code == "other_model" and MINI in message and "gpt-realtime-2.1 " in message
    assert len([text for text in warnings(world) if MINI in text]) == 1
    responses = [usage for usage in world.journal.usage() if usage.kind == "response"]
    assert {usage.model for usage in responses} == {MINI}
    prices = world.engine._record.spending._prices
    for usage in responses:
        assert usage.cost_usd == prices.cost_usd(usage.tokens, MINI) != 0
    checks.check_all(world)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dated_snapshot_is_no_news_and_is_recorded(kind: type[World]) -> None:
    world = confirming(kind, SCENE, model="gpt-realtime-2.1-2026-09-01")
    world.finish()
    assert notices(world) == []
    assert {u.model for u in world.journal.usage() if u.kind == "response"} == {
        "gpt-realtime-2.1-2026-09-01"
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_without_a_price_does_not_cost_what_another_one_does(kind: type[World]) -> None:
    world = confirming(kind, SCENE, model="gpt-realtime-9")
    world.finish()
    assert [code for code, _ in notices(world)] == ["other_model", "price_unknown"]
    assert {u.cost_usd for u in world.journal.usage() if u.kind == "response"} == {None}


@pytest.mark.parametrize("kind", KINDS)
def test_other_differences_are_told_together_and_once(kind: type[World]) -> None:
    world = confirming(
        kind,
        Scene("talk", TALK, heard=("Good morning.",), tools=("lights",)),
        audio__output__voice="alloy",
        tools=[],
    )
    world.finish()
    told = [message for code, message in notices(world) if code == "session_differs"]
    assert len(told) == 1 and "alloy" in told[0] and "lights" in told[0]
    assert len([text for text in warnings(world) if "alloy" in text]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_does_as_it_is_told_brings_no_notice(kind: type[World]) -> None:
    """With tools that come and go, a rollover, and a session that is drained."""
    scene = Scene(
        "quiet",
        (wait(300), say("call lights"), *ANSWERED, wait(4_000), say("Good night."), *ANSWERED),
        tools=("lights",),
        session_limit_s=10,
    )
    world = kind(scene)
    world.run(1_000)
    world.forbids("lights", "other")
    world._tools_came()
    world.finish()
    assert world.engine.counters()["rollovers_total"] == 1
    assert notices(world) == []


def test_the_transcription_is_priced_as_the_model_that_made_it() -> None:
    world = confirming(World, SCENE, audio__input__transcription={"model": "whisper-1"})
    world.finish()
    (usage,) = [usage for usage in world.journal.usage() if usage.kind == "transcription"]
    assert usage.model == "whisper-1" and usage.cost_usd is not None and usage.cost_usd > 0
    assert [code for code, _ in notices(world)] == ["session_differs"]


def test_a_deployment_on_azure_has_a_name_of_its_own() -> None:
    scene = Scene("azure", TALK, heard=("Hello.",), settings={"auth": "azure", "model": "my-voice"})
    world = confirming(World, scene, model=MINI)
    world.finish()
    assert notices(world) == []
    assert {u.model for u in world.journal.usage() if u.kind == "response"} == {MINI}


def headstrong(kind: type[World], key: str) -> type[World]:
    """A server whose turn detection does not do one thing that it was asked to do."""

    class Headstrong(kind):  # type: ignore[misc, valid-type]
        def _send(self, session: int, event: Any) -> None:
            event = json.loads(json.dumps(event))
            if event["type"] == "session.update":
                detection = event["session"].get("audio", {}).get("input", {}).get("turn_detection")
                if detection:
                    detection[key] = False
            super()._send(session, event)

        def _connected(self, session: int, description: Any) -> None:
            description = json.loads(json.dumps(description))
            description["audio"]["input"]["turn_detection"][key] = False
            super()._connected(session, description)

    return Headstrong


@pytest.mark.parametrize("kind", KINDS)
def test_turns_that_the_server_does_not_answer_by_itself_are_asked_for(kind: type[World]) -> None:
    steps = (wait(300), speak(800), *ANSWERED, speak(800), *ANSWERED)
    scene = Scene("shy", steps, heard=("Good morning.", "Good night."))
    world = headstrong(kind, "create_response")(scene)
    checks.check_all(world)
    replies = [item.text for item in checks.messages(world) if item.role == "assistant"]
    assert replies[:2] == ["You said: Good morning.", "You said: Good night."]
    assert [code for code, _ in notices(world)] == ["session_differs"]


def test_a_reply_that_the_server_does_not_stop_is_not_silenced_here_either() -> None:
    steps = (wait(300), say("Tell me a story."), until("speaking"), wait(1_000), speak(600))
    scene = Scene("goes on", (*steps, wait(2_000)), heard=("Yes.",))
    world = headstrong(World, "interrupt_response")(scene)
    world.run(4_500)
    assert world.flushes == []
    spoken = [frame[0] for frame in world.frames if any(frame[3])]
    assert max(b - a for a, b in itertools.pairwise(spoken)) <= 40_000_000, "it has a hole"


def test_written_answers_are_told_once_where_the_server_says_that_it_only_writes() -> None:
    steps = (wait(300), say("One."), wait(1_500), say("Two."), wait(1_500))
    world = confirming(World, Scene("writes", steps, rules=WRITES), output_modalities=["text"])
    world.finish()
    assert [code for code, _ in notices(world)] == ["session_differs"]

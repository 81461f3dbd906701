"""Lines stand where their items are in the conversation, however late their words come."""

from __future__ import annotations

from typing import Any

import pytest

from openai_link.simulator.engine.brain import Recognition
from tests.openai_link.room import checks
from tests.openai_link.room.scenes import ANSWERED, SCENES
from tests.openai_link.room.test_websocket import WebsocketWorld
from tests.openai_link.room.world import Scene, Step, World, say, speak, until, wait

HEARD = ("One.", "Two.", "Three.")


def lines(world: World) -> list[str]:
    """The texts of the page's lines, from the top, tools by the name of their call."""
    found: dict[str, tuple[int, str]] = {}
    for _, event in world.told:
        if event["type"] == "caption" and event["final"]:
            found[event["item"]] = event.get("position", 2**60), event["text"]
        elif event["type"] == "tool":
            found[event["call"]] = event.get("position", 2**60), event["name"]
    return [text for _, text in sorted(found.values())]


def late(delay_ms: int, *steps: Step, **keys: Any) -> Scene:
    return Scene(
        "late words",
        (wait(300), *steps),
        heard=HEARD,
        options={"transcription_delay_ms": delay_ms},
        **keys,
    )


@pytest.mark.parametrize("kind", [World, WebsocketWorld])
@pytest.mark.parametrize("delay_ms", [0, 700, 4_000])
def test_the_words_of_a_turn_stand_above_the_answer(kind: type[World], delay_ms: int) -> None:
    world = kind(late(delay_ms, speak(1_500), *ANSWERED, wait(4_500)))
    checks.check_all(world)
    assert lines(world)[:2] == ["One.", "You said: One."]


def test_late_words_of_several_turns_stand_each_in_its_place() -> None:
    """Two people, one of whom speaks over the answer to the other."""
    steps = (
        Step("join", "p-1,p-2"),
        wait(500),
        speak(800),
        until("speaking"),
        wait(1_000),
        speak(800),
        *ANSWERED,
        say("And me."),
        *ANSWERED,
        wait(5_000),
    )
    world = World(late(6_000, *steps))
    checks.check_all(world)
    texts = lines(world)
    assert texts[0] == "One." and texts[2] == "Two."
    assert [line for line in texts if line in (*HEARD, "And me.")] == ["One.", "Two.", "And me."]


def test_late_words_stand_above_the_tool_that_they_asked_for() -> None:
    scene = late(3_000, speak(800), *ANSWERED, wait(3_500), tools=("lights",))
    world = World(Scene(**{**scene.__dict__, "heard": ("call lights",)}))
    world.finish()
    assert lines(world)[:2] == ["call lights", "lights"]
    checks.lines_stand_in_the_order_of_the_record(world)


@pytest.mark.parametrize("delay_ms", [1_500, 4_000])
def test_words_that_come_after_a_rollover_stand_before_it(delay_ms: int) -> None:
    (scene,) = [scene for scene in SCENES if scene.name == "rollover in speech"]
    options = {"transcription_delay_ms": delay_ms}
    world = World(Scene(**{**scene.__dict__, "options": options}))
    world.finish()
    assert len(world.journal.items()) > 1
    checks.lines_stand_in_the_order_of_the_record(world)


def test_a_line_that_is_told_again_after_a_reconnection_stays_where_it_was() -> None:
    world = World(
        late(
            700,
            speak(800),
            *ANSWERED,
            wait(1_000),
            Step("lose"),
            wait(3_000),
            say("Go on."),
            wait(1),
        )
    )
    checks.check_all(world)
    assert lines(world)[:3] == ["One.", "You said: One.", "Go on."]


def test_the_place_of_late_words_is_told_before_the_answer() -> None:
    world = World(late(4_000, speak(800), *ANSWERED, wait(4_500)))
    world.finish()
    told = world.of("caption")
    assert (told[0]["text"], told[0]["final"]) == ("", False)
    answer = next(event for event in told if event["speaker"] == "assistant")
    assert told[0]["position"] < answer["position"]
    assert [e["text"] for e in told if e["item"] == told[0]["item"] and e["final"]] == ["One."]


@pytest.mark.parametrize("kind", ["empty", "failed"])
def test_the_place_of_words_that_do_not_come_is_given_up(kind: Any) -> None:
    words = (Recognition("", kind, delay_ms=500),)
    world = World(Scene("noise", (wait(300), speak(800), *ANSWERED), words=words))
    world.finish()
    (spoken,) = [e for e in world.of("caption") if e["speaker"] != "assistant" and e["final"]]
    assert spoken["text"] == "" and ("cut" in spoken) == (kind == "failed")


def test_the_place_of_words_ends_with_their_session() -> None:
    world = World(late(8_000, speak(800), until("speaking"), Step("lose"), wait(3_000)))
    world.finish()
    told = [event for event in world.of("caption") if event["speaker"] != "assistant"]
    assert [(event["text"], event["final"]) for event in told] == [("", False), ("", True)]


def test_where_nothing_is_written_down_no_place_is_kept() -> None:
    world = World(Scene("unwritten", (wait(300), speak(800), *ANSWERED),
                        settings={"transcription_model": ""}))  # fmt: skip
    world.finish()
    assert {event["speaker"] for event in world.of("caption")} == {"assistant"}
    world = World(Scene("typed", (wait(300), say("Hello."), *ANSWERED)))
    world.finish()
    assert all(event["text"] for event in world.of("caption"))

"""Whenever people speak over a reply, or stop it: no truncation that the service must refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_link.simulator.brains.rules import Rule
from tests.openai_link.room import checks
from tests.openai_link.room.forks import at_ends_of_wait
from tests.openai_link.room.test_sound_alone import OnlySound, Untold
from tests.openai_link.room.test_websocket import WebsocketWorld
from tests.openai_link.room.world import Scene, Step, World, say, speak, wait
from tests.support.tables import examples, points

HEARD = ("Tell me.", "Thank you.", "Good.")
TWO = Rule(
    match=re.compile("Tell me"), say=("First message, short.",), then=("And the second one.",)
)
ONE = Rule(match=re.compile("Tell me"), say=("One message of some length.",))
CALL = Rule(match=re.compile("Tell me"), say=("I look.",), calls=())
KINDS = (World, WebsocketWorld)
STOPS = {"hand": Step("interrupt"), "speech": speak(800)}


def scene_of(rule: Rule, after_ms: int, stop: Step, **options: Any) -> Scene:
    """A reply that is stopped so long after the question was asked."""
    steps = (wait(300), say("Tell me."), wait(after_ms), stop, wait(3_000))
    return Scene("stopped", steps, heard=("Stop.",), rules=(rule,), options=options)


def stopped(kind: type[World], rule: Rule, after_ms: int, stop: Step, **options: Any) -> World:
    return kind(scene_of(rule, after_ms, stop, **options))


def all_stopped(
    kind: type[World], rule: Rule, after_ms: Sequence[int], stop: Step, **options: Any
) -> Iterator[World]:
    """A world for each time; what comes before is lived through once."""
    scenes = [scene_of(rule, length_ms, stop, **options) for length_ms in points(after_ms)]
    return at_ends_of_wait(scenes, 2, kind)


def no_truncation_is_refused(world: World) -> None:
    """Each is of an item that has sound, to at least a millisecond of it, and shorter each time."""
    assert world.engine.counters()["server_benign_errors_total"] == 0, world.logs
    checks.nothing_was_refused(world)
    ends: dict[str, int] = {}
    for event in world.sent:
        if event["type"] == "conversation.item.truncate":
            before = ends.get(event["item_id"], 10**9)
            assert 1 <= event["audio_end_ms"] < before
            ends[event["item_id"]] = event["audio_end_ms"]


def what_was_heard_is_written(world: World) -> None:
    """The record of an interrupted reply ends where the page was."""
    for item in checks.messages(world):
        if item.heard_ms is not None:
            assert item.final and (item.text == "" or item.heard_ms > 0)


@pytest.mark.parametrize("kind", [*KINDS, Untold, OnlySound])
@pytest.mark.parametrize("how", STOPS)
@pytest.mark.parametrize("rule", [ONE, TWO], ids=["one message", "two messages"])
def test_a_reply_may_be_stopped_at_any_time(kind: type[World], how: str, rule: Rule) -> None:
    """Before its first sample, in each of its messages, between them, after its last sample."""
    after_ms = (*range(0, 400, 20), *range(400, 3_400, 100))
    for world in all_stopped(kind, rule, after_ms, STOPS[how]):
        world.finish()
        no_truncation_is_refused(world)
        what_was_heard_is_written(world)
        checks.conclude(world)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("think_ms", [10, 400, 1_500])
def test_a_slow_server_may_be_stopped_before_it_has_said_anything(
    kind: type[World], think_ms: int
) -> None:
    after_ms = range(0, think_ms + 300, max(20, think_ms // 12))
    options = {"think_ms": think_ms, "generation_speed": 1.3}
    for stop in STOPS.values():
        for world in all_stopped(kind, ONE, after_ms, stop, **options):
            world.finish()
            no_truncation_is_refused(world)
            checks.conclude(world)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_that_was_heard_whole_is_not_cut_with_the_next_one(kind: type[World]) -> None:
    """Speech in the second message: the first one stays as it is."""
    world = stopped(kind, TWO, 1_400, speak(800))
    world.finish()
    assert len(world.flushes) == 1, "the second message is known to be heard"
    first, second = [i for i in checks.messages(world) if i.role == "assistant"][:2]
    assert (first.text, first.heard_ms) == ("First message, short.", None)
    assert second.heard_ms is not None and "And the second one.".startswith(second.text)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_that_has_not_begun_is_not_heard(kind: type[World]) -> None:
    """Speech in the first message: of the second one nothing was heard, and the server knows."""
    world = stopped(kind, TWO, 600, speak(800))
    world.finish()
    first, second = [i for i in checks.messages(world) if i.role == "assistant"][:2]
    assert first.heard_ms is not None and "First message, short.".startswith(first.text)
    assert (second.text, second.heard_ms) == ("", 0)
    no_truncation_is_refused(world)
    checks.conclude(world)


STEPS = st.lists(
    st.one_of(
        st.builds(wait, st.integers(1, 100).map(lambda slots: slots * 20)),
        st.builds(speak, st.integers(5, 50).map(lambda slots: slots * 20)),
        st.sampled_from([Step("interrupt"), say("Tell me."), say("call lights")]),
    ),
    max_size=10,
)


@settings(max_examples=examples(60))
@given(STEPS, st.sampled_from(KINDS), st.sampled_from([ONE, TWO]), st.sampled_from([1.3, 8.0]))
def test_no_conversation_makes_the_server_refuse(
    steps: list[Step], kind: type[World], rule: Rule, speed: float
) -> None:
    named = [
        say(f"{step.text} {number}") if step.text.startswith("Tell") else step
        for number, step in enumerate(steps)
    ]
    calls = [step for step in named if step.text == "call lights"]
    scene = Scene(
        "any",
        (wait(300), *(s for s in named if s not in calls[1:])),
        tuple(f"Tell me {number} more." for number in range(20)),
        tools=("lights",) if calls else (),
        rules=(rule,),
        runs_tools=False,
        options={"generation_speed": speed},
    )
    world = kind(scene)
    world.finish()
    refused = [text for _, text in world.logs if "error" in text and "truncate" in text]
    assert not refused
    checks.conclude(world)


class Deaf(World):
    """A server that answers every truncation as if it had come too late."""

    def _send(self, session: int, event: Any) -> None:
        if event["type"] != "conversation.item.truncate":
            super()._send(session, event)
            return
        error = {
            "type": "invalid_request_error",
            "code": "invalid_value",
            "message": "Audio content of 900ms is already shorter than 1200ms",
            "param": "audio_end_ms",
            "event_id": event["event_id"],
        }
        self.inputs.append((session, {"type": "error", "event_id": "event_x", "error": error}))


def test_the_refusals_of_a_race_are_counted_and_never_shown() -> None:
    steps = (wait(300), say("Tell me."), wait(700), speak(800), wait(3_000))
    world = Deaf(Scene("race", steps, heard=("Stop.",), rules=(ONE,)))
    world.page_ns = 300_000_000
    world.finish()
    assert world.engine.counters()["server_benign_errors_total"] == 1
    assert world.engine.counters()["server_errors_total"] == 0
    assert not world.of("error") and not [t for level, t in world.logs if level == "warning"]

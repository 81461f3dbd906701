"""A room whose sessions are WebSockets: replies come as events and are played on our side."""

from __future__ import annotations

import re

import pytest

from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.facts import Fact, Unheard
from openai_link.realtime.client_events import ClientEvents
from openai_link.room.epoch import EpochCounter
from openai_link.room.realtime_session import RealtimeSession
from openai_link.room.record import RoomRecord
from openai_link.room.signals import FactLearned, ProblemFound
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.brains.rules import Rule
from tests.openai_link.room import checks
from tests.openai_link.room.scenes import SCENES
from tests.openai_link.room.websocket_world import WebsocketWorld
from tests.openai_link.room.world import Scene, World, say, speak, wait
from tests.support.tables import points

NAMES = (
    "barge-in",
    "tool",
    "push-to-talk",
    "rollover in an answer",
    "greeting that is spoken over",
)
SOME = [scene for scene in SCENES if scene.name in NAMES]


def undisturbed(scene: Scene) -> World:
    world = WebsocketWorld(scene)
    checks.check_all(world)
    return world


@pytest.mark.parametrize("scene", SOME, ids=str)
def test_the_session_is_lost_after_some_events(scene: Scene) -> None:
    for number in points(range(1, undisturbed(scene).events, 7)):
        world = WebsocketWorld(scene)
        world.lose_after = {number}
        checks.check_all(world)


def test_a_barge_in_truncates_the_item_where_it_was_heard() -> None:
    world = undisturbed(SOME[0])
    truncated = [e for e in world.sent if e["type"] == "conversation.item.truncate"]
    played_ms = world.played_ms(world.flushes[0] + 15 * MS_NS)
    assert abs(truncated[-1]["audio_end_ms"] - played_ms) <= 20


def test_a_reply_goes_on_where_the_session_says_that_speech_stops_none() -> None:
    keeps_on = '{"audio": {"input": {"turn_detection": {"interrupt_response": false}}}}'
    steps = (wait(300), say("Tell me."), wait(600), speak(800), wait(5_000))
    rule = Rule(match=re.compile("Tell me"), say=("One message of some length.",))
    scene = Scene("goes on", steps, ("Stop.",), settings={"session_json": keeps_on}, rules=(rule,))
    world = WebsocketWorld(scene)
    world.finish()
    assert world.flushes == []
    assert [e for e in world.sent if e["type"] == "conversation.item.truncate"] == []
    first = next(i for i in checks.messages(world) if i.role == "assistant")
    assert (first.text, first.heard_ms) == ("One message of some length.", None)


def _is_unheard(fact: Fact) -> bool:
    return isinstance(fact, Unheard)


@pytest.mark.parametrize("is_stopped", [True, False])
def test_an_answer_that_was_stopped_is_not_told_for_its_silence(is_stopped: bool) -> None:
    """The cancellation comes too late for the server, and its sound too late for us."""
    settings = OpenaiLinkSettings(greet=False)
    session = RealtimeSession(1, "websocket", settings, ClientEvents("mm1"), EpochCounter())
    session.describe([])
    session.must_be_told = False
    session.up(0)
    session.server_event({"type": "session.updated", "session": {"id": "sess_1"}}, 0)
    session.seed([], (), "", 0)
    session.activate()
    session.server_event({"type": "response.created", "response": {"id": "resp_1"}}, MS_NS)
    if is_stopped:
        session.browser_event({"type": "interrupt"}, 2 * MS_NS)
    said = {"type": "output_audio", "transcript": "Yes."}
    item = {"id": "item_1", "type": "message", "role": "assistant", "content": [said]}
    done = {"id": "resp_1", "status": "completed", "output": [item]}
    outcomes = session.server_event({"type": "response.done", "response": done}, 3 * MS_NS)
    outcomes += session.tick(S_NS + 10 * MS_NS)
    (fact,) = [o.fact for o in outcomes if isinstance(o, FactLearned) and _is_unheard(o.fact)]
    assert fact == Unheard("resp_1", ("item_1",), was_stopped=is_stopped)
    record = RoomRecord("den", settings, lambda _: "2030-01-01")
    told = record.on_fact(1, fact, 0, 0)
    assert [type(one) for one in told if isinstance(one, ProblemFound)] == (
        [] if is_stopped else [ProblemFound]
    )

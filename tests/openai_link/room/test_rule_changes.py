"""The settings of a room that people are in change: in virtual time, against the simulator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.room_rules import Rooms
from openai_link.room.persona import Persona
from openai_link.room.rule_changes import told
from openai_link.room_settings import RoomSettings, followed
from openai_link.settings import OpenaiLinkSettings, ServiceMcpServer, Settings
from tests.openai_link.room.websocket_world import WebsocketWorld
from tests.openai_link.room.world import Scene, World, say, until, wait

TALK = (say("hello"), until("speaking"), until("idle"))


def change(world: World, **keys: Any) -> None:
    """The room gets this section in the settings file."""
    settings = Settings(openai_link=world.settings, rooms=Rooms(den=keys))
    world.do(world.engine.change_rules(RoomSettings.of(settings, "den"), world.now_ns))


def news(world: World) -> list[str]:
    """What people were told of changes."""
    return [str(event["message"]) for event in world.of("rules")]


def session(world: World) -> Mapping[str, Any]:
    """The newest session, as its server has it."""
    return world.sessions[max(world.sessions)].engine.session


def voice(world: World) -> str:
    return str(session(world)["audio"]["output"]["voice"])


def problems(world: World) -> list[str]:
    return [str(event["message"]) for event in world.of("error")]


def talked(world: World) -> None:
    """The rest of the scene."""
    for _ in world.steps():
        pass


@pytest.mark.parametrize("kind", [World, WebsocketWorld])
def test_what_can_change_now_does_and_the_rest_with_the_next_session(kind: type[World]) -> None:
    world = kind(Scene("a change", TALK, tools=("lights", "door")))
    talked(world)
    before, opened = world.settings, world.opened
    change(
        world, instructions="Be a pirate.", voice="ash", model="gpt-realtime-2", tools=["li*"],
        language="de", daily_budget_usd=3.0, persona="Jim",
    )  # fmt: skip
    world.run(400)
    assert session(world)["instructions"] == "Be a pirate."
    assert session(world)["audio"]["input"]["transcription"]["language"] == "de"
    assert [tool["name"] for tool in session(world)["tools"]] == ["lights"]
    assert (voice(world), session(world)["model"]) == (before.voice, before.model)
    assert world.opened == opened and world.state["persona"] == "Jim"
    assert news(world) == [
        "The instructions, the language, the assistant's name, the tools and the budget changed "
        "now; the voice and the model change with the next session."
    ]
    world.lose_all()
    world.run(2_000)
    assert (voice(world), session(world)["model"]) == ("ash", "gpt-realtime-2")
    assert session(world)["instructions"] == "Be a pirate." and problems(world) == []


def test_what_a_session_costs_goes_by_the_model_that_it_was_opened_with() -> None:
    """Where its server does not name one."""

    class Nameless(World):
        def _receive(self, session: int, event: dict[str, Any]) -> None:
            if "session" in event:
                del event["session"]["model"]
            super()._receive(session, event)

    world = Nameless(Scene("a change", TALK))
    talked(world)
    change(world, model="gpt-realtime-2.1-mini")
    world.ask("Still there?")
    world.lose_all()
    world.run(500)
    world.ask("And now?")
    models = [usage.model for usage in world.journal.usage()]
    assert models == ["gpt-realtime-2.1"] * 2 + ["gpt-realtime-2.1-mini"]


def test_a_voice_that_nobody_has_heard_changes_at_once() -> None:
    world = World(Scene("quiet", (wait(500),)))
    talked(world)
    change(world, voice="ash")
    world.run(400)
    assert voice(world) == "ash" and news(world) == ["The voice changed now."]
    change(world, voice="ash")
    world.run(400)
    assert len(news(world)) == 1, "nothing has changed"


@pytest.mark.parametrize("kind", [World, WebsocketWorld])
def test_a_voice_that_the_server_does_not_know_is_told_and_the_room_keeps_its_own(
    kind: type[World],
) -> None:
    world = kind(Scene("a wrong voice", TALK))
    talked(world)
    change(world, voice="nobody", instructions="Be a pirate.")
    world.lose_all()
    world.run(3_000)
    assert world.state["upstream"] == "ready" and voice(world) == world.settings.voice
    assert session(world)["instructions"] == "Be a pirate.", "it was no part of the refusal"
    (words,) = problems(world)
    assert words.startswith("The assistant's server does not take the voice of this room (Invalid")
    assert words.endswith("it stays as it was.")
    world.lose_all()
    world.run(5_000)
    assert voice(world) == world.settings.voice and len(problems(world)) == 1


def test_a_rollover_keeps_what_a_server_has_confirmed() -> None:
    world = World(Scene("a rollover", TALK, session_limit_s=30.0))
    talked(world)
    change(world, voice="nobody", instructions="Be a pirate.")
    opened = world.opened
    world.run(40_000)
    assert world.opened > opened + 1, "one was refused, another one taken"
    assert voice(world) == world.settings.voice
    assert session(world)["instructions"] == "Be a pirate."
    assert sum("does not take the voice" in words for words in problems(world)) == 1


def test_a_change_that_a_running_session_refuses_is_taken_back() -> None:
    world = World(Scene("a wrong change", TALK))
    talked(world)
    change(world, instructions="Be a pirate.")
    world.run(400)
    world.do(
        world.engine.change_rules(
            RoomSettings.of(
                Settings(
                    openai_link=replace(world.settings, instructions=5),  # type: ignore[arg-type]
                ),
                "den",
            ),
            world.now_ns,
        )
    )
    world.run(400)
    assert session(world)["instructions"] == "Be a pirate."
    assert "does not take the instructions of this room" in problems(world)[0]
    world.lose_all()
    world.run(2_000)
    assert session(world)["instructions"] == "Be a pirate." and world.state["upstream"] == "ready"


def test_a_budget_that_is_lowered_stops_and_one_that_is_raised_goes_on() -> None:
    world = World(Scene("money", TALK))
    talked(world)
    change(world, daily_budget_usd=0.000_001)
    world.run(400)
    assert world.state["upstream"] == "failed"
    assert "The budget of this room" in world.state["detail"]
    change(world, daily_budget_usd=100.0)
    world.run(2_500)
    assert world.state["upstream"] == "ready"


@pytest.mark.parametrize(
    ("now", "later", "words"),
    [
        ((), (), ""),
        (("instructions",), ("voice",),
         "The instructions changed now; the voice changes with the next session."),
        ((), ("voice", "voice", "model"), "The voice and the model change with the next session."),
        (("the tools", "the tools", "the budget"), (), "The tools and the budget changed now."),
    ],
)  # fmt: skip
def test_it_is_one_sentence(now: tuple[str, ...], later: tuple[str, ...], words: str) -> None:
    assert told(now, later) == words


def test_a_refusal_of_something_else_is_no_reason_to_change_the_persona() -> None:
    usual = OpenaiLinkSettings()
    wrong = replace(usual, voice="x", instructions="y")
    for error in (
        UpstreamError("connection_lost", "gone"),
        UpstreamError("invalid_api_key", "no", 401),
        UpstreamError("insufficient_quota", "no", 429),
        UpstreamError("server_error", "no", 503),
        UpstreamError("invalid_value", "no", 400, param="session.tools[0].name"),
    ):
        persona = Persona(wrong, usual)
        assert persona.refused(wrong, error) == "" and persona.wanted == wrong
    persona = Persona(wrong, usual)
    assert "the instructions and voice of" in persona.refused(wrong, UpstreamError("x", "no", 400))
    assert persona.wanted == usual and persona.refused(usual, UpstreamError("x", "no", 400)) == ""


def test_of_changed_settings_a_running_room_takes_what_is_declared_so() -> None:
    old = Settings()
    new = Settings(
        openai_link=OpenaiLinkSettings(instructions="new", voice="ash", output="text"),
        rooms=Rooms(den={"language": "de"}),
    )
    room = RoomSettings.of(followed(old, new), "den")
    assert (room.link.instructions, room.link.voice) == ("new", "ash")
    assert (room.link.output, room.link.transcription_language) == ("audio", "de")


def test_tools_that_are_not_ours_are_taken_from_a_running_session_and_given_back() -> None:
    mine = {"type": "function", "name": "mine", "parameters": {"type": "object", "properties": {}}}
    link = {
        "service_mcp_servers": {"docs": ServiceMcpServer(url="http://127.0.0.1:1/")},
        "session_json": json.dumps({"tools": [mine]}),
    }
    world = World(Scene("a change", TALK, tools=("lights",), settings=link))
    talked(world)
    for allowed in (["lights"], [], ["docs", "mine"], ["*"]):
        change(world, tools=allowed)
        world.run(400)
        names = [tool.get("name") or tool["server_label"] for tool in session(world)["tools"]]
        assert names == (["lights", "docs", "mine"] if allowed == ["*"] else allowed)
    assert world.opened == 1 and problems(world) == []


def test_the_tools_of_the_service_and_of_session_json_are_allowed_by_name_too() -> None:
    link = OpenaiLinkSettings(
        session_json='{"tools": [{"name": "a"}, {"server_label": "b"}, 3]}', voice_id="v1"
    )
    rooms = Rooms(den={"tools": ["b*"]}, hall={"voice": "ash"})
    settings = Settings(openai_link=link, rooms=rooms)
    den, hall = (RoomSettings.of(settings, room).link for room in ("den", "hall"))
    assert den.session_json == '{"tools": [{"server_label": "b"}]}'
    assert RoomSettings.of(settings, "other").link == link
    assert (hall.voice, hall.voice_id) == ("ash", "")

"""A server that refuses a tool costs the room that tool: never the session, whenever it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import pytest

from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.units import MS_NS
from openai_link.room.room_tools import Toolset
from openai_link.simulator.engine import refusals
from openai_link.simulator.engine.refusals import Refusal
from openai_link.tools.spec import ToolSpec
from tests.openai_link.room.websocket_world import WebsocketWorld
from tests.openai_link.room.world import Scene, Step, World, say, spec, until, wait

Json = dict[str, Any]
Naming = Literal["place", "words", "list", "nothing"]
"""How a server says what it refuses: the tool's place, its name in the message, only that it is
about tools; nothing at all of which event it is about."""

PLAIN: Json = {"type": "object", "properties": {}}
CHOICE: Json = {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
ASKED = (wait(300), say("call lights"), until("speaking"), until("idle", 20_000))


class ToolWorld(World):
    """Tools with schemas of their own, and a server that refuses some for reasons of its own."""

    naming: Naming = "place"

    def __init__(self, scene: Scene, schemas: Mapping[str, Json], forbidden: str = "") -> None:
        self.schemas = dict(schemas)
        self.forbidden = forbidden
        """A tool that the server does not like, whatever its schema."""
        self.errors = 0
        super().__init__(replace(scene, tools=tuple(schemas)))

    def _tools_came(self, *confirmed: str) -> None:
        specs = {name: self._spec(name, name in confirmed) for name in self.schemas}
        definitions = [found.definition() for found in specs.values()]
        self.do(self.engine.tools_changed(Toolset(specs, definitions), self.now_ns))

    def _spec(self, name: str, confirm: bool) -> ToolSpec:
        title = f"den: {name}"
        return replace(spec(name, confirm), parameters=self.schemas[name], title=title)

    def bring(self, **schemas: Json) -> None:
        """The room's tools are these from now on."""
        self.schemas = schemas
        self._tools_came(*(schemas if self.scene.confirm else ()))

    def _wanted(self, session: int, expires_at: int, description: Json) -> Json:
        try:
            if self.transport == "webrtc":
                self._like(description)
            return super()._wanted(session, expires_at, description)
        except Refusal as refusal:
            self.errors += 1
            raise self._in_other_words(refusal) from refusal

    def _send(self, session: int, event: Mapping[str, Any]) -> None:
        if event["type"] == "session.update" and session in self.sessions:
            try:
                self._like(event["session"])
            except Refusal as refusal:
                error = {**refusal.body(), "event_id": event["event_id"]}
                self.sent.append(event)
                self._sends(session, {"type": "error", "event_id": "e", "error": error})
                return
        super()._send(session, event)

    def _sends(self, session: int, event: Json) -> None:
        error = event.get("error")
        if event["type"] == "error" and str(error["param"]).startswith("session."):
            self.errors += 1
            given = Refusal(error["code"], error["message"], error["param"])
            told = self._in_other_words(given).body()
            named = {} if self.naming == "nothing" else {"event_id": error["event_id"]}
            event = {**event, "error": {**told, **named}}
        super()._sends(session, event)

    def _like(self, session: Mapping[str, Any]) -> None:
        for place, tool in enumerate(session.get("tools", ())):
            if tool["name"] == self.forbidden:
                path = f"session.tools[{place}].parameters"
                raise refusals.bad_schema(self.forbidden, "we do not like it.", path)

    def _in_other_words(self, refusal: Refusal) -> Refusal:
        if refusal.param is None or ".tools" not in refusal.param:
            return refusal
        match self.naming:
            case "place":
                return Refusal("invalid_value", "Invalid value.", refusal.param)
            case "words" | "nothing":
                param = None if self.naming == "words" else refusal.param
                return Refusal(refusal.code, refusal.message, param)
            case "list":
                return Refusal("invalid_value", "Something is wrong.", "session.tools")

    @property
    def known(self) -> list[str]:
        """Tools that the newest session has."""
        return [tool["name"] for tool in self.sessions[max(self.sessions)].engine.session["tools"]]

    def left_out(self) -> list[str]:
        """Lines of the log about refused tools."""
        return [text for level, text in self.logs if level == "warning" and "Left out:" in text]

    def notices(self, code: str = "tools_missing") -> list[str]:
        return [event["message"] for event in self.of("error") if event["code"] == code]


class WebsocketToolWorld(ToolWorld, WebsocketWorld):
    """The same over a WebSocket: the session follows as an update."""

    def __init__(self, scene: Scene, schemas: Mapping[str, Json], forbidden: str = "") -> None:
        self._players = {}
        ToolWorld.__init__(self, scene, schemas, forbidden)


WORLDS = {"webrtc": ToolWorld, "websocket": WebsocketToolWorld}


@pytest.fixture(params=WORLDS)
def kind(request: pytest.FixtureRequest) -> type[ToolWorld]:
    found: type[ToolWorld] = WORLDS[request.param]
    return found


@pytest.fixture(params=("place", "words", "list", "nothing"))
def naming(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Naming:
    given: Naming = request.param
    monkeypatch.setattr(ToolWorld, "naming", given)
    return given


def is_well(world: ToolWorld) -> None:
    """The conversation went on, nobody heard of a lost call, and nothing was done twice."""
    assert world.state["upstream"] == "ready"
    failed = [
        event for event in world.of("state") if event["upstream"] in ("failed", "reconnecting")
    ]
    assert failed == []
    assert world.ran and {name for _, name in world.ran} == {"lights"}
    assert len({call for call, _ in world.ran}) == len(world.ran)


def test_in_the_first_session(kind: type[ToolWorld], naming: Naming) -> None:
    world = kind(Scene("first", ASKED), {"lights": PLAIN, "find": CHOICE})
    world.finish()
    is_well(world)
    assert world.known == ["lights"] and world.errors == 1
    assert len(world.notices()) == 1 and "refuses" in world.notices()[0]
    assert len(world.left_out()) == 1 and "Left out: find." in world.left_out()[0]
    assert world.opened == (2 if world.transport == "webrtc" else 1)


def test_several_in_the_first_session(kind: type[ToolWorld]) -> None:
    bad = {f"bad_{number}": CHOICE for number in range(5)}
    world = kind(Scene("several", ASKED), {**bad, "lights": PLAIN})
    world.finish()
    is_well(world)
    assert world.known == ["lights"] and world.errors == 5 == len(world.notices())


def test_in_an_update(kind: type[ToolWorld], naming: Naming) -> None:
    world = kind(Scene("update", (wait(300),)), {"lights": PLAIN})
    world.run(1_000)
    world.bring(lights=PLAIN, find=CHOICE)
    world.ask("call lights")
    is_well(world)
    assert world.known == ["lights"] and world.errors == 1 == len(world.notices())
    assert world.opened == 1


def test_a_tool_that_changes_and_is_refused_is_known_as_it_is(kind: type[ToolWorld]) -> None:
    """What was refused is not taken for set: the tool is gone, and comes back when it is mended."""
    world = kind(Scene("changes", (wait(300),)), {"lights": PLAIN, "find": PLAIN})
    world.run(1_000)
    world.bring(lights=PLAIN, find=CHOICE)
    world.run(500)
    assert world.known == ["lights"]
    world.bring(lights=PLAIN, find={**PLAIN, "required": ["a"]})
    world.run(500)
    assert world.known == ["lights", "find"] and world.errors == 1
    world.ask("call lights")
    is_well(world)


def test_at_a_rollover(kind: type[ToolWorld], naming: Naming) -> None:
    """A server takes a tool in one session and not in the next."""
    settings = {"rollover_margin_s": 4, "rollover_deadline_s": 1}
    world = kind(
        Scene("rollover", (wait(300),), settings=settings, session_limit_s=8.0),
        {"lights": PLAIN, "find": PLAIN},
    )
    world.run(1_000)
    assert world.known == ["lights", "find"]
    world.forbidden = "find"
    world.run(6_500)
    assert world.engine.counters()["rollovers_total"] == 1
    assert world.known == ["lights"]
    world.ask("call lights")
    is_well(world)
    assert "Left out: find." in world.left_out()[0] and len(world.notices()) == 1


def test_after_a_loss_a_refused_tool_is_not_offered_again(kind: type[ToolWorld]) -> None:
    world = kind(Scene("loss", (wait(300),)), {"lights": PLAIN, "find": CHOICE})
    world.run(1_000)
    errors, opened = world.errors, world.opened
    world.lose_all()
    world.run(3_000)
    assert world.state["upstream"] == "ready"
    assert (world.errors, world.opened) == (errors, opened + 1)


def test_a_server_that_likes_no_tool_has_none(kind: type[ToolWorld], naming: Naming) -> None:
    names = [f"bad_{number}" for number in range(7)]
    scene = Scene("none", (wait(300), say("hello"), until("speaking"), until("idle", 20_000)))
    world = kind(scene, dict.fromkeys(names, CHOICE))
    world.scene = replace(world.scene, runs_tools=False)
    world.finish()
    assert world.state["upstream"] == "ready" and world.known == []
    assert len(world.notices()) == (1 if naming == "list" else len(names))
    assert any(event["speaker"] == "assistant" for event in world.of("caption"))


def test_what_is_not_about_tools_is_still_a_refusal_of_the_session(kind: type[ToolWorld]) -> None:
    settings = {"session_json": '{"include": ["everything"]}'}
    world = kind(Scene("other", (wait(300),), settings=settings), {"lights": PLAIN})
    world.run(3_000)
    assert world.state["upstream"] in ("failed", "reconnecting")
    assert world.notices() == []


def test_a_tool_of_the_settings_is_the_settings_own_matter(kind: type[ToolWorld]) -> None:
    tools = (
        '{"tools": [{"type": "function", "name": "own.tool", "parameters": {"type": "object"}}]}'
    )
    world = kind(Scene("own", (wait(300),), settings={"session_json": tools}), {"lights": PLAIN})
    world.run(3_000)
    assert world.state["upstream"] in ("failed", "reconnecting")
    assert world.notices() == []


def test_more_tools_than_the_service_takes(kind: type[ToolWorld]) -> None:
    names = ["lights", *(f"tool_{number:03}" for number in range(150))]
    world = kind(Scene("many", ASKED), dict.fromkeys(names, PLAIN))
    world.finish()
    is_well(world)
    assert world.known == names[:128] and world.errors == 0
    assert len(world.notices()) == 1
    assert "tool_127, tool_128" in world.notices()[0] and "tool_126," not in world.notices()[0]
    world.bring(**dict.fromkeys(names, PLAIN))
    world.run(500)
    assert len(world.notices()) == 1


def test_tools_of_the_settings_take_their_places(kind: type[ToolWorld]) -> None:
    tools = '{"tools": [{"type": "function", "name": "own", "parameters": {"type": "object"}}]}'
    names = ["lights", *(f"tool_{number:03}" for number in range(150))]
    world = kind(
        Scene("places", ASKED, settings={"session_json": tools}), dict.fromkeys(names, PLAIN)
    )
    world.finish()
    is_well(world)
    assert world.known == [*names[:127], "own"]


def test_definitions_that_are_too_long_together_are_left_out(kind: type[ToolWorld]) -> None:
    long = {**PLAIN, "properties": {"a": {"enum": ["x" * 12_000]}}}
    names = ["lights", *(f"tool_{number}" for number in range(20))]
    world = kind(
        Scene("long", ASKED), {name: long if name != "lights" else PLAIN for name in names}
    )
    world.finish()
    is_well(world)
    assert 5 < len(world.known) < 15 and len(world.notices()) == 1


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_a_question_about_a_tool_that_is_gone_has_an_output(
    kind: type[ToolWorld], change: str
) -> None:
    world = kind(Scene("question", (wait(300),), confirm=True), {"lights": PLAIN, "find": PLAIN})
    world.run(1_000)
    world.scene = replace(world.scene, steps=(*world.scene.steps, say("call find"), wait(2_000)))
    world.run(3_000)
    assert world.open_tools
    other = {"find": {**PLAIN, "required": ["a"]}} if change == "changed" else {}
    world.bring(lights=PLAIN, **other)
    world.run(500)
    ended = world.of("tool")[-1]
    assert ended["status"] == "failed" and "it was not done" in ended["detail"]
    outputs = [
        e["item"] for e in world.sent if e.get("item", {}).get("type") == "function_call_output"
    ]
    assert len(outputs) == 1 and "it was not done" in outputs[0]["output"]
    world.scene = replace(world.scene, steps=(*world.scene.steps, Step("confirm"), wait(500)))
    world.run(1_000)
    assert world.ran == []


def test_a_tool_that_goes_while_it_runs_still_answers(kind: type[ToolWorld]) -> None:
    world = kind(Scene("runs", (wait(300),), tool_ms=1_000), {"lights": PLAIN, "find": PLAIN})
    world.run(1_000)
    world.scene = replace(world.scene, steps=(*world.scene.steps, say("call lights"), wait(1_500)))
    while not world.ran:
        world.step()
    world.bring(find=PLAIN)
    world.run(1_500 + 200)
    assert [event["status"] for event in world.of("tool")] == ["running", "done"]
    assert {event["title"] for event in world.of("tool")} == {"den: lights"}
    assert world.now_ns > 1_000 * MS_NS


def test_a_tool_whose_name_the_settings_have_is_left_out(kind: type[ToolWorld]) -> None:
    tools = '{"tools": [{"type": "function", "name": "find", "parameters": {"type": "object"}}]}'
    world = kind(
        Scene("clash", ASKED, settings={"session_json": tools}), {"lights": PLAIN, "find": PLAIN}
    )
    world.finish()
    is_well(world)
    assert world.known == ["lights", "find"] and world.errors == 0
    assert "session_json has tools of these names; not offered: find." in world.notices()[0]


def test_what_was_refused_late_is_not_held_against_what_has_come_since(
    kind: type[ToolWorld],
) -> None:
    """The refusal of one edition of a tool arrives when the next has been sent."""
    world = kind(Scene("late", (wait(300),)), {"lights": PLAIN, "find": PLAIN})
    world.run(1_000)
    world.bring(lights=PLAIN, find=CHOICE)
    world.bring(lights=PLAIN, find={**PLAIN, "required": ["a"]})
    world.run(500)
    assert world.known == ["lights", "find"] and world.errors == 1
    assert sum(event["type"] == "session.update" and "tools" in event["session"]
               for event in world.sent[-2:]) == 2  # fmt: skip
    world.ask("call lights")
    is_well(world)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (500, "Invalid schema for function 'find'"),
        (413, "too many tools"),
        (0, "the server closed the WebSocket with code 1007 (session.tools[1].parameters)"),
    ],
)
def test_whatever_the_status_a_refusal_that_names_a_tool_is_one(status: int, words: str) -> None:
    class Strange(ToolWorld):
        def _connected(self, session: int, description: Json) -> None:
            if len(description.get("tools", ())) > 1 and session in self._connecting:
                self.errors += 1
                lost = UpstreamError("strange", words, status)
                self.do(self.engine.session_lost(session, lost, self.now_ns))
                return
            super()._connected(session, description)

    world = Strange(Scene("strange", ASKED), {"lights": PLAIN, "find": PLAIN})
    world.finish()
    is_well(world)
    assert world.known == ["lights"] and world.errors == 1

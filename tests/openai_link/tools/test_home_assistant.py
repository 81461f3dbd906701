"""The Home Assistant tools against a local server that answers like its REST API."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from openai_link.tools.home_assistant import TOKEN_VARIABLE
from openai_link.tools.outputs import is_error
from openai_link.tools.toolbox import ToolBox
from tests.openai_link.tools.box import opened

pytestmark = pytest.mark.sockets

TOKEN = "long-lived-token"
MODULE = "openai_link.tools.home_assistant"
AREAS = {"light.kitchen": "Kitchen", "sensor.kitchen_temperature": "Kitchen"}


def entity(entity_id: str, state: str, **attributes: Any) -> dict[str, Any]:
    return {"entity_id": entity_id, "state": state, "attributes": attributes}


class FakeHome:
    """The part of the API that the tools use; ``calls`` is what was asked of it."""

    def __init__(self) -> None:
        entities = [
            entity("light.kitchen", "off", friendly_name="Kitchen light", brightness=80),
            entity("light.hall", "on", friendly_name="Hall light"),
            entity(
                "sensor.kitchen_temperature", "21.5", friendly_name="Temperature",
                unit_of_measurement="°C", access_token="inner-secret",
            ),
            entity("lock.front_door", "locked", friendly_name="Front door"),
            entity("cover.garage", "closed", device_class="garage"),
            entity("cover.bedroom", "closed", device_class="blind"),
            entity("alarm_control_panel.home", "armed_away"),
        ]  # fmt: skip
        self.entities = {found["entity_id"]: found for found in entities}
        self.calls: list[tuple[str, str, str]] = []
        self.is_admin = True

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.authorised])
        app.router.add_get("/api/states", self.states)
        app.router.add_get("/api/states/{entity}", self.state)
        app.router.add_post("/api/template", self.template)
        app.router.add_post("/api/services/{domain}/{service}", self.service)
        return app

    @staticmethod
    @web.middleware
    async def authorised(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401, text="401: Unauthorized")
        return await handler(request)

    async def states(self, request: web.Request) -> web.Response:
        return web.json_response(list(self.entities.values()))

    async def state(self, request: web.Request) -> web.Response:
        found = self.entities.get(request.match_info["entity"])
        if found is None:
            return web.json_response({"message": "Entity not found."}, status=404)
        return web.json_response(found)

    async def template(self, request: web.Request) -> web.Response:
        if not self.is_admin:
            return web.Response(status=401)
        assert "area_name" in (await request.json())["template"]
        return web.Response(text="".join(f"{e}\t{AREAS.get(e, '')}\n" for e in self.entities))

    async def service(self, request: web.Request) -> web.Response:
        entity_id = (await request.json())["entity_id"]
        domain, service = request.match_info["domain"], request.match_info["service"]
        self.calls.append((domain, service, entity_id))
        return web.json_response([])


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> FakeHome:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    return FakeHome()


def use(home: FakeHome, tool: str, /, **arguments: Any) -> str:
    """The output of one tool."""

    async def main() -> str:
        async with TestServer(home.app()) as server:
            url = str(server.make_url("/"))
            async with opened(tools=(MODULE,), home_assistant_url=url) as box:
                assert box.problems == []
                return await box.run(tool, json.dumps(arguments), "Anna")

    return asyncio.run(main())


def test_devices_are_found_by_name_area_and_domain(home: FakeHome) -> None:
    lights = json.loads(use(home, "home_find", domain="light"))
    assert [light["entity_id"] for light in lights] == ["light.kitchen", "light.hall"]
    kitchen = json.loads(use(home, "home_find", area="kitch", name="temp"))
    assert kitchen == [
        {
            "entity_id": "sensor.kitchen_temperature",
            "name": "Temperature",
            "state": "21.5 °C",
            "area": "Kitchen",
        }
    ]


def test_a_token_that_may_not_ask_for_areas_still_finds_names(home: FakeHome) -> None:
    home.is_admin = False
    found = json.loads(use(home, "home_find", name="hall"))
    assert found[0]["area"] == ""


def test_a_state_has_its_unit_and_nothing_that_is_not_asked_for(home: FakeHome) -> None:
    output = use(home, "home_state", entity_id="sensor.kitchen_temperature")
    state = {"name": "Temperature", "state": "21.5", "unit_of_measurement": "°C"}
    assert json.loads(output) == state


def test_a_light_is_switched_by_the_service_of_its_domain(home: FakeHome) -> None:
    output = use(home, "home_switch", entity_id="light.kitchen", action="turn_on")
    assert output == "turn_on was sent to light.kitchen"
    assert home.calls == [("light", "turn_on", "light.kitchen")]


def test_blinds_are_opened_and_entrances_are_not(home: FakeHome) -> None:
    use(home, "home_switch", entity_id="cover.bedroom", action="turn_on")
    refused = use(home, "home_switch", entity_id="cover.garage", action="turn_on")
    assert "use home_guarded" in refused
    assert home.calls == [("cover", "open_cover", "cover.bedroom")]


@pytest.mark.parametrize("entity_id", ["lock.front_door", "alarm_control_panel.home", "scene.out"])
def test_what_may_do_harm_is_not_done_without_a_question(home: FakeHome, entity_id: str) -> None:
    assert is_error(use(home, "home_switch", entity_id=entity_id, action="turn_off"))
    assert home.calls == []


@pytest.mark.parametrize(
    ("entity_id", "action", "service"),
    [
        ("lock.front_door", "unlock", "unlock"),
        ("cover.garage", "open", "open_cover"),
        ("alarm_control_panel.home", "disarm", "alarm_disarm"),
        ("scene.out", "turn_on", "turn_on"),
    ],
)
def test_guarded_actions(home: FakeHome, entity_id: str, action: str, service: str) -> None:
    use(home, "home_guarded", entity_id=entity_id, action=action)
    assert home.calls == [(entity_id.partition(".")[0], service, entity_id)]


def test_guarded_actions_need_a_yes(home: FakeHome) -> None:
    async def main() -> ToolBox:
        async with opened(tools=(MODULE,), home_assistant_url="http://127.0.0.1:9") as box:
            return box

    specs = asyncio.run(main()).specs
    assert [name for name, spec in specs.items() if spec.confirm] == ["home_guarded"]
    question = specs["home_guarded"].ask({"entity_id": "lock.front_door", "action": "unlock"})
    assert question == "Shall I do this: unlock lock.front_door?"


@pytest.mark.parametrize("entity_id", ["all", "light.a,light.b", "light.x/../../config", "Light.X"])
def test_only_one_entity_is_ever_addressed(home: FakeHome, entity_id: str) -> None:
    for name, more in (
        ("home_state", {}),
        ("home_switch", {"action": "turn_on"}),
        ("home_guarded", {"action": "unlock"}),
    ):
        assert "not an entity_id" in use(home, name, entity_id=entity_id, **more)
    assert home.calls == []


def test_failures_are_told_in_words_without_the_token(
    home: FakeHome, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert "does not know this entity" in use(home, "home_state", entity_id="light.none")
    monkeypatch.setenv(TOKEN_VARIABLE, "another-token")
    with caplog.at_level(logging.DEBUG):
        output = use(home, "home_find")
    assert "rejected the token (401)" in output
    assert "another-token" not in output + caplog.text


def test_a_home_that_is_not_there_is_an_error(home: FakeHome) -> None:
    async def main() -> str:
        async with opened(tools=(MODULE,), home_assistant_url="http://127.0.0.1:9") as box:
            return await box.run("home_find", "{}", "")

    assert "does not answer" in asyncio.run(main())

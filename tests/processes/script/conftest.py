"""One gateway for each transport, for all files of this folder, which one worker runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.processes.looking import settle
from tests.support.gateway import Gateway
from tests.support.plain_client import use_loopback

TOOLS = (
    "openai_link.tools.clock",
    "tests.processes.tools_of_the_house",
    "tests.processes.tools_that_are_refused",
)
SETTINGS = {
    "OPENAI_LINK__GREET": 0,
    "OPENAI_LINK__EMPTY_LINGER_MS": 200,
    "OPENAI_LINK__TOOLS": json.dumps(TOOLS),
    "OPENAI_LINK__TOOL_CONFIRM_TIMEOUT_MS": 120_000,
    "SIMULATOR__BRAIN": "script",
}
WITHOUT_PICTURES = {"SIMULATOR__IMAGES": 0, "OPENAI_LINK__IMAGE_MAX_BYTES": 300_000}
"""Of the gateway that talks over WebRTC."""
RULES = """
[rooms._others]
tools = []
[rooms.den]
tools = ["*"]
"""
WITH_TOOLS = ("tools", "late", "door", "late-door", "loss")
"""Rooms that may use those of the house."""
OF_THE_HOUSE = ("get_time", "humidity", "temperature", "broken", "endless", "slow", "open_door")


@pytest.fixture(scope="package")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Gateway]]:
    """The gateway that reaches its server by a transport, started when it is first asked for."""
    use_loopback()
    rules = tmp_path_factory.mktemp("rules") / "settings.toml"
    tools = f"tools = {json.dumps(OF_THE_HOUSE)}\n"
    rules.write_text(RULES + "".join(f"[rooms.{room}]\n{tools}" for room in WITH_TOOLS))
    with ExitStack() as stack:

        @cache
        def one(transport: str) -> Gateway:
            return stack.enter_context(_configured(rules, transport))

        yield one


def _configured(rules: Path, transport: str) -> Gateway:
    pictures = WITHOUT_PICTURES if transport == "webrtc" else {}
    gateway = Gateway(**SETTINGS, **pictures, OPENAI_LINK__TRANSPORT=transport)
    gateway.env["MIXMINUS_CONFIG"] = str(rules)
    gateway.env["HOUSE_LOG"] = str(gateway.dir / "house.log")
    return gateway


@pytest.fixture
def gateway_by(started: Callable[[str], Gateway]) -> Callable[[str], Gateway]:
    """The folder's gateway by its transport, empty; every test has rooms of its own."""

    def empty(transport: str) -> Gateway:
        gateway = started(transport)
        settle(gateway)
        return gateway

    return empty


@pytest.fixture
def gateway(gateway_by: Callable[[str], Gateway]) -> Gateway:
    """The one that talks over WebRTC."""
    return gateway_by("webrtc")

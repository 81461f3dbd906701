"""Tool servers through the whole gateway. (Each room starts its own: few rooms are enough.)"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.telling import outputs, run, statuses
from tests.support.gateway import ROOT, Gateway
from tests.support.plain_client import PlainClient, use_loopback
from tests.support.waiting import until

pytestmark = pytest.mark.processes

MCP_SERVER = ROOT / "tests" / "openai_link" / "tools" / "mcp_server.py"
RAW_SERVER = MCP_SERVER.with_name("raw_server.py")
_OBJECT = {"type": "object"}
ATTIC = [
    [
        {"name": "next", "inputSchema": _OBJECT},
        {"name": "choice", "inputSchema": {**_OBJECT, "anyOf": [{"required": ["a"]}, {}]}},
        {"name": "left.out", "inputSchema": {"type": "string"}},
    ],
    [{"name": "fresh", "inputSchema": _OBJECT}],
]
"""What the MCP server lists before and after a call of ``next``."""


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    use_loopback()
    editions = Path(tempfile.mkdtemp(prefix="mm-attic-")) / "editions.json"
    editions.write_text(json.dumps(ATTIC))
    servers = {
        "shed": {"command": [sys.executable, str(MCP_SERVER)], "confirm": False},
        "attic": {"command": [sys.executable, str(RAW_SERVER), str(editions)], "confirm": False},
    }
    with Gateway(
        OPENAI_LINK__GREET=0,
        OPENAI_LINK__MCP_SERVERS=json.dumps(servers),
        SIMULATOR__BRAIN="script",
    ) as gateway:
        yield gateway
    shutil.rmtree(editions.parent)


def test_an_mcp_server_gives_tools(gateway: Gateway) -> None:
    async def story(client: PlainClient) -> dict[str, Any]:
        asked_s = 0.0

        def answered() -> bool:
            nonlocal asked_s
            if time.monotonic() - asked_s > 1.0:  # The server may take a while to start.
                asked_s = time.monotonic()
                client.say(type="say", text='Call shed__add with {"a": 2, "b": 40}')
            return any("42" in m["text"] for m in client.of_type("caption"))

        await client.until(answered, "the sum is not told")
        return {"mcp": statuses(client, "shed__add")}

    run(gateway, "shed", story)


async def called(gateway: Gateway, client: PlainClient, name: str) -> None:
    """Ask for a tool of the attic until it runs: the session may not know of it yet."""

    def answers() -> int:
        captions = client.of_type("caption")
        return sum(m["final"] and m["speaker"] == "assistant" for m in captions)

    def state() -> str:
        return f"{client.told()}\n{gateway.log[-4_000:]}"

    while not any(output.startswith(f'["{name}"') for output in outputs(gateway)):
        before = answers()
        client.say(type="say", text=f"Call attic__{name}.")
        await until(lambda: answers() > before, "no answer", state, step_s=0.05)  # noqa: B023


def missing(client: PlainClient) -> list[str]:
    """What the room was told of tools that are missing."""
    return [m["message"] for m in client.of_type("error") if m["code"] == "tools_missing"]


def test_a_server_whose_schemas_are_refused_and_whose_list_changes(gateway: Gateway) -> None:
    async def story(client: PlainClient) -> dict[str, Any]:
        await called(gateway, client, "choice")
        attic = [text for text in missing(client) if "attic" in text]
        assert len(attic) == 1 and "left.out (its arguments are string" in attic[0]
        await called(gateway, client, "next")
        await called(gateway, client, "fresh")
        return {}

    run(gateway, "attic", story)

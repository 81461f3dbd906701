"""Servers that send what no library would: their tools are kept apart, adapted, and replaced."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from openai_link.settings import McpServer
from openai_link.tools import mcp_client
from openai_link.tools.outputs import is_error
from openai_link.tools.toolbox import ToolBox
from tests.openai_link.tools.box import opened
from tests.openai_link.tools.needs import NEEDS_MCP
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.processes, NEEDS_MCP]

SERVER = Path(__file__).with_name("raw_server.py")
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may take long to start on a busy machine."""
    for limit in ("PROBE_S", "PING_S", "RECONNECT_S"):
        monkeypatch.setattr(mcp_client, limit, PATIENCE_S)
    monkeypatch.setattr(mcp_client, "RELIST_S", 0.0)


def tool(name: str, description: Any = "Does it.", schema: Any = None, **more: Any) -> Any:
    found = {"name": name, "description": description, **more}
    return found if schema is None else found | {"inputSchema": schema}


def with_argument(name: str, schema: Any) -> Any:
    return {"type": "object", "properties": {name: schema}, "required": [name]}


class Room:
    """A tool box with one raw server, and what it has told."""

    def __init__(self, box: ToolBox) -> None:
        self.box = box

    def named(self, title: str) -> str:
        """Our name for a tool of the server, by the server's own."""
        return next(n for n, spec in self.box.specs.items() if spec.function.args == (title,))

    async def call(self, title: str, /, **arguments: Any) -> str:
        return await self.box.run(self.named(title), json.dumps(arguments), "")

    async def until(self, condition: Callable[[ToolBox], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self.box):
                await asyncio.sleep(0.01)


def visit(
    folder: Path, editions: list[Any], use: Callable[[Room], Awaitable[None]], **server: Any
) -> None:
    """Run a server with these editions of its tools, and use it."""
    content = folder / "editions.json"
    content.write_text(json.dumps(editions))
    command = (sys.executable, str(SERVER), str(content))

    async def main() -> None:
        servers = {"raw": McpServer(command=command, **server)}
        async with opened(lambda box: box.specs or box.problems, mcp_servers=servers) as box:
            await use(Room(box))

    asyncio.run(main())


def test_tools_whose_names_look_alike_are_each_called_by_their_own(tmp_path: Path) -> None:
    alike = (
        *("gate.shut", "gate_shut", "Gate_shut", "gate shut", "çıkış", "çikiş"),
        *("q" * 70 + "_show", "q" * 70 + "_erase"),
    )
    editions = [[tool(name, f"About {name}.", {"type": "object"}) for name in alike]]

    async def use(room: Room) -> None:
        assert len({name.casefold() for name in room.box.specs}) == len(alike)
        for name in alike:
            spec = room.box.specs[room.named(name)]
            assert spec.description == f"About {name}." and spec.confirm
            assert json.loads(await room.call(name))[0] == name

    visit(tmp_path, editions, use)


def test_names_are_the_same_after_a_restart_and_in_another_order(tmp_path: Path) -> None:
    tools = [tool(name, schema={"type": "object"}) for name in ("gate.shut", "gate_shut", "é")]
    found: list[dict[str, str]] = []

    async def use(room: Room) -> None:
        found.append({spec.title: name for name, spec in room.box.specs.items()})

    visit(tmp_path, [tools], use)
    visit(tmp_path, [tools[::-1]], use)
    assert found[0] == found[1] and len(found[0]) == 3


def test_a_schema_that_is_refused_costs_no_tool_that_can_be_adapted(tmp_path: Path) -> None:
    choice = {
        "type": "object",
        "properties": {"number": NUMBER, "title": TEXT},
        "anyOf": [{"required": ["number"]}, {"required": ["title"]}],
    }
    editions = [
        [
            tool("plain", schema=with_argument("n", NUMBER)),
            tool("look_up", "Looks something up.", choice),
            tool("untyped", schema={"properties": {"a": TEXT}}),
            tool("schemaless"),
            tool("anything", schema=True),
            tool("text", schema={"type": "string"}),
            tool("broken", 7, {"type": "object", "properties": [], "required": "x"}),
            {"name": 5},
            "no tool",
        ]
    ]

    async def use(room: Room) -> None:
        titles = [spec.title.removeprefix("raw: ") for spec in room.box.specs.values()]
        assert titles == ["plain", "look_up", "untyped", "schemaless", "anything", "broken"]
        found = room.box.specs["raw__look_up"]
        assert set(found.parameters) == {"type", "properties"}
        assert found.description == "Looks something up. Give at least one of: number; title."
        assert json.loads(await room.call("look_up", title="x"))[1] == {"title": "x"}
        assert is_error(await room.call("look_up", other="x"))
        assert is_error(await room.call("plain", n="x"))
        assert len(room.box.problems) == 1
        assert "text (its arguments are string, not an object)" in room.box.problems[0]

    visit(tmp_path, editions, use)


def test_a_list_that_changes_is_replaced_as_a_whole(tmp_path: Path) -> None:
    editions = [
        [
            tool("next", schema={"type": "object"}),
            tool("gone", schema={"type": "object"}),
            tool("moved", "The first.", with_argument("a", TEXT)),
        ],
        [
            tool("next", schema={"type": "object"}),
            tool("moved", "The second.", with_argument("b", NUMBER)),
            tool("new", schema={"type": "object"}),
        ],
        [tool("moved", "The third.", {"type": "object"})],
    ]

    async def use(room: Room) -> None:
        specs = room.box.specs
        assert list(specs) == ["raw__next", "raw__gone", "raw__moved"]
        await room.call("next")
        await room.until(lambda box: "raw__new" in box.specs)
        assert list(specs) == ["raw__next", "raw__moved", "raw__new"]
        moved = specs["raw__moved"]
        assert moved.description == "The second." and list(moved.parameters["properties"]) == ["b"]
        assert is_error(await room.call("moved", a="x"))
        assert json.loads(await room.call("moved", b=1)) == ["moved", {"b": 1}]
        assert is_error(await room.box.run("raw__gone", "{}", ""))
        await room.call("next")
        await room.until(lambda box: list(box.specs) == ["raw__moved"])
        assert room.box.problems == []

    visit(tmp_path, editions, use)


def test_pages_are_read_to_the_end_and_more_than_the_service_takes_is_kept(tmp_path: Path) -> None:
    editions = [[tool(f"t{number}", schema={"type": "object"}) for number in range(150)]]

    async def use(room: Room) -> None:
        assert list(room.box.specs) == [f"raw__t{number}" for number in range(150)]

    visit(tmp_path, editions, use)


def test_results_that_are_none_cost_the_call_and_not_the_connection(tmp_path: Path) -> None:
    typed = {"type": "object", "properties": {"x": NUMBER}, "required": ["x"]}
    editions = [
        [
            tool("malformed", schema={"type": "object"}),
            tool("typed", schema={"type": "object"}, outputSchema=typed),
            tool("odd", schema={"type": "object"}, outputSchema="none", annotations=[], icons=5),
        ]
    ]

    async def use(room: Room) -> None:
        wrong = await room.call("malformed")
        assert is_error(wrong) and "no answer of the protocol" in wrong
        for name in ("typed", "odd"):
            assert json.loads(await room.call(name))[0] == name

    visit(tmp_path, editions, use)


def test_a_server_that_was_away_comes_back_with_the_tools_that_it_has_now(tmp_path: Path) -> None:
    first = [tool("stays", schema={"type": "object"}), tool("goes", schema={"type": "object"})]
    content = tmp_path / "editions.json"

    async def use(room: Room) -> None:
        assert list(room.box.specs) == ["raw__stays", "raw__goes", "raw__exit"]
        content.write_text(json.dumps([[*first[:1], tool("comes", schema={"type": "object"})]]))
        lost = await room.call("exit")
        assert is_error(lost)
        assert json.loads(await room.call("stays"))[0] == "stays"
        assert list(room.box.specs) == ["raw__stays", "raw__comes"]
        gone = await room.box.run("raw__goes", "{}", "")
        assert is_error(gone) and "there is no tool" in gone

    visit(tmp_path, [[*first, tool("exit", schema={"type": "object"})]], use)


def test_a_call_does_not_end_a_server_that_is_busy_with_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, until = tmp_path / "begun", tmp_path / "until"

    async def use(room: Room) -> None:
        slow = asyncio.create_task(room.call("busy", begun=str(begun), until=str(until)))
        await room.until(lambda box: begun.exists())
        monkeypatch.setattr(mcp_client, "PROBE_S", 0.05)
        monkeypatch.setattr(mcp_client, "FRESH_S", -1.0)
        quick = asyncio.create_task(room.call("other"))
        await asyncio.wait({slow, quick}, timeout=10 * mcp_client.PROBE_S)
        until.touch()
        assert json.loads(await slow)[0] == "busy"
        assert json.loads(await quick)[0] == "other"

    tools = [tool(name, schema={"type": "object"}) for name in ("busy", "other")]
    visit(tmp_path, [tools], use)


def test_a_server_that_lists_slowly_is_not_taken_to_be_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_client, "FRESH_S", PATIENCE_S)
    editions = [[tool(name, schema={"type": "object"}) for name in ("mute", "is_mute")]]

    async def use(room: Room) -> None:
        await room.call("mute")
        monkeypatch.setattr(mcp_client, "FRESH_S", 0.0)
        assert json.loads(await room.call("is_mute")) == ["is_mute", True], "it is another process"

    visit(tmp_path, editions, use)


def test_what_a_file_has_is_told(tmp_path: Path) -> None:
    async def use(room: Room) -> None:
        assert (await room.call("file")).splitlines() == [
            "Here it is:", "milk", "eggs", "[resource: file:///b.bin]",
            "[resource_link: https://h/c]", "[image]",
        ]  # fmt: skip

    visit(tmp_path, [[tool("file", schema={"type": "object"})]], use)

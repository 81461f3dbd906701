"""Real MCP servers: on standard input and output, and by streamable HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from openai_link.settings import McpServer, OpenaiLinkSettings
from openai_link.tools import mcp_client
from openai_link.tools.outputs import is_error
from openai_link.tools.toolbox import ToolBox
from tests.openai_link.tools.box import LOG, offers, opened
from tests.openai_link.tools.needs import NEEDS_MCP
from tests.support.gateway import free_port
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.processes, NEEDS_MCP]

SERVER = Path(__file__).with_name("mcp_server.py")
STDIO = (sys.executable, str(SERVER))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may take long to start on a busy machine."""
    for limit in ("PROBE_S", "RECONNECT_S"):
        monkeypatch.setattr(mcp_client, limit, PATIENCE_S)


async def number(box: ToolBox, name: str) -> int:
    return int(await box.run(name, "{}", ""))


def test_a_server_on_standard_input_and_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    monkeypatch.setenv("SHED_TOKEN", "hush-hush")
    server = McpServer(command=STDIO, token_variable="SHED_TOKEN")

    async def main() -> None:
        async with opened(offers("shed__add"), mcp_servers={"shed": server}) as box:
            spec = box.specs["shed__add"]
            assert spec.confirm
            assert spec.definition()["parameters"]["required"] == ["a", "b"]
            assert spec.description == "Add two numbers."
            assert await box.run("shed__add", '{"a":2,"b":3}', "") == "5"
            wrong = await box.run("shed__add", '{"a":"x"}', "")
            assert is_error(wrong)
            failed = await box.run("shed__fail", "{}", "")
            assert is_error(failed)
            read_env = next(n for n, s in box.specs.items() if s.title == "shed: read.env")
            key = await box.run(read_env, '{"variable":"OPENAI_API_KEY"}', "")
            own = await box.run(read_env, '{"variable":"SHED_TOKEN"}', "")
            assert (key, own) == ("unset", "[redacted]")
            process = await number(box, "shed__process")
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)

    asyncio.run(main())


def test_servers_are_not_waited_for() -> None:
    server = McpServer(command=STDIO, allow=("add",))
    settings = OpenaiLinkSettings(mcp_servers={"shed": server, "none": McpServer()})

    async def main() -> None:
        changed = asyncio.Event()
        box = ToolBox(settings, LOG, changed.set)
        await box.load()
        assert list(box.specs) == ["get_time"] and changed.is_set()
        async with asyncio.timeout(PATIENCE_S):
            while "shed__add" not in box.specs or not any("none" in p for p in box.problems):
                changed.clear()
                await changed.wait()
        await box.close()

    asyncio.run(main())


def test_only_the_allowed_tools_are_offered() -> None:
    server = McpServer(command=STDIO, allow=("add", "nothing"), confirm=False)

    async def main() -> ToolBox:
        async with opened(offers("my_shed__add"), mcp_servers={"my shed": server}) as box:
            return box

    box = asyncio.run(main())
    assert list(box.specs) == ["my_shed__add"]
    assert not box.specs["my_shed__add"].confirm


def test_a_server_that_died_is_started_again_and_its_call_not_repeated() -> None:
    async def main() -> None:
        async with opened(
            offers("shed__process"), mcp_servers={"shed": McpServer(command=STDIO)}
        ) as box:
            first = await number(box, "shed__process")
            lost = await box.run("shed__die", "{}", "")
            assert "may or may not have been done" in json.loads(lost)["error"]
            second = await number(box, "shed__process")
            assert second != first

    asyncio.run(main())


def test_a_server_that_died_while_nobody_called_it_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("openai_link.tools.mcp_client.FRESH_S", 0.0)

    async def main() -> None:
        async with opened(
            offers("shed__process"), mcp_servers={"shed": McpServer(command=STDIO)}
        ) as box:
            first = await number(box, "shed__process")
            os.kill(first, signal.SIGKILL)
            assert await number(box, "shed__process") != first

    asyncio.run(main())


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (McpServer(), "set either command or url"),
        (McpServer(command=("/no/such/program",)), "is not there"),
        (
            McpServer(command=(sys.executable, "-c", "raise SystemExit(1)")),
            "its tools are offered once",
        ),
        (McpServer(url="http://127.0.0.1:9/mcp"), "its tools are offered once"),
        (McpServer(command=STDIO, token_variable="NOT_SET"), "the variable NOT_SET is not set"),
    ],
)
def test_a_server_that_cannot_be_reached_is_a_line_and_not_fatal(
    server: McpServer, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openai_link.tools.toolbox.SERVER_TIMEOUT_S", 1.0)

    async def main() -> ToolBox:
        tools = ("openai_link.tools.clock",)
        async with opened(
            lambda box: box.problems, mcp_servers={"shed": server}, tools=tools
        ) as box:
            return box

    box = asyncio.run(main())
    assert list(box.specs) == ["get_time"]
    assert words in box.problems[0]


@pytest.mark.parametrize("limit", ["CONNECT_TIMEOUT_S", "LIST_TIMEOUT_S"])
def test_a_server_that_never_answers_is_given_up_and_tried_again(
    limit: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It keeps silent from the beginning, or when it is asked for its tools."""
    monkeypatch.setattr(mcp_client, limit, 0.5)
    monkeypatch.setattr(mcp_client, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr("openai_link.tools.toolbox.SERVER_TIMEOUT_S", 0.0)
    silent = (sys.executable, str(SERVER.with_name("silent_server.py")), limit)

    async def main() -> None:
        async with opened(mcp_servers={"shed": McpServer(command=silent)}):
            async with asyncio.timeout(PATIENCE_S):
                while sum("within 0.5 s" in line for line in caplog.messages) < 2:
                    await asyncio.sleep(0.01)

    with caplog.at_level("WARNING"):
        asyncio.run(main())
    assert not any("Traceback" in line for line in caplog.messages)


@pytest.fixture
def http_port() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([*STDIO, str(port)], stderr=subprocess.DEVNULL)
    yield port
    process.terminate()
    process.wait(PATIENCE_S)


def test_a_server_by_streamable_http(http_port: int) -> None:
    server = McpServer(url=f"http://127.0.0.1:{http_port}/mcp")

    async def main() -> str:
        async with opened(offers("shed__add"), mcp_servers={"shed": server}) as box:
            return await box.run("shed__add", '{"a":2,"b":3}', "")

    assert asyncio.run(main()) == "5"

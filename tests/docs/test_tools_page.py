"""The worked examples of ``docs/tools.md`` work as they stand there."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from deploy.settings import AllSettings
from mixer_core.runtime.settings import load_all
from openai_link.settings import OpenaiLinkSettings
from openai_link.tools import mcp_client
from openai_link.tools.home_assistant import TOKEN_VARIABLE
from openai_link.tools.toolbox import ToolBox
from tests.docs.documents import read
from tests.openai_link.tools.box import LOG
from tests.openai_link.tools.test_home_assistant import TOKEN, FakeHome
from tests.support.waiting import PATIENCE_S

FOLDER = "/srv/mixminus"


@pytest.fixture
def blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings by what they name; the modules are written where Python finds them."""
    found = {}
    for block in read("docs/tools.md").blocks:
        if name := re.match(r"# (\w+\.py)\n", block.text):
            (tmp_path / name[1]).write_text(block.text, encoding="utf-8")
        elif block.language == "toml":
            found[block.text] = block.text.replace(FOLDER, str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    return found


def settings_with(blocks: dict[str, str], words: str, folder: Path) -> OpenaiLinkSettings:
    """What the block of settings that has ``words`` makes."""
    (text,) = (block for block in blocks.values() if words in block)
    file = folder / "my.toml"
    file.write_text(text, encoding="utf-8")
    return load_all(AllSettings, {"MIXMINUS_CONFIG": str(file)}).openai_link


async def answers(settings: OpenaiLinkSettings, *calls: tuple[str, str]) -> list[str]:
    """The outputs of tool calls, once all their tools are offered."""
    changed = asyncio.Event()
    box = ToolBox(settings, LOG, changed.set)
    try:
        await box.load()
        async with asyncio.timeout(PATIENCE_S):
            while not {name for name, _ in calls} <= set(box.specs):
                changed.clear()
                await changed.wait()
        return [await box.run(name, arguments, "Anna") for name, arguments in calls]
    finally:
        await box.close()


@pytest.mark.sockets
def test_home_assistant(
    blocks: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    settings = settings_with(blocks, "home_assistant_url", tmp_path)

    async def main() -> None:
        home = FakeHome()
        async with TestServer(home.app()) as server:
            here = replace(settings, home_assistant_url=str(server.make_url("/")))
            found, _ = await answers(
                here,
                ("home_find", '{"area": "Kitchen", "domain": "light"}'),
                ("home_switch", '{"entity_id": "light.kitchen", "action": "turn_on"}'),
            )
            assert json.loads(found)[0]["entity_id"] == "light.kitchen"
            assert ("light", "turn_on", "light.kitchen") in home.calls

    asyncio.run(main())


@pytest.mark.processes
def test_the_server_that_keeps_notes(
    blocks: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mcp")
    for limit in ("PROBE_S", "RECONNECT_S"):
        monkeypatch.setattr(mcp_client, limit, PATIENCE_S)
    settings = settings_with(blocks, "mcp_servers.notes", tmp_path)
    notes, waste = settings.mcp_servers["notes"], settings.mcp_servers["bin"]
    assert (notes.confirm, waste.confirm, waste.command) == (False, True, notes.command)
    server = replace(notes, command=(sys.executable, *notes.command[1:]))
    noted, kept = asyncio.run(
        answers(
            replace(settings, tools=(), mcp_servers={"notes": server}),
            ("notes__add_note", '{"text": "two\\n lemons"}'),
            ("notes__read_notes", "{}"),
        )
    )
    assert noted == "noted" and "two lemons" in kept


def test_a_function_of_ones_own(blocks: dict[str, str], tmp_path: Path) -> None:
    settings = settings_with(blocks, "garden_tools", tmp_path)
    level, watered, refused = asyncio.run(
        answers(
            settings,
            ("water_level", "{}"),
            ("water_garden", '{"minutes": 10}'),
            ("water_garden", '{"minutes": 60}'),
        )
    )
    assert level == "640 litres"
    assert json.loads(watered) == {"asked_by": "Anna", "litres_left": 440}
    assert json.loads(refused)["error"] == "that takes 1200 litres, there are 440"

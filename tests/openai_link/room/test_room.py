"""What outlives the calls of a room: its end in the journal, and whose money it spends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from mixer_core.journal import reading
from mixer_core.journal.file import journal_path, local_day
from mixer_core.runtime import logs
from mixer_core.runtime.settings import RuntimeSettings
from openai_link.realtime.captions import Caption
from openai_link.realtime.client_events import ClientEvents
from openai_link.realtime.facts import ItemAdded, ResponseEnded
from openai_link.realtime.problems import Problem
from openai_link.room.room import Room
from openai_link.room.tool_room import ToolRoom
from openai_link.settings import OpenaiLinkSettings, Settings
from tests.support.waiting import PATIENCE_S, until

LOG = logs.get("openai_link")
USAGE = {"input_tokens": 1_000, "output_tokens": 1_000}


def now_ms() -> int:
    return int(time.time() * 1000)


class Host:
    """A link that remembers what it is asked."""

    def __init__(self) -> None:
        self.told: list[Mapping[str, Any]] = []
        self.problems: list[Problem] = []
        self.reports: list[str] = []

    def tell(self, event: Mapping[str, Any], addressee: int = 0) -> None:
        self.told.append(event)

    def report(self, code: str, message: str) -> None:
        self.reports.append(code)

    def send(self, make: Callable[[ClientEvents], dict[str, Any]]) -> bool:
        return False

    def ask(self, overrides: Mapping[str, Any] | None = None) -> bool:
        return False

    def stop(self, problem: Problem) -> None:
        self.problems.append(problem)

    def tools_changed(self) -> None: ...

    def changed(self) -> None: ...


class LateTools(ToolRoom):
    """Tools that take their time to close."""

    patience: Callable[[], Awaitable[None]]

    async def close(self) -> None:
        await self.patience()
        await super().close()


def settings(state_dir: Path, **link: Any) -> Settings:
    return Settings(
        runtime=RuntimeSettings(state_dir=str(state_dir)), openai_link=OpenaiLinkSettings(**link)
    )


def written(item: str, text: str) -> ItemAdded:
    part = {"type": "input_text", "text": text}
    content = {"id": item, "type": "message", "role": "user", "content": [part]}
    return ItemAdded(item, "", {**content, "status": "completed"})


def conversations(state_dir: Path) -> list[reading.Conversation]:
    path = journal_path(state_dir)
    return reading.conversations(path, "home") if path.exists() else []


def test_the_end_is_written_at_once_and_nothing_said_comes_after_it(short_dir: Path) -> None:
    async def run() -> None:
        host = Host()
        room = Room("home", settings(short_dir), host, LOG)
        await room.opened()
        room.on_fact(written("i1", "Good night."), 0)
        room.over()
        await until(lambda: [c.ended_ms for c in conversations(short_dir)] != [], "no record")
        await until(lambda: conversations(short_dir)[0].ended_ms is not None, "no end")
        room.over()
        room.on_fact(written("i2", "Anybody?"), 0)
        room.on_fact(Caption("assistant", "i3", "I am.", True), 0)
        await until(lambda: host.told, "a caption after the end is told all the same")
        await room.close(True)

    asyncio.run(run())
    (conversation,) = conversations(short_dir)
    assert conversation.reason == "the room is empty"
    items = reading.items_of(journal_path(short_dir), conversation.id)
    assert [item.text for item in items] == ["Good night."]


def test_the_end_is_in_the_journal_before_slow_tools_are_closed(short_dir: Path) -> None:
    async def run() -> None:
        room = Room("home", settings(short_dir), Host(), LOG)
        await room.opened()
        room.on_fact(written("i1", "Good night."), 0)
        tools = LateTools(OpenaiLinkSettings(), Host(), lambda call, output, ok: None, LOG)

        async def patience() -> None:
            await until(lambda: conversations(short_dir)[0].ended_ms, "the journal waits for us")

        tools.patience = patience
        room.tools = tools
        async with asyncio.timeout(PATIENCE_S):
            await room.close(True)

    asyncio.run(run())
    assert conversations(short_dir)[0].ended_ms is not None


def test_a_room_that_is_only_restarted_has_no_end(short_dir: Path) -> None:
    async def run() -> list[str]:
        room = Room("home", settings(short_dir), Host(), LOG)
        await room.opened()
        room.on_fact(written("i1", "Good night."), 0)
        await room.close(False)
        again = Room("home", settings(short_dir), Host(), LOG)
        await again.opened()
        texts = [item.text for item in again.items()]
        await again.close(False)
        return texts

    assert asyncio.run(run()) == ["Good night."]


def test_what_a_simulator_counts_is_no_money(short_dir: Path) -> None:
    async def spend(simulated: bool) -> tuple[Host, dict[str, Any]]:
        host = Host()
        budget = settings(short_dir, daily_budget_usd=0.01)
        room = Room("home", budget, host, LOG, simulated=simulated)
        await room.opened()
        if not simulated:
            assert room.spending.blocked(now_ms()) is None, "the simulator spent it"
        room.on_fact(ResponseEnded("r1", "completed", usage=USAGE), 0)
        await room.close(True)
        (told,) = [event for event in host.told if event["type"] == "usage"]
        return host, told["day"]

    async def blocked(simulated: bool) -> bool:
        budget = settings(short_dir, daily_budget_usd=0.01)
        room = Room("den", budget, Host(), LOG, simulated=simulated)
        await room.opened()
        is_blocked = room.spending.blocked(now_ms()) is not None
        await room.close(True)
        return is_blocked

    def day_usd() -> float:
        spent = reading.spent(journal_path(short_dir), "home", local_day(now_ms()))
        return spent[1].cost_usd

    host, day = asyncio.run(spend(True))
    assert [problem.code for problem in host.problems] == ["budget_spent"]
    assert day["day"] == local_day(now_ms())
    assert asyncio.run(blocked(True)) and not asyncio.run(blocked(False))
    simulated_usd = day_usd()
    assert simulated_usd == day["cost_usd"] > 0.01, "a simulated room shows its own kind"
    _, day = asyncio.run(spend(False))
    assert day_usd() == day["cost_usd"] == simulated_usd, "each has only its own"

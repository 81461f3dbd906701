"""The runner with a real tool box: tasks, cancelling, failures, a bounded end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable

import pytest

from openai_link.settings import OpenaiLinkSettings
from openai_link.tools.outputs import is_error
from openai_link.tools.runner import ToolRunner
from tests.openai_link.tools import household
from tests.openai_link.tools.box import LOG
from tests.support.waiting import PATIENCE_S, until

HERE = "tests.openai_link.tools"


class Room:
    """A runner and what it said."""

    def __init__(self, *modules: str) -> None:
        self.changes = 0
        self.answers: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        settings = OpenaiLinkSettings(tools=modules)
        self.runner = ToolRunner(settings, LOG, self.changed, self.answered)

    def changed(self) -> None:
        self.changes += 1

    def answered(self, call: str, output: str) -> None:
        self.answers.put_nowait((call, output))

    async def loaded(self) -> None:
        """Wait until the modules are there."""
        await until(lambda: self.changes, "no tools came")

    async def answer(self) -> tuple[str, str]:
        async with asyncio.timeout(PATIENCE_S):
            return await self.answers.get()


def in_room(work: Callable[[Room], Awaitable[None]], *modules: str) -> Room:
    """Do ``work`` with a runner that has loaded ``modules``; the household by default."""

    async def main() -> Room:
        room = Room(*(modules or (f"{HERE}.household",)))
        room.runner.start()
        await room.loaded()
        try:
            await work(room)
        finally:
            await room.runner.close()
        return room

    return asyncio.run(main())


def test_tools_come_after_the_start_and_the_mapping_stays_the_same() -> None:
    async def main() -> None:
        room = Room(f"{HERE}.household", "no.such.module")
        specs = room.runner.specs
        assert not specs and room.runner.definitions() == []
        room.runner.start()
        assert not specs and room.changes == 0
        await room.loaded()
        assert "greet" in specs and room.changes == 1
        assert {d["name"] for d in room.runner.definitions()} == set(specs)
        (problem,) = room.runner.problems
        assert "no.such.module" in problem
        await room.runner.close()

    asyncio.run(main())


def test_without_tools_nothing_is_loaded() -> None:
    async def main() -> None:
        room = Room()
        room.runner.start()
        await asyncio.sleep(0)
        await room.runner.close()
        assert room.changes == 0

    asyncio.run(main())


def test_calls_run_beside_each_other_and_each_is_answered() -> None:
    async def work(room: Room) -> None:
        room.runner.run("slow", "sleep", "{}", "Anna")
        room.runner.run("quick", "greet", '{"word":"Hi"}', "Ben")
        call, output = await room.answer()
        assert call == "quick" and json.loads(output)["text"] == "Hi Ben"
        call, output = await room.answer()
        assert call == "slow" and "took too long" in output

    in_room(work)


def test_a_failure_is_an_output() -> None:
    async def work(room: Room) -> None:
        for name in ("break_it", "leave", "no_such_tool"):
            room.runner.run(name, name, "{}", "")
            call, output = await room.answer()
            assert call == name and is_error(output)

    in_room(work)


def test_a_cancelled_call_is_not_answered() -> None:
    async def work(room: Room) -> None:
        room.runner.run("a", "sleep", "{}", "")
        room.runner.run("b", "hang", "{}", "")
        room.runner.cancel("a")
        room.runner.cancel("b")
        room.runner.cancel("never")
        household.RELEASE.set()
        room.runner.run("c", "refuse", "{}", "")
        call, _ = await room.answer()
        assert call == "c"

    household.RELEASE.clear()
    assert in_room(work).answers.empty()


def test_a_tool_that_ignores_its_cancellation_is_not_answered_either(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work(room: Room) -> None:
        room.runner.run("deaf", "ignore_cancelling", "{}", "")
        (task,) = (t for t in asyncio.all_tasks() if t.get_name() == "tool ignore_cancelling")
        await asyncio.sleep(0)
        room.runner.cancel("deaf")
        await asyncio.sleep(0)
        household.LET_GO.set()
        await asyncio.wait([task])

    household.LET_GO.clear()
    with caplog.at_level(logging.WARNING):
        assert in_room(work).answers.empty()
    assert not caplog.text


def test_the_end_is_bounded_and_final(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        room = Room(f"{HERE}.household")
        room.runner.start()
        await room.loaded()
        room.runner.run("deaf", "ignore_cancelling", "{}", "")
        room.runner.run("asleep", "sleep", "{}", "")
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_S):
            await room.runner.close()  # The deaf tool never ends by itself.
        household.LET_GO.set()
        await asyncio.sleep(0)
        await room.runner.close()
        assert room.answers.empty()

    household.LET_GO.clear()
    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert "tool ignore_cancelling did not end" in caplog.text


def test_closing_while_modules_load_is_final() -> None:
    async def main() -> None:
        room = Room(f"{HERE}.household")
        room.runner.start()
        await asyncio.sleep(0)
        await room.runner.close()
        assert room.changes == 0

    asyncio.run(main())


def test_an_error_of_ours_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail(call: str, output: str) -> None:
        raise RuntimeError(f"cannot take the output of {call}")

    async def main() -> None:
        settings = OpenaiLinkSettings(tools=(f"{HERE}.household",))
        runner = ToolRunner(settings, LOG, lambda: None, fail)
        runner.start()
        await until(lambda: runner.specs, "no tools came")
        runner.run("a", "refuse", "{}", "")
        await until(lambda: "cannot take the output of a" in caplog.text, "nothing is logged")
        await runner.close()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())

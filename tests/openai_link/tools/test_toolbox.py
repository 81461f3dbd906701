"""The tool box: loading, threads, timeouts, failures, secrets."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from openai_link.simulator.engine.strict_tools import check_function_tools
from openai_link.tools.outputs import MAX_OUTPUT_BYTES, is_error
from openai_link.tools.toolbox import MAX_THREADS, ToolBox
from tests.openai_link.tools import household
from tests.openai_link.tools.box import opened
from tests.support.waiting import PATIENCE_S

HERE = "tests.openai_link.tools"


def use(name: str, arguments: str = "{}", who: str = "Anna") -> str:
    """The output of one tool of the household."""

    async def main() -> str:
        async with opened(tools=(f"{HERE}.household",), tool_timeout_ms=2_000) as box:
            return await box.run(name, arguments, who)

    return asyncio.run(main())


def test_a_module_is_configured_and_only_its_own_tools_are_offered() -> None:
    async def main() -> ToolBox:
        async with opened(tools=(f"{HERE}.household",), model="some-model") as box:
            return box

    box = asyncio.run(main())
    assert household.CONFIGURED[-1] == "some-model"
    assert "where" in box.specs
    assert "get_time" not in box.specs
    assert {definition["name"] for definition in box.definitions()} == set(box.specs)
    check_function_tools(box.definitions(), "session.tools")
    assert box.problems == []


def test_bad_modules_are_one_line_each_and_never_fatal(caplog: pytest.LogCaptureFixture) -> None:
    names = ("no.such.module", f"{HERE}.silent_module", f"{HERE}.broken_module")

    async def main() -> ToolBox:
        async with opened(tools=(*names, "openai_link.tools.clock")) as box:
            return box

    with caplog.at_level(logging.WARNING):
        box = asyncio.run(main())
    assert list(box.specs) == ["get_time"]
    assert [problem.split(":")[0] for problem in box.problems] == [f"tools of {n}" for n in names]
    assert "ModuleNotFoundError" in box.problems[0]
    assert "no function with @tool" in box.problems[1]
    assert "parameter x needs a type" in box.problems[2]
    assert len(caplog.records) == 3


def test_home_assistant_without_its_settings_says_what_is_missing() -> None:
    async def main() -> ToolBox:
        async with opened(tools=("openai_link.tools.home_assistant",)) as box:
            return box

    assert "set [openai_link] home_assistant_url" in asyncio.run(main()).problems[0]


def test_plain_functions_run_in_threads_and_async_ones_on_the_loop() -> None:
    assert use("where") == "tool"
    assert json.loads(use("greet", '{"word":"Hi"}', "Ben")) == {
        "text": "Hi Ben", "thread": "MainThread",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("nothing", "{}", "there is no tool 'nothing'"),
        ("greet", '{"word":1}', "Expected `str`"),
        ("greet", '{"who":"Eve"}', "unknown field `who`"),
        ("break_it", "{}", "break_it failed: ValueError: bad luck"),
        ("refuse", "{}", "the tank is not known"),
        ("leave", "{}", "SystemExit: 3"),
        ("leave_thread", "{}", "SystemExit: 3"),
        ("cancel_itself", "{}", "CancelledError"),
        ("sleep", "{}", "took too long"),
    ],
)
def test_whatever_goes_wrong_is_an_output(name: str, arguments: str, words: str) -> None:
    output = use(name, arguments)
    assert is_error(output)
    assert words in json.loads(output)["error"]


def test_the_traceback_is_in_the_log_only_and_secrets_are_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TANK_TOKEN", household.SECRET)
    with caplog.at_level(logging.INFO):
        output = use("break_it")
        leaked = use("leak")
    assert "Traceback" in caplog.text
    assert "Traceback" not in output
    assert leaked == "[redacted]"
    assert household.SECRET not in output + caplog.text


def test_secrets_of_headers_are_no_output_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CF_ACCESS", household.SECRET)
    settings = {"tools": (f"{HERE}.household",), "headers": {"X-Access": "Access ${CF_ACCESS}"}}

    async def main() -> str:
        async with opened(**settings) as box:
            return await box.run("leak", "{}", "Anna")

    assert asyncio.run(main()) == "[redacted]"


def test_an_output_is_bounded() -> None:
    assert len(use("flood").encode()) <= MAX_OUTPUT_BYTES


def test_functions_that_hang_neither_stop_the_loop_nor_use_up_more_than_their_places() -> None:
    async def main() -> list[str]:
        async with opened(tools=(f"{HERE}.household",)) as box:
            runs = (box.run("hang", "{}", "") for _ in range(MAX_THREADS + 1))
            results = await asyncio.gather(*runs)
            household.RELEASE.set()
            async with asyncio.timeout(PATIENCE_S):
                while is_error(await box.run("where", "{}", "")):
                    await asyncio.sleep(0.01)
            return results

    household.RELEASE.clear()
    results = asyncio.run(main())
    assert sum("took too long" in result for result in results) == MAX_THREADS
    assert sum("too many tools" in result for result in results) == 1


def test_cancelling_a_run_is_passed_on() -> None:
    async def main() -> None:
        async with opened(tools=(f"{HERE}.household",)) as box:
            task = asyncio.create_task(box.run("sleep", "{}", ""))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


def test_the_clock_tells_the_time_of_a_zone() -> None:
    async def main() -> list[str]:
        async with opened(tools=("openai_link.tools.clock",)) as box:
            return [
                await box.run("get_time", arguments, "")
                for arguments in ("{}", '{"time_zone":"Asia/Tokyo"}', '{"time_zone":"../etc"}')
            ]

    local, tokyo, wrong = asyncio.run(main())
    assert set(json.loads(local)) == {"time", "date", "weekday", "time_zone", "utc_offset"}
    assert json.loads(tokyo)["utc_offset"] == "+0900"
    assert "no time zone" in json.loads(wrong)["error"]

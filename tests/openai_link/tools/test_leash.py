"""A tool server can end only itself: whatever it does, its room's process ends, and it does too."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openai_link.settings import McpServer, OpenaiLinkSettings
from openai_link.tools import mcp_process
from openai_link.tools.leash import TERM_S
from openai_link.tools.toolbox import ToolBox
from tests.openai_link.tools.box import LOG
from tests.openai_link.tools.needs import NEEDS_MCP
from tests.openai_link.tools.room_process import SERVER
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.processes, NEEDS_MCP]

HERE = Path(__file__).parents[3]
WAYS = {
    "does not end with its input": (),
    "ignores SIGTERM": ("ignores_term",),
    "forks": ("forks",),
    "forks and ignores SIGTERM": ("forks", "ignores_term"),
    "leaves others behind": ("forks", "leaves", "ignores_term"),
    "floods its error output": ("floods_errors", "ignores_term"),
    "floods its output": ("floods_output", "ignores_term"),
    "writes a line without end": ("endless_line",),
    "writes what nests without end": ("deep",),
}


def is_alive(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in b"ZX"
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], limit_s: float = PATIENCE_S) -> bool:
    until_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.02)
    return True


class Pids:
    """The processes of one server, by what they write to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> list[int]:
        with contextlib.suppress(OSError):
            return [int(line) for line in self.path.read_text().split()]
        return []

    def alive(self) -> list[int]:
        return [process for process in self.all() if is_alive(process)]


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Pids]:
    found = Pids(tmp_path / "pids")
    yield found
    left = found.alive()
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert not left


def expected(ways: tuple[str, ...]) -> int:
    return 4 if "forks" in ways else 1


def leashed(pids: Pids, ways: tuple[str, ...]) -> subprocess.Popen[bytes]:
    command = (sys.executable, SERVER, str(pids.path), *ways)
    return subprocess.Popen(
        (sys.executable, "-I", "-S", str(mcp_process.LEASH), str(os.getpid()), *command),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.mark.parametrize("ways", WAYS.values(), ids=WAYS)
def test_the_leash_ends_the_server_and_what_it_started(pids: Pids, ways: tuple[str, ...]) -> None:
    with leashed(pids, ways) as leash:
        assert wait_for(lambda: len(pids.all()) == expected(ways))
        leash.terminate()
        leash.wait(PATIENCE_S)
        assert pids.alive() == []


def test_a_server_that_ends_is_no_trouble(pids: Pids) -> None:
    with leashed(pids, ("ends_with_input",)) as leash:
        assert wait_for(lambda: len(pids.all()) == 1)
        assert leash.stdin is not None
        leash.stdin.close()
        assert leash.wait(PATIENCE_S) == 0


def test_the_kernel_ends_a_server_whose_leash_was_killed(pids: Pids) -> None:
    with leashed(pids, ("ignores_term",)) as leash:
        assert wait_for(lambda: len(pids.all()) == 1)
        leash.kill()
        assert wait_for(lambda: not pids.alive())


def room_process(pids: Pids, ways: tuple[str, ...]) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-m", "tests.openai_link.tools.room_process", str(pids.path), *ways)
    return subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("ways", [WAYS["forks and ignores SIGTERM"], WAYS["floods its output"]])
def test_no_server_outlives_its_room_or_keeps_it(
    pids: Pids, ways: tuple[str, ...], number: signal.Signals
) -> None:
    with room_process(pids, ways) as room:
        assert wait_for(lambda: len(pids.all()) >= expected(ways))
        room.send_signal(number)
        room.wait(PATIENCE_S)
        assert wait_for(lambda: not pids.alive(), PATIENCE_S)


@pytest.mark.parametrize("ways", [("floods_errors",), ("floods_output",), ("endless_line",)])
def test_what_a_server_writes_grows_nothing(
    pids: Pids, ways: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server = McpServer(command=(sys.executable, SERVER, str(pids.path), *ways))
    settings = OpenaiLinkSettings(mcp_servers={"wicked": server})

    async def main() -> None:
        box = ToolBox(settings, LOG, lambda: None)
        await box.load()
        await asyncio.sleep(2.0)
        begun_s = time.monotonic()
        await box.close()
        assert time.monotonic() - begun_s < mcp_process.LEAVE_S + TERM_S + PATIENCE_S

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    asyncio.run(main())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB
    assert len(caplog.records) < 40
    assert wait_for(lambda: not pids.alive())

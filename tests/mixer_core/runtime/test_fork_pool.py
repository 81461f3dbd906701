from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.processes


class Host:
    """A running pool_host and the lines it and its children print."""

    def __init__(self, runtime_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.mixer_core.runtime.pool_host"],
            cwd=ROOT,
            env=os.environ | {"MIXMINUS_RUNTIME__DIR": str(runtime_dir), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self.preloaded: dict[int, bool] = {}
        self.identities: dict[int, str] = {}

    def read(self) -> list[str]:
        """The next line's words; a child's birth is recorded."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.lines.append(line)
        words = line.split()
        if words and words[0] == "child":
            self.preloaded[int(words[2])] = words[3] == "True"
            self.identities[int(words[2])] = words[1]
        return words


def living(pids: Iterable[int]) -> list[psutil.Process]:
    """Those of ``pids`` that have not ended."""
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


@pytest.fixture
def host(short_dir: Path) -> Iterator[Host]:
    host = Host(short_dir)
    yield host
    family = [host.process.pid, *host.preloaded]
    host.process.kill()
    host.process.wait()
    _, alive = psutil.wait_procs(living(family), PATIENCE_S)
    assert not alive


def test_two_children_wait_and_both_come_from_the_preloaded_server(host: Host) -> None:
    host.read(), host.read()
    assert list(host.preloaded.values()) == [True, True], host.lines
    parents = {psutil.Process(pid).ppid() for pid in host.preloaded}
    assert len(parents) == 1 and host.process.pid not in parents


def test_a_child_that_takes_work_is_followed_by_another_up_to_the_most(host: Host) -> None:
    host.read(), host.read()
    assert len(host.preloaded) == 2, host.lines
    first, second = list(host.preloaded)
    os.kill(first, signal.SIGUSR1)
    host.read()
    assert len(host.preloaded) == 3
    os.kill(second, signal.SIGUSR1)
    os.kill(first, signal.SIGKILL)
    lines = [host.read(), host.read()]
    assert ["exit", host.identities[first], "-9"] in lines
    assert len(host.preloaded) == 4


def test_children_die_with_a_killed_host(host: Host) -> None:
    host.read(), host.read()
    host.process.kill()
    _, alive = psutil.wait_procs(living(host.preloaded), timeout=PATIENCE_S)
    assert not alive


def test_sigterm_ends_host_and_children(host: Host) -> None:
    host.read(), host.read()
    host.process.terminate()
    assert host.process.wait(PATIENCE_S) == 0
    _, alive = psutil.wait_procs(living(host.preloaded), timeout=PATIENCE_S)
    assert not alive

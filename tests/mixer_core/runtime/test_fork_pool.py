from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mixer_core.runtime.process import SUPERVISED_VARIABLE
from tests.support.gateway import is_alive
from tests.support.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.processes


class Hosts:
    """Hosts of one runtime directory, one after the other, and the children of all of them."""

    def __init__(self, runtime_dir: Path) -> None:
        self.dir = runtime_dir
        self.output = runtime_dir / "output"
        self.temporary = runtime_dir / "tmp"
        self.temporary.mkdir()
        self.process: subprocess.Popen[str]

    @property
    def env(self) -> dict[str, str]:
        """The environment of hosts."""
        return os.environ | {
            "MIXMINUS_RUNTIME__DIR": str(self.dir),
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.temporary),
        }

    def start(self) -> None:
        """A host that nobody supervises."""
        with self.output.open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.mixer_core.runtime.pool_host"],
                cwd=ROOT,
                env=self.env,
                stdout=output,
                stderr=output,
                text=True,
                start_new_session=True,
            )

    def words(self, kind: str) -> list[list[str]]:
        """The lines that begin with ``kind``, by words."""
        lines = [line.split() for line in self.output.read_text().splitlines()]
        return [words for words in lines if words[:1] == [kind]]

    @property
    def children(self) -> dict[int, str]:
        """Children alive, idle or not: process → identity."""
        return {int(words[2]): words[1] for words in self.words("child") if alive(int(words[2]))}

    def wait(self, count: int) -> dict[int, str]:
        """Wait until so many children are alive and registered."""
        wait_until(lambda: len(self.children) == count, "wrong number of children", self.told)
        return self.children

    def take(self, pid: int) -> None:
        """Give work to a child."""
        identity = self.children[pid]
        os.kill(pid, signal.SIGUSR1)
        wait_until(lambda: ["busy", identity] in self.words("busy"), "not busy", self.told)

    def fork_server(self) -> psutil.Process:
        """The host's."""
        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = psutil.Process(self.process.pid).children()
            return len(found) == 1

        wait_until(look, "no fork server", self.told)
        return found[0]

    def told(self) -> str:
        """What all have printed."""
        return self.output.read_text()

    def end(self) -> None:
        """Kill everything."""
        everybody = [self.process.pid, *(int(words[2]) for words in self.words("child"))]
        self.process.kill()
        self.process.wait()
        for pid in everybody[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(alive, everybody)), "processes are left", self.told)


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return is_alive(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def hosts(short_dir: Path) -> Iterator[Hosts]:
    hosts = Hosts(short_dir)
    hosts.start()
    try:
        hosts.wait(2)
        yield hosts
    finally:
        hosts.end()


def test_children_come_from_the_preloaded_server_and_the_pool_stays_full(hosts: Hosts) -> None:
    assert all(words[3] == "True" for words in hosts.words("child"))
    parents = {psutil.Process(pid).ppid() for pid in hosts.children}
    assert parents == {hosts.fork_server().pid}
    first, second = hosts.children
    hosts.take(first)
    hosts.wait(3)
    hosts.take(second)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: hosts.words("exit"), "not told", hosts.told)
    hosts.wait(3)
    assert hosts.words("exit")[0][2] == "-9"


def test_a_call_outlives_host_and_fork_server_and_the_next_host_adopts_it(hosts: Hosts) -> None:
    busy, idle = hosts.children
    hosts.take(busy)
    third = next(iter(hosts.wait(3).keys() - {busy, idle}))
    hosts.process.kill()
    hosts.process.wait()
    hosts.start()
    wait_until(lambda: ["adopted", "3"] in hosts.words("adopted"), "not found", hosts.told)
    hosts.fork_server().kill()
    os.kill(idle, signal.SIGKILL)
    wait_until(lambda: hosts.words("exit"), "the end of an adopted child is not told", hosts.told)
    assert hosts.words("exit")[0][2] == "-9"
    assert busy in hosts.wait(3) and third in hosts.children
    hosts.process.terminate()
    assert hosts.process.wait(PATIENCE_S) == 0
    hosts.wait(0)
    reasons = [" ".join(words[2:]) for words in hosts.words("end")]
    assert reasons == ["the gateway stops"] * 3
    assert sorted(path.name for path in hosts.dir.iterdir()) == ["output", "pool_host.lock", "tmp"]


def test_a_child_with_too_much_memory_has_to_end_and_the_log_says_so(hosts: Hosts) -> None:
    busy = next(iter(hosts.children))
    identity = hosts.children[busy]
    hosts.take(busy)
    os.kill(busy, signal.SIGUSR2)
    wait_until(lambda: busy not in hosts.children, "it goes on", hosts.told)
    assert ["end", identity, "this", "process", "used", "too", "much", "memory"] in hosts.words(
        "end"
    )
    assert f"child {identity} has " in hosts.told()
    assert "over max_child_memory_mib = 96" in hosts.told()
    wait_until(lambda: hosts.words("exit"), "not told", hosts.told)
    assert hosts.words("exit")[0] == ["exit", identity, "0"]


def test_the_hosts_socket_and_its_directory_are_looked_after(hosts: Hosts) -> None:
    hosts.dir.chmod(0o755)
    wait_until(lambda: hosts.dir.stat().st_mode & 0o077 == 0, "open to others", hosts.told)
    path, link = hosts.dir / "pool.sock", hosts.dir / "link"
    link.symlink_to("elsewhere")
    link.replace(path)
    wait_until(lambda: "is not what was bound: bound again" in hosts.told(), "lost", hosts.told)
    assert path.is_socket() and not path.is_symlink()
    hosts.take(next(iter(hosts.children)))
    hosts.wait(3)


def test_a_fork_server_that_is_stopped_is_replaced(hosts: Hosts) -> None:
    stopped = hosts.fork_server()
    stopped.suspend()
    hosts.take(next(iter(hosts.children)))
    hosts.wait(3)
    assert not alive(stopped.pid)


def test_a_socket_that_was_removed_comes_back(hosts: Hosts) -> None:
    path = hosts.dir / "pool.sock"
    path.unlink()
    wait_until(path.is_socket, "it does not come back", hosts.told)
    os.kill(next(iter(hosts.children)), signal.SIGKILL)
    wait_until(lambda: len(hosts.words("child")) == 3, "nobody follows", hosts.told)
    hosts.wait(2)


@pytest.mark.parametrize("later_ms", [0, 5, 20])
def test_a_child_and_its_fork_server_are_killed_together(hosts: Hosts, later_ms: int) -> None:
    child, server = next(iter(hosts.children)), hosts.fork_server()
    os.kill(child, signal.SIGKILL)
    time.sleep(later_ms / 1000)  # The distance of the two blows is what is tested.
    server.kill()
    wait_until(lambda: child not in hosts.children, "it lives", hosts.told)
    hosts.wait(2)
    assert list(hosts.temporary.iterdir()) == []


def test_children_end_with_their_supervisor_when_the_host_is_killed(hosts: Hosts) -> None:
    hosts.end()
    hosts.output.write_text("")
    script = "import subprocess, sys; subprocess.run(sys.argv[1:], check=False); input()"
    command = [sys.executable, "-c", script, sys.executable, "-m"]
    with hosts.output.open("a") as output:
        supervisor = subprocess.Popen(
            [*command, "tests.mixer_core.runtime.pool_host"],
            cwd=ROOT,
            env=hosts.env | {SUPERVISED_VARIABLE: "1"},
            stdin=subprocess.PIPE,
            stdout=output,
        )
    try:
        busy, _ = hosts.wait(2)
        hosts.take(busy)
        hosts.wait(3)
        (host,) = psutil.Process(supervisor.pid).children()
        host.kill()
        assert busy in hosts.children
    finally:
        supervisor.kill()
        supervisor.communicate()
    hosts.wait(0)

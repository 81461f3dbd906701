"""A real gateway for tests: ``mixminus run`` on ports and a runtime directory of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from tests.support.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[2]


SHORT_OF_MEMORY = {
    "SIGNALING__REFUSE_WHEN_BUSY": 1,
    "SIGNALING__BUSY_MEMORY_MIB": 1_000_000,
    "SIGNALING__BUSY_PROCESSOR_PERCENT": 0,
    "SIGNALING__BUSY_WAIT_MS": 0,
    "SIGNALING__BUSY_LATE_MS": 0,
}
"""Busy by a limit that no machine meets, and by no other: machines of tests are busy."""
LOOK_S = 0.1
"""Between two looks at a gateway: most are requests, for which it works."""
LAST_LINES = 80
"""Lines of the log that stand below a failure."""


PORTS = range(11_000, 32_000)
"""Below those that Linux gives to outgoing connections, which would take one in between."""


def free_port() -> int:
    """A TCP port that nobody uses now, on any address."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that only waits to be reaped by init does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Gateway:
    """One running gateway. ``settings``: keys like ``SIMULATOR__BRAIN``."""

    def __init__(self, **settings: str | int) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="mm-", dir="/tmp"))
        self.port = free_port()
        self.simulator_port = free_port()
        own = {
            "RUNTIME__DIR": str(self.dir / "run"),
            "RUNTIME__STATE_DIR": str(self.dir / "state"),
            "RUNTIME__WATCHDOG_S": 60,  # A slow disk stops a program, too.
            "SIGNALING__HTTP_PORT": self.port,
            "SIGNALING__REFUSE_WHEN_BUSY": 0,  # Tests run on machines that are busy.
            "MIXER_CORE__STANDBY": 0,  # It loads every kernel: whoever kills a mixer asks for it.
            "SIMULATOR__HTTP_PORT": self.simulator_port,
        }
        variables = {f"MIXMINUS_{key}": str(value) for key, value in (own | settings).items()}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MIXMINUS_")}
        inherited.pop("OPENAI_API_KEY", None)
        self.env = inherited | variables
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []

    def start(self, wait: bool = True) -> float:
        """Start it; returns the seconds until ``/readyz`` answered 200."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "run"],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()
        if wait:
            self.wait_ready()
        return time.monotonic() - began

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._lines.extend(process.stdout)

    @property
    def log(self) -> str:
        """What all programs printed so far."""
        return "".join(self._lines)

    def wait_ready(self) -> None:
        """Wait until every program is up."""
        self.wait(lambda: self.get("/readyz")[0] == 200, "/readyz did not answer 200")

    def wait(self, condition: Any, words: str) -> None:
        """Wait for ``condition()``; fails with ``words`` and the log."""

        def ended_or_true() -> bool:
            assert self.process is not None and self.process.poll() is None, self.log
            return bool(condition())

        state = lambda: self.log  # noqa: E731
        wait_until(ended_or_true, words, state, step_s=LOOK_S, timeout_s=2 * PATIENCE_S)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a GET; status 0 where nobody listens."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def json(self, path: str) -> Any:
        """The JSON body of a GET."""
        return json.loads(self.get(path)[1])

    def processes(self) -> list[psutil.Process]:
        """Every living process of this gateway, found by its runtime directory."""
        found = []
        for process in psutil.process_iter():
            try:
                if (
                    process.environ().get("MIXMINUS_RUNTIME__DIR")
                    == self.env["MIXMINUS_RUNTIME__DIR"]
                ) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def children(self, program: str) -> list[int]:
        """Numbers of a host's children, the one that has worked most first."""
        worked: dict[int, float] = {}
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name().startswith(f"{program}-"):
                    worked[process.pid] = sum(process.cpu_times()[:2])
        return sorted(worked, key=worked.__getitem__, reverse=True)

    def worker_of(self, participant: str) -> int:
        """Number of the process that has answered that browser."""
        line = re.compile(rf" {participant}\] = answered in .* by (media_worker-\w+)")
        self.wait(lambda: line.search(self.log), f"nobody says who has answered {participant}")
        shown = line.findall(self.log)[0][:15]  # Linux keeps no more of a name.
        found = self.children("media_worker")
        return next(pid for pid in found if psutil.Process(pid).name() == shown)

    def program(self, name: str) -> int:
        """Number of the process that supervisord has started as ``python -m name``."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.cmdline()[-2:] == ["-m", name]:
                    found.append(process.pid)
        (pid,) = found
        return pid

    def pids(self, *words: str) -> list[int]:
        """Processes whose command line has all ``words`` in it."""
        result = []
        for process in self.processes():
            try:
                line = " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            if all(word in line for word in words):
                result.append(process.pid)
        return result

    def interrupt(self) -> float:
        """Ctrl-C; returns the seconds until the last process was gone."""
        assert self.process is not None
        family = self.processes()
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE_S)
        left = lambda: [process for process in family if is_alive(process)]  # noqa: E731
        wait_until(lambda: not left(), "processes are left", left, step_s=0.01)
        return time.monotonic() - began

    def close(self) -> None:
        """End everything, however it is."""
        for process in self.processes():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
        psutil.wait_procs(self.processes(), PATIENCE_S)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self) -> Gateway:
        try:
            self.start()
        except BaseException as error:
            self.__exit__(type(error), error)
            raise
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        self.close()
        if error is not None:
            error.add_note("The gateway's last lines:\n" + "".join(self._lines[-LAST_LINES:]))

"""A gateway for a benchmark: ``mixminus run`` on ports of its own, or the baseline."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from mixer_core.runtime.process import die_with_parent

from ..report.errors import BenchmarkError
from . import usage
from .closing import Closing
from .helper_process import ROOT, child_environment
from .metrics_page import MetricsPage

START_TIMEOUT_S = 90.0
POLL_S = 0.05
TAG = "BENCHMARK_GATEWAY"
"""Variable in the environment of every process of a gateway, by which they are found."""


class GatewayError(BenchmarkError):
    """The gateway did not start; the message has what it printed."""


class RunningGateway(Closing):
    """Processes of one gateway, found and ended by a variable in their environment."""

    def __init__(self, module: str, *arguments: str, ready_path: str, **variables: str) -> None:
        """``ready_path``: it is up once a GET of that path is answered with 200 or 405."""
        self._command = [sys.executable, "-m", module, *arguments]
        self._ready_path = ready_path
        self.dir = Path(tempfile.mkdtemp(prefix="mmb-", dir="/tmp"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.headers: dict[str, str] = {}
        """Of every request."""
        self._env = child_environment(**{TAG: self.dir.name}, **variables)
        self._log = self.dir / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._began_s = 0.0
        self.start_s = 0.0
        """From the command to readiness."""

    def start(self) -> None:
        """Start, and wait until it is ready. Raises GatewayError."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it; it takes some time to be ready."""
        self._began_s = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [word.format(port=self.port) for word in self._command],
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def wait_ready(self) -> None:
        """Wait until it is ready. Raises GatewayError."""
        assert self._process is not None
        while self.get(self._ready_path)[0] not in (200, 405):
            took_s = time.monotonic() - self._began_s
            if self._process.poll() is not None or took_s > START_TIMEOUT_S:
                raise GatewayError(f"the gateway did not start:\n{self.log()}")
            time.sleep(POLL_S)
        self.start_s = time.monotonic() - self._began_s

    @property
    def has_ended(self) -> bool:
        """Whether the process that was started is gone."""
        return self._process is None or self._process.poll() is not None

    def log(self) -> str:
        """What it printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a GET; status 0 where nobody listens."""
        request = urllib.request.Request(self.url + path, headers=self.headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""

    def processes(self) -> list[usage.Process]:
        """Its living processes with their roles."""
        return usage.processes_with(TAG, self.dir.name)

    def close(self) -> None:
        """Kill all its processes."""
        deadline_s = time.monotonic() + 5
        while (alive := self.processes()) and time.monotonic() < deadline_s:
            for process in alive:
                try:
                    os.kill(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(POLL_S)
        if self._process is not None:
            self._process.wait(5)
        shutil.rmtree(self.dir, ignore_errors=True)


class GatewayProcess(RunningGateway):
    """The whole gateway, with a Realtime server that listens on ``upstream_port``."""

    def __init__(self, upstream_port: int, **settings: str | int) -> None:
        """``settings``: the gateway's, such as ``OPENAI_LINK__GREET=0``."""
        super().__init__("deploy.cli", "run", ready_path="/readyz", OPENAI_API_KEY="benchmark")
        own: dict[str, str | int] = {
            "RUNTIME__DIR": str(self.dir / "run"),
            "RUNTIME__STATE_DIR": str(self.dir / "state"),
            "RUNTIME__LOG_LEVEL": "warning",
            "SIGNALING__HTTP_PORT": self.port,
            "SIMULATOR__HTTP_PORT": free_port(),
            "OPENAI_LINK__UPSTREAM": "openai",
            "OPENAI_LINK__BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
            "MEDIA_WORKER__ICE_ADDRESSES": "127.0.0.1",
        }
        self._env |= {f"MIXMINUS_{key}": str(value) for key, value in (own | settings).items()}

    def own_directory(self, variable: str, name: str) -> Path:
        """Make a directory of this gateway and name it in a variable, before it is started."""
        directory = self.dir / name
        directory.mkdir(mode=0o700)
        self._env[variable] = str(directory)
        return directory

    def set_variable(self, name: str, value: str) -> None:
        """Another variable of its environment, before it is started."""
        self._env[name] = value

    @property
    def environment(self) -> dict[str, str]:
        """For commands that talk with it."""
        return dict(self._env)

    def metrics(self) -> MetricsPage:
        """Its counters, which its processes report once a second. Raises GatewayError."""
        status, text = self.get("/metrics")
        if status != 200:
            raise GatewayError(f"/metrics answered {status}")
        return MetricsPage(text)


class BaselineProcess(RunningGateway):
    """The baseline, one process."""

    def __init__(self, upstream_port: int) -> None:
        super().__init__(
            "benchmarks.rig.baseline_gateway",
            "{port}",
            f"http://127.0.0.1:{upstream_port}/v1",
            ready_path="/rooms/home/participants",
        )


def free_port() -> int:
    """A TCP port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

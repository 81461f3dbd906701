"""A real media worker on a runtime directory of its own, shared by the tests of this folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[2]


MakeHost = Callable[..., "Host"]


class Host:
    """One running ``python -m media_worker``."""

    def __init__(self, **settings: str | int) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="mmw-", dir="/tmp"))
        self._log_path = self.dir / "log"
        own = {"RUNTIME__DIR": str(self.dir / "run")} | settings
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MIXMINUS_")}
        self._env = inherited | {f"MIXMINUS_{key}": str(value) for key, value in own.items()}
        self.runtime_dir = self.dir / "run"
        self.start()
        wait_until(self._ready, "the media worker does not start", lambda: self.log)

    def start(self) -> None:
        """Start it, at first or after it was killed."""
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "media_worker"],
                cwd=ROOT,
                env=self._env,
                stdout=log,
                stderr=log,
            )

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log
        return "= ready" in self.log

    @property
    def log(self) -> str:
        """What the host and its children printed so far."""
        return self._log_path.read_text(encoding="utf-8")

    def family(self) -> list[psutil.Process]:
        """The host, its fork server, and all children, whosever they are by now."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.environ().get("MIXMINUS_RUNTIME__DIR") == str(self.runtime_dir):
                    found.append(process)
        return found

    def close(self) -> None:
        """End everything, however it is."""
        family = self.family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(PATIENCE_S)
        psutil.wait_procs(family, PATIENCE_S)
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture(scope="session")
def worker_host() -> Iterator[Host]:
    """The shared media worker."""
    host = Host(MEDIA_WORKER__IDLE_CHILDREN=2, MEDIA_WORKER__CONNECT_TIMEOUT_MS=5000)
    yield host
    host.close()


@pytest.fixture
def make_host() -> Iterator[MakeHost]:
    """Starts media workers that the test may end."""
    hosts: list[Host] = []

    def make(**settings: str | int) -> Host:
        hosts.append(Host(**settings))
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()

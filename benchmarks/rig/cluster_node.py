"""One node of a cluster: a whole gateway on a host, which may be killed, frozen, started again."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from mixer_core.journal.file import journal_path

from .gateway_process import POLL_S, GatewayProcess
from .helper_process import ROOT
from .hosts import Host

DRAIN_TIMEOUT_S = 120.0


class ClusterNode(GatewayProcess):
    """``start``, ``kill``, ``freeze``, ``thaw``, ``drain``; then ``start`` again."""

    def __init__(
        self, host: Host, upstream: str, servers: Sequence[str], token: str, **settings: str | int
    ) -> None:
        """``upstream``: base URL of the Realtime server. ``servers``: of NATS; none: no cluster."""
        own: dict[str, str | int] = {
            "SIGNALING__HTTP_HOST": host.address,
            "SIGNALING__MAX_PARTICIPANTS": 400,
            "SIGNALING__MAX_ROOMS": 400,
            "SIGNALING__REFUSE_WHEN_BUSY": 0,
            "SIGNALING__MAX_OFFERS_PER_MINUTE": 0,
            "SIGNALING__MAX_PENDING_PER_ADDRESS": 0,
            "SIGNALING__MAX_PERCENT_PER_ADDRESS": 0,
            "SIGNALING__MAX_CONNECTIONS_PER_ADDRESS": 0,
            "MIXER_CORE__STANDBY": 0,
            "MEDIA_WORKER__ICE_ADDRESSES": host.address,
            "OPENAI_LINK__BASE_URL": upstream,
            "OPENAI_LINK__GREET": 0,
            "OPENAI_LINK__TRANSPORT": "webrtc",
            "OPENAI_LINK__SAFETY_IDENTIFIER": "{room}",
        }
        super().__init__(0, **own | settings)
        self.name = host.name
        self.url = f"http://{host.address}:{self.port}"
        self.headers = {"Authorization": f"Bearer {token}"}
        self._env["MIXMINUS_TOKEN"] = token
        if servers:
            self._env |= {
                "MIXMINUS_CLUSTER__SERVERS": json.dumps(list(servers)),
                "MIXMINUS_CLUSTER__NODE": host.name,
                "MIXMINUS_CLUSTER__PUBLIC_URL": self.url,
                "MIXMINUS_CLUSTER__REPLICAS": str(len(servers)),
            }
        self._host = host
        self._command = [*host.prefix, *self._command]
        self.state_dir = self.dir / "state"

    def kill(self) -> None:
        """End all its processes at once, as a power cut does."""
        self._signal(signal.SIGKILL)
        while self.processes():
            time.sleep(POLL_S)
            self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop all its processes; connections stay, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """They go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for process in self.processes():
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                continue

    def drain(self) -> None:
        """``mixminus drain``; returns when the gateway has ended. Raises CalledProcessError."""
        self.command("drain")
        deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
        while not self.has_ended and time.monotonic() < deadline_s:
            time.sleep(POLL_S)

    def command(self, *words: str) -> str:
        """What a command of ``mixminus`` prints, on this host. Raises CalledProcessError."""
        return subprocess.run(
            [*self._host.prefix, sys.executable, "-m", "deploy.cli", *words],
            cwd=ROOT,
            env=self._env,
            capture_output=True,
            text=True,
            check=True,
            timeout=DRAIN_TIMEOUT_S,
        ).stdout

    def usage_rows(self) -> list[tuple[str, float]]:
        """Response and dollars of every row of usage in its journal."""
        file = journal_path(self.state_dir)
        return _usage(file) if file.exists() else []


def _usage(file: Path) -> list[tuple[str, float]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as db:
        query = "SELECT key, cost_usd FROM usage WHERE cost_usd IS NOT NULL AND kind = 'response'"
        return [(str(key), float(usd)) for key, usd in db.execute(query)]

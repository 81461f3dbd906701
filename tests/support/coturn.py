"""A real TURN server on loopback for tests: Debian's coturn."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

import pytest

from tests.support.gateway import free_port
from tests.support.waiting import PATIENCE_S, wait_until

SECRET = "north-by-north-west"
PROGRAM = shutil.which("turnserver")
needs_coturn = pytest.mark.skipif(
    PROGRAM is None, reason="coturn is not installed (Debian: apt install coturn)"
)


class Coturn:
    """One running server that takes clients by ``transport`` only.

    ``user``: a long-term user, whose password is ``SECRET``; without, ``SECRET`` is shared.
    """

    def __init__(self, transport: Literal["udp", "tcp"], user: str = "") -> None:
        self.port = free_port()
        self.url = f"turn:127.0.0.1:{self.port}?transport={transport}"
        self._dir = Path(tempfile.mkdtemp(prefix="mm-turn-", dir="/tmp"))
        proof = ["--lt-cred-mech", f"--user={user}:{SECRET}"]
        if not user:
            proof = ["--use-auth-secret", f"--static-auth-secret={SECRET}"]
        self._command = [
            *(str(PROGRAM), "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1"),
            *(f"--listening-port={self.port}", "--realm=mixminus", *proof),
            *("--no-tcp" if transport == "udp" else "--no-udp", "--no-tls", "--no-dtls"),
            *("--no-cli", "--allow-loopback-peers", "--relay-threads=1", "--no-stdout-log"),
            *(f"--log-file={self._dir}/log", "--simple-log", f"--pidfile={self._dir}/pid"),
            *(f"--userdb={self._dir}/db", "--verbose"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has said."""
        path = self._dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def __enter__(self) -> Coturn:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._dir
        )
        wait_until(self._listens, "coturn does not listen", lambda: self.log)
        return self

    def _listens(self) -> bool:
        """Whether its port is taken; its log says so for UDP and TCP alike."""
        kind = socket.SOCK_STREAM if "tcp" in self.url else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError:
                return True
            return False

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE_S)
        shutil.rmtree(self._dir, ignore_errors=True)

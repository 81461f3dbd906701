"""A real TURN server on loopback for tests: Debian's coturn."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.gateway import free_port
from tests.support.waiting import PATIENCE_S, wait_until

SECRET = "north-by-north-west"
PROGRAM = shutil.which("turnserver")
needs_coturn = pytest.mark.skipif(
    PROGRAM is None, reason="coturn is not installed (Debian: apt install coturn)"
)


def make_certificate(certificate: Path, key: Path) -> None:
    """A key and a certificate for ``localhost`` that is its own authority."""
    pair = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, pair.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(pair, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


class Coturn:
    """One running server that takes clients by ``transport`` only.

    ``user``: a long-term user, whose password is ``SECRET``; without, ``SECRET`` is shared.
    """

    def __init__(self, transport: Literal["udp", "tcp", "tls"], user: str = "") -> None:
        self.port = free_port()
        self.url = f"turn:127.0.0.1:{self.port}?transport={transport}"
        self._dir = Path(tempfile.mkdtemp(prefix="mm-turn-", dir="/tmp"))
        self.certificate = self._dir / "certificate.pem"
        """For ``localhost``, signed by itself; with ``tls``."""
        listen = [f"--listening-port={self.port}", "--no-tls", "--no-dtls"]
        listen.append("--no-tcp" if transport == "udp" else "--no-udp")
        if transport == "tls":
            self.url = f"turns:localhost:{self.port}?transport=tcp"
            key = self._dir / "key.pem"
            make_certificate(self.certificate, key)
            listen = [
                *("--no-udp", "--no-tcp", "--no-dtls", f"--tls-listening-port={self.port}"),
                *(f"--cert={self.certificate}", f"--pkey={key}"),
            ]
        proof = ["--lt-cred-mech", f"--user={user}:{SECRET}"]
        if not user:
            proof = ["--use-auth-secret", f"--static-auth-secret={SECRET}"]
        self._command = [
            *(str(PROGRAM), "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1"),
            *("--realm=mixminus", *proof, *listen),
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
        kind = socket.SOCK_STREAM if self.url.endswith("tcp") else socket.SOCK_DGRAM
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

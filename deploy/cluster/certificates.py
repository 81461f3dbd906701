"""Certificates for the NATS servers of a cluster, by an authority that is made with them.

``python -m deploy.cluster.certificates DIR nats-a nats-b nats-c`` writes a directory for each
server (``ca.pem``, ``server.pem``, ``server-key.pem``), and ``ca.pem`` for the gateways. The
authority's key is kept nowhere: for one more server, make all of them anew. They are valid for ten
years.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = timedelta(days=3_650)
DATED_BACK = timedelta(days=1)
"""For machines whose clock is slow."""
OWN_NAMES = ("localhost", "127.0.0.1")
"""Beside the server's own: programs on its machine use them."""


def write(folder: Path, servers: Sequence[str], now: datetime) -> None:
    """Make all files below ``folder``; ``servers`` are host names or addresses. Raises OSError."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("mixminus cluster", "mixminus cluster", authority_key, now, ())
    authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    root = authority.public_key(authority_key.public_key()).sign(authority_key, hashes.SHA256())
    root_pem = root.public_bytes(Encoding.PEM)
    _put(folder / "ca.pem", root_pem, 0o644)
    for server in servers:
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(server, "mixminus cluster", key, now, (server, *OWN_NAMES))
        signed = made.public_key(key.public_key()).sign(authority_key, hashes.SHA256())
        key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _put(folder / server / "ca.pem", root_pem, 0o644)
        _put(folder / server / "server.pem", signed.public_bytes(Encoding.PEM), 0o644)
        _put(folder / server / "server-key.pem", key_pem, 0o600)


def _certificate(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    names: Sequence[str],
) -> x509.CertificateBuilder:
    """What is common to the authority's certificate and those that it signs."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DATED_BACK)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )
    if not names:
        return builder
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = builder.add_extension(x509.ExtendedKeyUsage(both), False)
    return builder.add_extension(x509.SubjectAlternativeName(list(map(_general, names))), False)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _put(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "wb") as file:
        file.write(data)


def main(arguments: Sequence[str]) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.cluster.certificates",
        description="Certificates for the NATS servers of a cluster.",
    )
    parser.add_argument("folder", type=Path, help="where they are written")
    parser.add_argument("servers", nargs="+", help="host names or addresses of the servers")
    given = parser.parse_args(arguments)
    try:
        write(given.folder, given.servers, datetime.now(UTC))
    except (OSError, ValueError) as error:
        print(f"certificates: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

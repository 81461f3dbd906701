"""Certificates and keys in PEM files."""

from __future__ import annotations

import functools
import shutil
import ssl
import tempfile
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from signaling.tls import authority, key_files
from tests.fuzz.border import Border, joined, pieces

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NAMES = ("mixminus.local",)


@functools.cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="mm-certificates-")
    weakref.finalize(_folder, shutil.rmtree, folder, True)
    return Path(folder)


@functools.cache
def _made() -> tuple[authority.Authority, bytes]:
    made = authority.create(NAMES, NOW)
    return made, authority.issue(made, NAMES, (), NOW)


def attempt(data: bytes) -> None:
    """A ValueError in one line, or what OpenSSL loads."""
    parts = [body for _, body in pieces(data, 3)] + [b"", b""]
    chain, key = _folder() / "chain.pem", _folder() / "key.pem"
    chain.write_bytes(parts[0])
    key.write_bytes(parts[1])
    try:
        pem = key_files.read(chain, key, NOW)
    except ValueError as error:
        assert "\n" not in str(error) and str(error)
    else:
        chain.write_bytes(pem)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain)
        except OSError as error:  # As the caller expects it.
            assert str(error)
    try:
        found = authority.load(parts[0], parts[1])
        authority.permitted_by(found, NAMES, ())
    except ValueError as error:
        assert str(error)
    made, _ = _made()
    assert isinstance(authority.is_current(parts[0], made, NAMES, (), NOW), bool)


def _seeds() -> Iterator[bytes]:
    made, leaf = _made()
    begin = (
        leaf.index(b"-----BEGIN EC PRIVATE")
        if b"BEGIN EC PRIVATE" in leaf
        else leaf.rindex(b"-----BEGIN")
    )
    yield joined((0, leaf[:begin]), (0, leaf[begin:]))
    yield joined((0, made.root_pem()), (0, made.issuer_pem()))
    yield joined((0, leaf), (0, leaf))
    yield joined((0, b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), (0, leaf))


BORDERS = (
    Border(
        "certificates",
        "certificates and keys",
        "only ValueError, in one line where people read it; what was read OpenSSL loads or refuses",
        attempt,
        _seeds,
        ("signaling.tls.key_files", "signaling.tls.authority"),
        tokens=(
            *(b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", b"MII", b"=="),
            *(b"-----BEGIN PRIVATE KEY-----\n", b"-----BEGIN EC PRIVATE KEY-----\n", b"\n"),
            *(b"Proc-Type: 4,ENCRYPTED\n", b"-----BEGIN RSA PRIVATE KEY-----\n"),
        ),
        short=60,
    ),
)

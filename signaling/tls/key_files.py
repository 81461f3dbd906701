"""A certificate and its key in files: read, and checked before they replace what works."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mixer_core.runtime.files import read_file

from .foreign_pem import UNREADABLE, told_as

MOST_BYTES = 1 << 20


def signature(files: Iterable[Path]) -> tuple[object, ...]:
    """Changes when one of the files does."""
    found: list[object] = []
    for file in files:
        try:
            status = file.stat()
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        except OSError as error:
            found.append(error.errno)
    return tuple(found)


def read(certificate: Path, key: Path, now: datetime | None) -> bytes:
    """Chain and key as PEM; ``now``: None: whatever the time of their validity.

    Raises:
        ValueError: unreadable, not PEM, not a pair, or out of its time; one sentence.
    """
    chain_pem, key_pem = _content(certificate, "tls_certificate"), _content(key, "tls_key")
    with told_as(f"tls_certificate {certificate} has no PEM certificate in it"):
        chain = x509.load_pem_x509_certificates(chain_pem)
    try:
        private = load_pem_private_key(key_pem, None)
    except TypeError as error:
        raise ValueError(f"tls_key {key} has a passphrase: write it without one") from error
    except UNREADABLE as error:
        raise ValueError(f"tls_key {key} has no PEM key in it") from error
    with told_as(f"tls_certificate {certificate} has a key of an unknown kind"):
        is_pair = private.public_key() == chain[0].public_key()
    if not is_pair:
        raise ValueError(
            f"tls_key {key} does not belong to the first certificate in {certificate}: "
            "name the key that it was made with"
        )
    if now is not None and (problem := problem_of_time(chain_pem, certificate, now)):
        raise ValueError(problem)
    return chain_pem.rstrip() + b"\n" + key_pem


def problem_of_time(chain_pem: bytes, certificate: Path, now: datetime) -> str:
    """What is wrong with a certificate's validity at ``now``; empty if nothing is."""
    leaf = x509.load_pem_x509_certificates(chain_pem)[0]
    if now >= leaf.not_valid_after_utc:
        return f"tls_certificate {certificate} expired on {leaf.not_valid_after_utc:%Y-%m-%d}"
    if now < leaf.not_valid_before_utc:
        start = f"{leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        return f"tls_certificate {certificate} is valid only from {start}: check the clock"
    return ""


def _content(file: Path, setting: str) -> bytes:
    try:
        return read_file(file, MOST_BYTES)
    except OSError as error:
        raise ValueError(f"{setting} {file} cannot be read ({error.strerror})") from error

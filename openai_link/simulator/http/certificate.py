"""TLS for clients that insist on it: certificate files, or a certificate made for this machine."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mixer_core.runtime.errors import SettingsError

MADE_NAME = "simulator.pem"
_LIFETIME = datetime.timedelta(days=30)
_NAMES = ("localhost", "127.0.0.1", "::1")


def from_files(certificate: str, key: str) -> ssl.SSLContext:
    """The context for a certificate and its key. Raises SettingsError where they do not serve."""
    if not certificate or not key:
        raise SettingsError("[simulator] tls_certificate and tls_key are needed together")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"[simulator] tls_certificate {certificate} and tls_key {key} cannot be used: {error}"
        ) from error
    return context


def made(directory: Path, host: str) -> tuple[ssl.SSLContext, Path]:
    """The context for a certificate that is made now, and the file by which clients can trust it.

    Args:
        directory: keeps the certificate, and for a moment its key.
        host: name or address on which the simulator listens.
    """
    names = dict.fromkeys([*_NAMES, *([] if host in ("", "0.0.0.0", "::") else [host])])
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(key, list(names))
    public, private = directory / MADE_NAME, directory / f".{MADE_NAME}.key"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    fd = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
        return from_files(str(public), str(private)), public
    finally:
        private.unlink(missing_ok=True)


def _certificate(key: ec.EllipticCurvePrivateKey, names: list[str]) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mixminus simulator")])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general(one) for one in names]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(key, hashes.SHA256())
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")

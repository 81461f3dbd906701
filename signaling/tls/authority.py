"""The local authority: a root that people may trust, and the issuer below it. Sans-I/O.

The root signs one issuer and its key is thrown away. The issuer's name constraints are critical:
whoever steals its key can make certificates for private addresses, ``.local`` and the names of this
host, and for nothing else. Browsers need not even check the constraints of roots for this to hold.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .foreign_pem import UNREADABLE, told_as

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    )
)
"""What a certificate of the authority may name: private, shared (VPNs), link-local, loopback."""
PRIVATE_NAMES = ("local", "localhost")
AUTHORITY_LIFE = timedelta(days=3653)
LEAF_LIFE = timedelta(days=396)
"""With the day that it is dated back, the 397 days that browsers accept."""
DATED_BACK = timedelta(days=1)
"""For devices whose clock is slow."""
RENEW_BEFORE = timedelta(days=30)
EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)
"""Start of an authority's life: a board without a clock may begin before its time is set."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The root's certificate, and the issuer's certificate and key."""

    root: x509.Certificate
    issuer: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def root_pem(self) -> bytes:
        """What people may trust."""
        return pem(self.root)

    def issuer_pem(self) -> bytes:
        """The issuer's certificate and key: secret."""
        return pem(self.issuer) + _key_pem(self.key)


def create(host_names: Iterable[str], now: datetime) -> Authority:
    """A new authority. ``host_names``: names of this host that its certificates may have."""
    names = sorted({name for name in host_names if is_constrainable(name)})
    label = names[0] if names else "this computer"
    root_key, key = _new_key(), _new_key()
    constraints = x509.NameConstraints(
        permitted_subtrees=[
            *(x509.DNSName(name) for name in (*PRIVATE_NAMES, *names)),
            *(x509.IPAddress(network) for network in PRIVATE_NETWORKS),
        ],
        excluded_subtrees=None,
    )
    root_name = _name(f"mixminus authority of {label}")
    after = max(now, EARLIEST) + AUTHORITY_LIFE
    root = (
        _builder(root_name, root_name, root_key.public_key(), EARLIEST, after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(constraints, critical=True)
        .sign(root_key, hashes.SHA256())
    )
    issuer_name = _name(f"mixminus issuer of {label}")
    issuer = (
        _builder(issuer_name, root_name, key.public_key(), EARLIEST, after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(constraints, critical=True)
        .add_extension(_server(), critical=False)
        .add_extension(_issued_by(root_key), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    return Authority(root, issuer, key)


def load(root_pem: bytes, issuer_pem: bytes) -> Authority:
    """The authority from what ``root_pem`` and ``issuer_pem`` gave. Raises ValueError."""
    with told_as("the root or the issuer is no certificate"):
        root = x509.load_pem_x509_certificate(root_pem)
        issuer = x509.load_pem_x509_certificate(issuer_pem)
    with told_as("the key has a passphrase, or is of an unknown kind"):
        key = load_pem_private_key(issuer_pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is not an EC key")
    with told_as("the issuer has a key of an unknown kind"):
        is_pair = key.public_key() == issuer.public_key()
    if not is_pair:
        raise ValueError("the key does not belong to the certificate")
    with told_as("the root did not sign the issuer"):
        issuer.verify_directly_issued_by(root)
    with told_as("the issuer does not say what it may certify"):
        issuer.extensions.get_extension_for_class(x509.NameConstraints)
    return Authority(root, issuer, key)


def issue(
    authority: Authority, names: Iterable[str], addresses: Iterable[Address], now: datetime
) -> bytes:
    """A certificate with its chain and key, as PEM. Names that are not permitted are left out."""
    key = _new_key()
    permitted_names, permitted = permitted_by(authority, names, addresses)
    subject = _name(permitted_names[0] if permitted_names else "mixminus")
    before = now - DATED_BACK
    after = min(now + LEAF_LIFE, authority.issuer.not_valid_after_utc)
    certificate = (
        _builder(subject, authority.issuer.subject, key.public_key(), before, after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(_server(), critical=False)
        .add_extension(_issued_by(authority.key), critical=False)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    *(x509.DNSName(name) for name in permitted_names),
                    *(x509.IPAddress(address) for address in permitted),
                ]
            ),
            critical=False,
        )
        .sign(authority.key, hashes.SHA256())
    )
    return pem(certificate) + pem(authority.issuer) + _key_pem(key)


def permitted_by(
    authority: Authority, names: Iterable[str], addresses: Iterable[Address]
) -> tuple[list[str], list[Address]]:
    """Those of ``names`` and ``addresses`` that the authority may certify."""
    constraints = authority.issuer.extensions.get_extension_for_class(x509.NameConstraints).value
    trees = constraints.permitted_subtrees or []
    domains = [tree.value for tree in trees if isinstance(tree, x509.DNSName)]
    networks = [tree.value for tree in trees if isinstance(tree, x509.IPAddress)]
    return (
        [n for n in names if any(n == d or n.endswith(f".{d}") for d in domains)],
        [a for a in addresses if any(a in network for network in networks)],  # type: ignore[operator]
    )


def is_current(
    leaf: bytes,
    authority: Authority,
    names: Iterable[str],
    addresses: Iterable[Address],
    now: datetime,
) -> bool:
    """Whether a certificate is the authority's, has all that is wanted, and is long valid."""
    try:
        certificate = x509.load_pem_x509_certificate(leaf)
        certificate.verify_directly_issued_by(authority.issuer)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        before, after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except UNREADABLE:
        return False
    wanted_names, wanted = permitted_by(authority, names, addresses)
    return (
        set(wanted_names) <= set(found.get_values_for_type(x509.DNSName))
        and set(wanted) <= set(found.get_values_for_type(x509.IPAddress))
        and before <= now < after - RENEW_BEFORE
    )


def is_constrainable(name: str) -> bool:
    """Whether a constraint to ``name`` is harmless.

    One label such as ``kitchen`` may be a top-level domain, and a constraint to it would permit
    every name below; with a digit or hyphen it cannot be one (``xn--`` apart).
    """
    labels = name.split(".")
    if not all(labels) or not name.isascii() or len(name) > 253:
        return False
    if len(labels) > 1:
        return True
    return not name.startswith("xn--") and any(char.isdigit() or char == "-" for char in name)


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 as browsers and systems show it: ``AB:CD:…``."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    before: datetime,
    after: datetime,
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(before)
        .not_valid_after(after)
        .add_extension(identifier, critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _server() -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


def _issued_by(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

"""What a thief of the issuer's key would make: certificates that ask nobody what is permitted."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from signaling.tls import authority
from signaling.tls.authority import Authority


def forged(ours: Authority, name: x509.GeneralName, now: datetime) -> bytes:
    """A certificate for ``name`` with its chain and key."""
    made = authority.issue(ours, ("thief.local",), [], now)
    key_pem = made[made.index(b"-----BEGIN PRIVATE KEY") :]
    template = x509.load_pem_x509_certificate(made)
    builder = (
        x509.CertificateBuilder()
        .subject_name(template.subject)
        .issuer_name(ours.issuer.subject)
        .public_key(template.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(template.not_valid_before_utc)
        .not_valid_after(template.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
    )
    for extension in template.extensions:
        if not isinstance(extension.value, x509.SubjectAlternativeName):
            builder = builder.add_extension(extension.value, extension.critical)
    certificate = builder.sign(ours.key, hashes.SHA256())
    return authority.pem(certificate) + authority.pem(ours.issuer) + key_pem

"""What people need to trust the local authority: the page, and the profile for Apple. Sans-I/O."""

from __future__ import annotations

import html
import plistlib
import re
import uuid
from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from .authority import fingerprint, pem

PROFILE_NAME = "mixminus.mobileconfig"
CERTIFICATE_NAME = "mixminus.crt"
PROFILE_TYPE = "application/x-apple-aspen-config"
CERTIFICATE_TYPE = "application/x-x509-ca-cert"
PLATFORMS = ("ios", "android", "firefox", "windows", "macos", "linux")
_AGENTS = {
    "ios": r"iPhone|iPad|iPod",
    "android": r"Android",
    "firefox": r"Firefox/",
    "windows": r"Windows NT",
    "macos": r"Macintosh",
    "linux": r"Linux|X11",
}


def platform_of(user_agent: str) -> str:
    """Whose steps a browser needs; empty: unknown."""
    return next((name for name, words in _AGENTS.items() if re.search(words, user_agent)), "")


def certificate_file(root: x509.Certificate) -> bytes:
    """The root as PEM, which every system reads."""
    return pem(root)


def mobile_config(root: x509.Certificate) -> bytes:
    """A configuration profile with the root; the same for the same root."""
    identity = fingerprint(root)
    name = root.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert isinstance(name, str)
    payload = {
        "PayloadType": "com.apple.security.root",
        "PayloadVersion": 1,
        "PayloadIdentifier": "mixminus.authority.certificate",
        "PayloadUUID": _uuid(f"{identity} certificate"),
        "PayloadDisplayName": name,
        "PayloadCertificateFileName": CERTIFICATE_NAME,
        "PayloadContent": root.public_bytes(Encoding.DER),
    }
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": "mixminus.authority",
        "PayloadUUID": _uuid(identity),
        "PayloadDisplayName": "mixminus",
        "PayloadDescription": f"Lets this device trust {name}. SHA-256: {identity}",
        "PayloadRemovalDisallowed": False,
        "PayloadContent": [payload],
    }
    return plistlib.dumps(profile)


def fill(template: str, values: Mapping[str, str]) -> str:
    """``template`` with every ``{{name}}`` replaced, escaped for HTML. Raises KeyError."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: html.escape(values[found[1]]), template)


def page(template: str, root: x509.Certificate, https_url: str, user_agent: str) -> str:
    """The page, with the steps for the visitor's system open."""
    mine = platform_of(user_agent)
    values = {
        "fingerprint": fingerprint(root),
        "url": https_url,
        "certificate": CERTIFICATE_NAME,
        "profile": PROFILE_NAME,
    }
    filled = fill(template, values)
    filled = filled.replace(values["fingerprint"], values["fingerprint"].replace(":", ":<wbr>"))
    return (
        filled.replace(f'<details id="{mine}">', f'<details id="{mine}" open>') if mine else filled
    )


def _uuid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, text)).upper()

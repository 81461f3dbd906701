"""How a gateway proves to NATS who it is: a token, a password, or a key that signs.

The file is read anew for each connection, so it may be replaced while the gateway runs.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mixer_core.runtime.errors import SettingsError

_PART = re.compile(r"-+BEGIN ([A-Z ]+)-+\s*([A-Za-z0-9_.=-]+)\s*-+END ", re.MULTILINE)
_JWT, _SEED = "NATS USER JWT", "USER NKEY SEED"
_SEED_BYTES = 32
_MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """One of three: user and password; a token; a JWT with the key that signs. Or nothing."""

    user: str = ""
    password: str = ""
    token: str = ""
    jwt: bytes = b""
    key: Ed25519PrivateKey | None = field(default=None, compare=False)

    def sign(self, nonce: str) -> bytes:
        """What proves that the key is here (base64), for the server's ``nonce``."""
        assert self.key is not None
        return base64.b64encode(self.key.sign(nonce.encode()))


def read_credentials(path: str) -> Credentials:
    """What the file says; nothing for an empty ``path``.

    Raises:
        SettingsError: it cannot be read, or is of no known form. Its content is never shown.
    """
    if not path:
        return Credentials()
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_BYTES + 1).decode("ascii")
    except OSError as error:
        raise SettingsError(
            f"[cluster] credentials_file {path} cannot be read ({error.strerror})"
        ) from error
    except UnicodeDecodeError:
        raise _wrong(path) from None
    credentials = parse_credentials(text)
    if credentials is None or len(text) > _MAX_BYTES:
        raise _wrong(path)
    return credentials


def parse_credentials(text: str) -> Credentials | None:
    """The credentials in a file's text; None: it has none."""
    if "-----BEGIN" in text:
        parts = dict(_PART.findall(text))
        key = signing_key(parts.get(_SEED, ""))
        jwt = parts.get(_JWT, "").encode()
        return Credentials(jwt=jwt, key=key) if jwt and key else None
    line = text.strip()
    if not line or len(line.split()) != 1:
        return None
    user, colon, password = line.partition(":")
    if not colon:
        return Credentials(token=line)
    return Credentials(user=user, password=password) if user and password else None


def signing_key(seed: str) -> Ed25519PrivateKey | None:
    """The key of an nkey seed (base32: two bytes of kind, 32 of seed, CRC-16); None: it is none.

    Source: https://github.com/nats-io/nkeys, "Design".
    """
    try:
        raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    except (binascii.Error, ValueError):
        return None
    body, check = raw[:-2], raw[-2:]
    if len(body) != 2 + _SEED_BYTES or binascii.crc_hqx(body, 0) != int.from_bytes(check, "little"):
        return None
    return Ed25519PrivateKey.from_private_bytes(body[2:])


def _wrong(path: str) -> SettingsError:
    return SettingsError(
        f"[cluster] credentials_file {path} has no credentials: write what nsc makes (.creds), or "
        "one line with a token or USER:PASSWORD"
    )

"""STUN and TURN servers: reading the setting, and credentials for them. Sans-I/O."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from .errors import SettingsError

URL = re.compile(
    r"(?P<scheme>stun|stuns|turn|turns):(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
    r"(:(?P<port>[0-9]{1,5}))?(\?transport=(?P<transport>udp|tcp))?"
)
"""RFC 7064 and RFC 7065."""
PORT, TLS_PORT = 3478, 5349
"""Where a URL names none (RFC 7064, RFC 7065)."""
MAX_URLS = 8
"""Browsers slow down with more."""
USER = "mixminus"
"""Follows the expiry time in the user names that are made from a shared secret."""


@dataclass(frozen=True, slots=True)
class IceServer:
    """Servers that share credentials, as ``RTCPeerConnection`` takes them."""

    urls: tuple[str, ...]
    username: str = ""
    credential: str = ""


Endpoint = tuple[str, int]
"""Host name or address, and port."""


@dataclass(frozen=True, slots=True)
class TurnServer:
    """A TURN server as this host itself asks it."""

    endpoint: Endpoint
    username: str
    credential: str
    transport: str
    """``udp`` or ``tcp``."""
    is_secure: bool
    """By TLS."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Servers that this host itself asks, each kind in order until one answers."""

    stun: tuple[Endpoint, ...] = ()
    turn: tuple[TurnServer, ...] = ()


@dataclass(frozen=True, slots=True)
class Credentials:
    """How clients prove themselves to the TURN servers."""

    username: str = ""
    """Empty: ``secret`` is shared with the servers, and user names with an expiry are made."""
    secret: str = ""
    """The password, or the shared secret."""
    lifetime_s: int = 43_200
    """How long what is made from a shared secret may be used."""


def parse_ice_servers(text: str) -> tuple[str, ...]:
    """The URLs of a list separated by commas.

    Raises:
        SettingsError: one is not a STUN or TURN URL, or there are too many.
    """
    urls = tuple(part.strip() for part in text.split(",") if part.strip())
    for url in urls:
        match = URL.fullmatch(url)
        if match is None or int(match["port"] or 1) > 65_535 or _is_stun_with_transport(match):
            raise SettingsError(
                f"[media_worker] ice_servers: {url!r} is not possible: write "
                "stun:HOST, turn:HOST:PORT?transport=udp, or turns:HOST:PORT?transport=tcp"
            )
    if len(urls) > MAX_URLS:
        raise SettingsError(
            f"[media_worker] ice_servers: {len(urls)} URLs, {MAX_URLS} are allowed: remove some"
        )
    return urls


def _is_stun_with_transport(match: re.Match[str]) -> bool:
    return match["scheme"].startswith("stun") and match["transport"] is not None


def is_turn(url: str) -> bool:
    """Whether the server of this URL relays, so that it wants credentials."""
    return url.startswith("turn")


def ice_servers(urls: tuple[str, ...], credentials: Credentials, now_s: int) -> list[IceServer]:
    """The servers with credentials that are valid from ``now_s`` (seconds since 1970)."""
    stun = tuple(url for url in urls if not is_turn(url))
    turn = tuple(url for url in urls if is_turn(url))
    servers = [IceServer(stun)] if stun else []
    if turn:
        username, credential = credentials.username, credentials.secret
        if not username:
            username = f"{now_s + credentials.lifetime_s}:{USER}"
            credential = _signed(username, credentials.secret)
        servers.append(IceServer(turn, username, credential))
    return servers


def _signed(username: str, secret: str) -> str:
    """The password for ``username`` (the "TURN REST API" that coturn calls use-auth-secret)."""
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()

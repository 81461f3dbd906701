"""Who asks: the browser's address, and the host it asked for, behind proxies or not. Sans-I/O.

``X-Forwarded-*`` is believed from the proxies that the settings name and from nobody else. But a
request that says that it was forwarded never counts as one of this machine: a proxy or tunnel that
nobody named must not open the door that loopback opens.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from mixer_core.runtime.errors import SettingsError

from ..access.identity import Vouch

_SIGNS = ("Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP", "CF-Ray", "Tailscale-User-Login")
_FOR, _HOST, _PROTO = "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
OWN_NAMES = frozenset(
    {"web", "selftest", "rooms", "session", "ice", "healthz", "readyz", "metrics", "favicon.ico"}
)
"""First parts of this gateway's own paths: a public path must not begin with one."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Where a request comes from."""

    address: str
    """IP address of the browser, as far as it can be believed; empty: unknown."""
    host: str
    """``Host`` header that the browser sent."""
    secure: bool
    """Whether the browser used HTTPS."""
    forwarded: bool
    """Whether a proxy handed it on."""
    vouch: Vouch | None = None
    """Of the node of the cluster that handed it on; None: none did."""


class Proxies:
    """The proxies that are believed."""

    def __init__(self, setting: str) -> None:
        """``setting``: addresses or networks, separated by commas. Raises SettingsError."""
        self._networks: list[Network] = []
        for part in filter(None, (part.strip() for part in setting.split(","))):
            try:
                self._networks.append(ipaddress.ip_network(part, strict=False))
            except ValueError as error:
                raise SettingsError(
                    f"trusted_proxies: {part!r} is neither an address nor a network"
                ) from error

    def __bool__(self) -> bool:
        return bool(self._networks)

    def asker(self, peer: str, headers: Mapping[str, str], secure: bool) -> Asker:
        """Who sent a request.

        Args:
            peer: address of the other end of the connection.
            headers: names in any case.
            secure: whether this connection is TLS.
        """
        host = headers.get("Host", "")
        if not self.trusts(peer):
            return Asker(peer, host, secure, was_forwarded(headers))
        return Asker(
            self._client(peer, _all(headers, _FOR)),
            _last(_all(headers, _HOST)) or host,
            _last(_all(headers, _PROTO)).lower() == "https" if _PROTO in headers else secure,
            True,
        )

    def _client(self, peer: str, chain: str) -> str:
        """The last address that no believed proxy has: what stands before it anybody can write."""
        client = peer
        for part in reversed(chain.split(",")):
            text = _bare(part)
            if text is None:
                break
            client = text
            if not self.trusts(client):
                break
        return client

    def trusts(self, peer: str) -> bool:
        """Whether that address is a believed proxy's."""
        text = _bare(peer)
        if text is None:
            return False
        address = ipaddress.ip_address(text)
        return any(address in network for network in self._networks)


def was_forwarded(headers: Mapping[str, str]) -> bool:
    """Whether a proxy has left a trace in ``headers``."""
    return any(name in headers for name in _SIGNS) or any(
        name.lower().startswith("x-forwarded-") for name in headers
    )


def clean_path(setting: str) -> str:
    """``public_path`` as ``/voice``, or empty. Raises SettingsError."""
    parts = [part for part in setting.strip().split("/") if part]
    for part in parts:
        allowed = part.replace("-", "").replace("_", "").replace(".", "")
        if not (allowed.isascii() and allowed.isalnum()):  # ".", ".." and "" are neither.
            raise SettingsError(
                f"public_path {setting!r} may have letters, digits, '-', '_', '.' and '/' only"
            )
    if parts and parts[0] in OWN_NAMES:
        raise SettingsError(
            f"public_path {setting!r} begins like a path of the gateway itself: choose another, "
            "such as /voice"
        )
    return "".join(f"/{part}" for part in parts)


def own_path(path: str, public_path: str) -> str:
    """``path`` without the public path, as the routes at the root have it."""
    if path == public_path:
        return "/"
    return path.removeprefix(public_path) if path.startswith(f"{public_path}/") else path


def _all(headers: Mapping[str, str], name: str) -> str:
    """All headers of one name as one list: a proxy may add its own below what the browser sent."""
    get_all = getattr(headers, "getall", None)
    return ",".join(get_all(name, [])) if get_all else headers.get(name, "")


def _last(text: str) -> str:
    """The element that the nearest proxy added."""
    return text.rpartition(",")[2].strip()


def _bare(text: str) -> str | None:
    """An IP address without port, brackets, zone and IPv4 mapping; None if it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)

"""Access control: who may use the gateway. Sans-I/O.

On loopback everybody may, but only by a name of this host. A foreign page whose name resolves to
this host (DNS rebinding) is refused by ``Host``, a foreign page that posts to it by ``Origin``. On
any other address a token is needed. If MIXMINUS_TOKEN is set, it is also needed on loopback under
any name that is not local (a proxy in front).
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from mixer_core.runtime.errors import ProblemError, SettingsError

from ..settings import SignalingSettings
from .forwarded import Asker

TOKEN_VARIABLE = "MIXMINUS_TOKEN"
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN_PATHS = frozenset({"/", "/healthz", "/favicon.ico"})
OPEN_PREFIX = "/web/"


class Gate:
    """Checks every request before it is handled."""

    def __init__(
        self,
        settings: SignalingSettings,
        env: Mapping[str, str],
        lan_names: Sequence[str] | None = None,
    ) -> None:
        """``lan_names``: names of this host, for the gate of the local network.

        Raises:
            SettingsError: a token is needed and not set.
        """
        self._token = env.get(TOKEN_VARIABLE, "").strip()
        lan = lan_names is not None
        self._exposed = lan or not is_loopback(settings.http_host)
        if self._exposed and not self._token:
            what = "the gateway" if lan else f"http_host {settings.http_host}"
            cure = "LAN to false" if lan else "HTTP_HOST to 127.0.0.1"
            raise SettingsError(
                f"{what} can be reached by other machines: set {TOKEN_VARIABLE} to a long random "
                f"text, or MIXMINUS_SIGNALING__{cure}"
            )
        names = {name.strip().lower() for name in settings.allowed_hosts.split(",")} - {""}
        self._names = LOCAL_NAMES | names | {settings.http_host.lower(), *(lan_names or ())}

    def check(
        self,
        path: str,
        asker: Asker,
        origin: str | None,
        authorization: str = "",
        query_token: str = "",
    ) -> None:
        """Let a request pass, or raise.

        Args:
            path: path of the URL, without the public path.
            asker: who sent it, and the host it was sent to.
            origin: ``Origin`` header, None if there is none.
            authorization: ``Authorization`` header.
            query_token: ``token`` in the query.

        Raises:
            ProblemError: 403 for a foreign host or origin, 401 for a missing or wrong token.
        """
        name = host_name(asker.host)
        if not self._is_ours(name):
            raise ProblemError(
                403,
                "Unknown host",
                f"{name[:80]!r} is not a name of this gateway: open it as localhost, or add the "
                "name to allowed_hosts in [signaling]",
            )
        if origin is not None and not same_origin(origin, asker.host):
            raise ProblemError(
                403, "Foreign origin", "in a browser, only the gateway's own page may call it"
            )
        if self._is_open(path) or not self._needs_token(name, asker.forwarded):
            return
        scheme, _, bearer = authorization.partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else query_token
        right = hmac.compare_digest(given.encode(), self._token.encode())
        if not (self._token and right):
            raise ProblemError(
                401,
                "Token needed",
                "send `Authorization: Bearer <token>`, or open the page with ?token=<token>; "
                f"the token is the value of {TOKEN_VARIABLE} when the gateway was started",
            )

    def _is_ours(self, name: str) -> bool:
        """If the gateway is exposed, any IP address is fine: DNS cannot rebind one."""
        return name in self._names or (self._exposed and _address(name) is not None)

    def _needs_token(self, name: str, forwarded: bool) -> bool:
        return self._exposed or forwarded or (bool(self._token) and name not in LOCAL_NAMES)

    def _is_open(self, path: str) -> bool:
        return path in OPEN_PATHS or path.startswith(OPEN_PREFIX)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    address = _address(host.strip("[]"))
    return host == "localhost" if address is None else address.is_loopback


def host_name(host: str) -> str:
    """The name in a ``Host`` header: lower case, without port, brackets and trailing dot."""
    try:
        name = urlsplit(f"//{host.strip()}").hostname or ""
    except ValueError:
        return ""
    return name.rstrip(".")


def same_origin(origin: str, host: str) -> bool:
    """Whether an ``Origin`` header names the host that the request was sent to."""
    try:
        parts = urlsplit(origin)
        default = {"http": 80, "https": 443}.get(parts.scheme)
        if default is None or parts.path not in ("", "/"):
            return False
        asked = urlsplit(f"//{host.strip()}")
        return (parts.hostname, parts.port or default) == (asked.hostname, asked.port or default)
    except ValueError:
        return False


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None

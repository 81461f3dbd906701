"""Access control: whose request it is, and whether the gateway takes it at all.

At this machine's own screen everybody is admin, but only by a name of this host. A foreign page
whose name resolves to this host (DNS rebinding) is refused by ``Host``, a foreign page that posts
to it by ``Origin``. Everybody else needs an invitation, or the value of MIXMINUS_TOKEN, as soon as
the gateway can be reached from elsewhere: by ``lan``, another ``http_host``, a proxy that says so,
MIXMINUS_TOKEN or ``require_invitation``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from mixer_core.runtime.errors import ProblemError, SettingsError
from mixer_core.runtime.secrets import secret

from ..settings import SignalingSettings
from .desk import Desk
from .identity import LOCAL, MACHINE, NOBODY, Facts, Identity, Vouch
from .ledger import Ledger

TOKEN_VARIABLE = "MIXMINUS_TOKEN"
LEAST_TOKEN_CHARACTERS = 16
LEAST_DIFFERENT_CHARACTERS = 8
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN_PATHS = frozenset({"/", "/selftest", "/healthz", "/favicon.ico"})
OPEN_PREFIX = "/web/"
SESSION_PATH = "/session"


class Gate:
    """Checks every request before it is handled."""

    def __init__(
        self,
        settings: SignalingSettings,
        env: Mapping[str, str],
        ledger: Ledger,
        lan_names: Sequence[str] | None = None,
    ) -> None:
        """``lan_names``: names of this host, for the gate of the local network.

        Raises:
            SettingsError: a token is needed and not set, or is easy to guess.
        """
        token = check_exposure(settings, env)
        plain = not is_loopback(settings.http_host)
        self.desk = Desk(ledger, token)
        self._exposed = plain or lan_names is not None
        self.guarded = bool(token) or plain or settings.lan or settings.require_invitation
        """Whoever is not at this machine's own screen needs an invitation."""
        names = {name.strip().lower() for name in settings.allowed_hosts.split(",")} - {""}
        self._names = LOCAL_NAMES | names | {settings.http_host.lower(), *(lan_names or ())}

    def identify(self, facts: Facts, now_s: int) -> Identity:
        """Whose request it is.

        Raises:
            ProblemError: 403 for a foreign host or origin; 401 where an invitation is needed and
                none, or none that counts, was given.
        """
        vouch = facts.vouch or self.vouch(facts)
        if _is_open(facts):
            return NOBODY
        is_needed = not vouch.is_own_screen and (self.guarded or vouch.needs_invitation)
        given = bearer(facts.authorization) or facts.query_token
        if given and self.desk.is_machine(given):
            return MACHINE
        if facts.cookie and not given:
            try:
                return self.desk.session(facts.cookie, now_s)
            except ProblemError:
                if is_needed:
                    raise
        if not is_needed:
            return LOCAL
        if given:
            raise self.desk.refusal(given, now_s)
        raise ProblemError(
            401,
            "Invitation needed",
            "open the link of your invitation, or ask an admin of the room for one; programs send "
            f"`Authorization: Bearer <token>` with the value of {TOKEN_VARIABLE}",
        )

    def vouch(self, facts: Facts) -> Vouch:
        """What only the place knows at which a request came in, for itself or another node.

        Raises:
            ProblemError: 403 for a foreign host or origin.
        """
        name = host_name(facts.host)
        self._check_page(name, facts)
        is_own = self._is_own_screen(name, facts)
        return Vouch(
            facts.address,
            facts.host,
            facts.secure,
            facts.forwarded,
            facts.base,
            is_own,
            not is_own and (self.guarded or facts.forwarded),
        )

    def _check_page(self, name: str, facts: Facts) -> None:
        if not self._is_ours(name):
            raise ProblemError(
                403,
                "Unknown host",
                f"{name[:80]!r} is not a name of this gateway: open it as localhost, or add the "
                "name to allowed_hosts in [signaling]",
            )
        if facts.origin is not None and not same_origin(facts.origin, facts.host):
            raise ProblemError(
                403, "Foreign origin", "in a browser, only the gateway's own page may call it"
            )

    def _is_ours(self, name: str) -> bool:
        """Where the gateway can be reached by address, any is fine: DNS cannot rebind one."""
        return name in self._names or (self._exposed and _address(name) is not None)

    def _is_own_screen(self, name: str, facts: Facts) -> bool:
        """Whether a browser on this machine asks, and no proxy in between."""
        is_here = not facts.forwarded and is_loopback(facts.address)
        return is_here and not self._exposed and name in LOCAL_NAMES


def check_exposure(settings: SignalingSettings, env: Mapping[str, str]) -> str:
    """The value of MIXMINUS_TOKEN; empty: not set, and not needed.

    Raises:
        SettingsError: it is needed and not set, is easy to guess, or cannot be used.
    """
    token = machine_token(env)
    if not token and not is_loopback(settings.http_host):
        raise SettingsError(
            f"http_host {settings.http_host} can be reached by other machines: set "
            f"{TOKEN_VARIABLE} to a long random text, or MIXMINUS_SIGNALING__HTTP_HOST to "
            "127.0.0.1"
        )
    return token


def machine_token(env: Mapping[str, str]) -> str:
    """The value of MIXMINUS_TOKEN; empty: not set.

    Raises:
        SettingsError: it is easy to guess, or cannot be used.
    """
    token = secret(env, TOKEN_VARIABLE)
    is_weak = len(token) < LEAST_TOKEN_CHARACTERS or len(set(token)) < LEAST_DIFFERENT_CHARACTERS
    if token and is_weak:
        raise SettingsError(
            f"{TOKEN_VARIABLE} is easy to guess: it needs at least {LEAST_TOKEN_CHARACTERS} "
            f"characters, {LEAST_DIFFERENT_CHARACTERS} of them different, for example the output "
            "of `openssl rand -hex 24`"
        )
    return token


def bearer(authorization: str) -> str:
    """The token of an ``Authorization`` header; empty: there is none."""
    scheme, _, given = authorization.partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def _is_open(facts: Facts) -> bool:
    if facts.path == SESSION_PATH:
        return facts.method in ("POST", "DELETE")
    return facts.path in OPEN_PATHS or facts.path.startswith(OPEN_PREFIX)


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

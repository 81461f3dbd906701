"""Which Realtime server this process talks to, and how it wants to be addressed. Sans-I/O.

=============  =====================================================  ========================
auth           HTTP requests with the standard key                    the call itself
=============  =====================================================  ========================
api_key, bare  ``Authorization: Bearer``                              the same key
ephemeral      ``Authorization: Bearer`` (for a client secret)        ``Bearer`` that secret
azure          ``api-key`` (for a client secret)                      ``Bearer`` that secret
=============  =====================================================  ========================

For Azure, ``base_url`` is ``https://RESOURCE.openai.azure.com/openai/v1`` and ``model`` the name of
the deployment. The headers of the settings go with every request; one that carries a key of its own
(``Authorization``, ``api-key``) takes the place of ours, but never of a client secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from urllib.parse import urlencode, urlsplit

from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.secrets import checked

from ..secrets import KEY_VARIABLE, uses_simulator
from ..settings import OpenaiLinkSettings, Settings

SAFETY_HEADER = "OpenAI-Safety-Identifier"
"""Names the end user of a session by a hash."""
MIN_SECRET_S, MAX_SECRET_S = 10, 7_200
"""Least and greatest lifetime of a client secret that the service gives."""

_DUMMY_KEY = "simulator"
_OPENAI_HOST = "api.openai.com"
"""And its subdomains: the service in one region."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_RESERVED = frozenset(
    {
        *("host", "connection", "upgrade", "content-length", "content-type", "transfer-encoding"),
        *("sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"),
        "sec-websocket-accept",
    }
)
"""Headers that belong to the request itself."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Upstream:
    """The Realtime server of this process."""

    name: str
    """``openai``, ``simulator`` or the base URL's host."""
    base_url: str
    """Without a slash at the end, with ``/v1``."""
    api_key: str
    ephemeral: bool
    """Get a client secret first, and call with it."""
    azure: bool = False
    """The standard key travels in the header ``api-key``."""
    model: str = ""
    """Model of a WebSocket session; it is part of the address there."""
    bare: bool = False
    """Call with the offer alone, and the standard key."""
    secret_lifetime_s: int = 0
    """For how long a client secret is to be valid; 0: as long as the server thinks."""
    extra_headers: tuple[tuple[str, str], ...] = ()
    """Headers of every request, beside the one with the key."""
    safety_identifier: str = ""
    """Pattern of what is hashed to name whoever talks; empty: nobody is named."""

    def for_room(self, room: str) -> Upstream:
        """The same server, as a session for ``room`` addresses it.

        The service wants a stable name of the end user that tells nothing about them: what the
        pattern makes of the room, hashed together with the key.
        """
        if not self.safety_identifier:
            return self
        named = self.safety_identifier.replace("{room}", room)
        digest = hmac.new(self.api_key.encode(), named.encode(), hashlib.sha256).hexdigest()
        header = (SAFETY_HEADER, digest)
        return replace(self, extra_headers=(*self.extra_headers, header), safety_identifier="")

    @property
    def is_compatible(self) -> bool:
        """Whether it is a server of somebody else, which may take calls in another way."""
        return self.name not in ("openai", "simulator")

    @property
    def simulated(self) -> bool:
        """Whether it is the local simulator by our own choice."""
        return self.name == "simulator"

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine, reached by loopback."""
        return (urlsplit(self.base_url).hostname or "") in _LOOPBACK

    @property
    def title(self) -> str:
        """What people call it, at the start of a sentence."""
        if self.name == "openai":
            return "OpenAI"
        return "The simulator" if self.simulated else self.name

    @property
    def websocket_url(self) -> str:
        """Address of a session over WebSocket (``ws`` or ``wss`` as the base URL is)."""
        scheme, _, rest = self.base_url.partition("://")
        query = f"?{urlencode({'model': self.model})}" if self.model else ""
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/realtime{query}"

    @property
    def transcription_url(self) -> str:
        """Address of a session over WebSocket that only writes down what it hears."""
        return f"{self.websocket_url.partition('?')[0]}?intent=transcription"

    def headers(self, key: str = "") -> dict[str, str]:
        """All headers of a request with ``key``: our own (also where it is empty), or a secret."""
        is_own = not key or key == self.api_key
        carriers = ("authorization", "api-key") if is_own else ()
        more = dict(self.extra_headers)
        if any(name.lower() in carriers for name in more):
            return more
        more = {name: value for name, value in more.items() if name.lower() != "authorization"}
        if self.azure and is_own:
            return {**more, "api-key": self.api_key}
        return {**more, "Authorization": f"Bearer {key or self.api_key}"}

    def __repr__(self) -> str:
        return f"Upstream({self.name!r}, {self.base_url!r})"


def choose_upstream(settings: Settings, api_key: str) -> Upstream:
    """Decide who answers; ``api_key`` is the value of OPENAI_API_KEY, empty where it is unset.

    Neither the real key nor the headers of the settings ever go to the simulator, which takes
    bearer tokens only.

    Raises:
        SettingsError: OpenAI is demanded and there is no key, or one that cannot be used; the base
            URL is none; or a header cannot be sent.
    """
    link, simulator = settings.openai_link, settings.simulator
    ephemeral = link.auth in ("ephemeral", "azure")
    if uses_simulator(link, {KEY_VARIABLE: api_key}):
        key = checked(simulator.api_key, "[simulator] api_key") or _DUMMY_KEY
        bare = link.auth == "bare"
        return Upstream("simulator", simulator.base_url, key, ephemeral, False, link.model, bare)
    api_key = checked(api_key, KEY_VARIABLE)
    if not api_key:
        raise SettingsError(
            f"[openai_link] upstream is openai and {KEY_VARIABLE} is not set: "
            'set it, or set upstream to "simulator"'
        )
    lifetime_s = link.client_secret_lifetime_s
    if lifetime_s and not MIN_SECRET_S <= lifetime_s <= MAX_SECRET_S:
        raise SettingsError(
            f"[openai_link] client_secret_lifetime_s = {lifetime_s} is not possible: "
            f"0, or {MIN_SECRET_S} to {MAX_SECRET_S}"
        )
    url = link.base_url.strip().rstrip("/")
    host = _host(url)
    return Upstream(
        "openai" if f".{host}".endswith(f".{_OPENAI_HOST}") else host,
        url,
        api_key,
        ephemeral,
        link.auth == "azure",
        link.model,
        link.auth == "bare",
        lifetime_s,
        tuple(_headers(link).items()),
        link.safety_identifier,
    )


def _headers(link: OpenaiLinkSettings) -> dict[str, str]:
    """The headers that the settings add to every request."""
    named = {"OpenAI-Organization": link.organization, "OpenAI-Project": link.project}
    headers = {name: value.strip() for name, value in named.items() if value.strip()}
    headers |= link.headers
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise SettingsError(f"[openai_link] headers: {name!r} is no name of a header")
        if name.lower() in _RESERVED:
            raise SettingsError(f"[openai_link] headers must not have {name}: HTTP itself needs it")
        if not all(0x20 <= ord(letter) < 0x7F for letter in value):
            raise SettingsError(
                f"[openai_link] headers: the value of {name} has characters that no header can hold"
            )
    return headers


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or "" if parts.port is None or parts.port else ""
    except ValueError:
        host = ""
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise SettingsError(
            "[openai_link] base_url must not have a user name or a password: put them into headers"
        )
    if not all(letter.isprintable() and not letter.isspace() for letter in url):
        host = ""  # urlsplit drops some of these, and requests keep them.
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise SettingsError(
            f"[openai_link] base_url = {url!r} is not possible: "
            "write http:// or https://, a host, and a path such as /v1"
        )
    return host

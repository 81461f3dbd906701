"""Which Realtime server this process talks to, and how it wants to be addressed. Sans-I/O.

=============  =====================================================  ========================
auth           HTTP requests with the standard key                    the call itself
=============  =====================================================  ========================
api_key        ``Authorization: Bearer``                              the same key
ephemeral      ``Authorization: Bearer`` (for a client secret)        ``Bearer`` that secret
azure          ``api-key`` (for a client secret)                      ``Bearer`` that secret
=============  =====================================================  ========================

For Azure, ``base_url`` is ``https://RESOURCE.openai.azure.com/openai/v1`` and ``model`` the name of
the deployment.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from mixer_core.runtime.errors import SettingsError

from ..settings import KEY_VARIABLE, Settings, uses_simulator

_DUMMY_KEY = "simulator"
_OPENAI_HOST = "api.openai.com"
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

    def headers(self, key: str = "") -> dict[str, str]:
        """The header that carries ``key``: our own (also where it is empty), or a client secret."""
        key = key or self.api_key
        if self.azure and key == self.api_key:
            return {"api-key": key}
        return {"Authorization": f"Bearer {key}"}

    def __repr__(self) -> str:
        return f"Upstream({self.name!r}, {self.base_url!r})"


def choose_upstream(settings: Settings, api_key: str) -> Upstream:
    """Decide who answers; ``api_key`` is the value of OPENAI_API_KEY, empty where it is unset.

    The real key never goes to the simulator, which takes bearer tokens only.

    Raises:
        SettingsError: OpenAI is demanded and there is no key, or the base URL is none.
    """
    link, simulator = settings.openai_link, settings.simulator
    ephemeral = link.auth != "api_key"
    if uses_simulator(link, {KEY_VARIABLE: api_key}):
        key = simulator.api_key or _DUMMY_KEY
        return Upstream("simulator", simulator.base_url, key, ephemeral, model=link.model)
    if not api_key:
        raise SettingsError(
            f"[openai_link] upstream is openai and {KEY_VARIABLE} is not set: "
            'set it, or set upstream to "simulator"'
        )
    url = link.base_url.rstrip("/")
    host = _host(url)
    name = "openai" if host == _OPENAI_HOST else host
    return Upstream(name, url, api_key, ephemeral, link.auth == "azure", link.model)


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise SettingsError(
            f"[openai_link] base_url = {url!r} is not possible: "
            "write http:// or https://, a host, and a path such as /v1"
        )
    return host

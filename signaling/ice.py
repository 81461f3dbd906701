"""The STUN and TURN servers of browsers and workers, with fresh credentials. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.ice_servers import (
    Credentials,
    IceServer,
    ice_servers,
    is_turn,
    parse_ice_servers,
)
from mixer_core.runtime.secrets import secret

from .settings import NetworkSettings

KEEP_S = 600
"""How long a page may keep what it was told; what is made from a shared secret lasts longer."""


class IceServers:
    """The servers of the settings; the secret comes from the environment."""

    def __init__(self, settings: NetworkSettings, env: Mapping[str, str]) -> None:
        """Raises SettingsError if a URL is wrong, or a TURN server has no usable secret."""
        self._urls = parse_ice_servers(settings.ice_servers)
        variable = settings.turn_secret_variable
        turn = next(filter(is_turn, self._urls), None)
        password = "" if turn is None else secret(env, variable, ascii_only=False)
        if turn is not None and not password:
            raise SettingsError(
                f"[media_worker] ice_servers has {turn}, but {variable} is not set: set it to the "
                "server's shared secret, or, with turn_username, to the password"
            )
        self._credentials = Credentials(settings.turn_username, password, settings.turn_lifetime_s)

    def current(self, now_s: int) -> tuple[IceServer, ...]:
        """The servers, with credentials that are valid from ``now_s`` (seconds since 1970)."""
        return tuple(ice_servers(self._urls, self._credentials, now_s))

    def as_json(self, now_s: int) -> dict[str, Any]:
        """What ``GET /ice`` says: ``ice_servers`` as browsers take them, and ``keep_s``."""
        return {"ice_servers": [_as_json(one) for one in self.current(now_s)], "keep_s": KEEP_S}


def _as_json(server: IceServer) -> dict[str, Any]:
    content: dict[str, Any] = {"urls": list(server.urls)}
    if server.username:
        content |= {"username": server.username, "credential": server.credential}
    return content

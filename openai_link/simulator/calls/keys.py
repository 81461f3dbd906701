"""Authentication: the API key, and ephemeral keys with their sessions. Sans-I/O."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..engine import refusals, session_config
from ..engine.ids import IdMint
from ..engine.refusals import Refusal

Json = dict[str, Any]

LEAST_S, MOST_S, DEFAULT_S = 10, 7_200, 600
_MAX_SECRETS = 1_000
EPHEMERAL_PREFIX = "ek_"


class Unauthorized(Refusal):
    """The key is missing, wrong or expired (HTTP 401)."""


@dataclass(frozen=True, slots=True)
class Secret:
    """An ephemeral key."""

    value: str
    expires_at_s: int
    """Unix seconds."""
    session: Json
    """The session object as the client sent it."""


class KeyRing:
    """Checks keys, and stores ephemeral ones until they expire. ``now_s`` is Unix time."""

    def __init__(self, api_key: str, mint: IdMint) -> None:
        """``api_key``: the standard key; empty: any is accepted, or none."""
        self._api_key = api_key
        self._mint = mint
        self._secrets: dict[str, Secret] = {}

    def check_standard(self, bearer: str | None) -> None:
        """Raise Unauthorized unless ``bearer`` is the API key."""
        if not self._api_key or bearer == self._api_key:
            return
        if not bearer:
            raise Unauthorized(
                "invalid_api_key", "Missing bearer authentication in header.", kind=_KIND
            )
        raise Unauthorized(
            "invalid_api_key", f"Incorrect API key provided: {_hidden(bearer)}.", kind=_KIND
        )

    def create(self, body: Mapping[str, Any], now_s: int) -> Secret:
        """Make an ephemeral key from a request body. Raises Refusal for an invalid value."""
        for key in body:
            if key not in ("expires_after", "session"):
                raise refusals.unknown_parameter(key)
        seconds = _lifetime(body.get("expires_after"))
        session = body.get("session") or {"type": "realtime"}
        if not isinstance(session, Mapping):
            raise refusals.invalid_value("session", session, "Expected an object.")
        session_config.create_session("", 0, session)
        self._drop_expired(now_s)
        secret = Secret(
            EPHEMERAL_PREFIX + self._mint.letters(32), now_s + seconds, copy.deepcopy(dict(session))
        )
        self._secrets[secret.value] = secret
        return secret

    def session_of(self, bearer: str | None, now_s: int) -> Json | None:
        """Return the session of an ephemeral key, or None for a standard key.

        Raises Unauthorized when the key is unknown, expired or wrong.
        """
        if bearer is None or not bearer.startswith(EPHEMERAL_PREFIX):
            self.check_standard(bearer)
            return None
        secret = self._secrets.get(bearer)
        if secret is None or secret.expires_at_s <= now_s:
            raise Unauthorized(
                "invalid_api_key", "The ephemeral key is unknown or has expired.", kind=_KIND
            )
        return secret.session

    def _drop_expired(self, now_s: int) -> None:
        kept = [s for s in self._secrets.values() if s.expires_at_s > now_s][-_MAX_SECRETS + 1 :]
        self._secrets = {secret.value: secret for secret in kept}


_KIND = "invalid_request_error"


def _lifetime(given: Any) -> int:
    if given is None:
        return DEFAULT_S
    if not isinstance(given, Mapping):
        raise refusals.invalid_value("expires_after", given, "Expected an object.")
    if given.get("anchor", "created_at") != "created_at":
        raise refusals.invalid_value(
            "expires_after.anchor", given["anchor"], "Supported values are: 'created_at'."
        )
    seconds = given.get("seconds", DEFAULT_S)
    whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if not whole or not LEAST_S <= seconds <= MOST_S:
        raise refusals.invalid_value(
            "expires_after.seconds", seconds, f"Expected an integer from {LEAST_S} to {MOST_S}."
        )
    return int(seconds)


def _hidden(key: str) -> str:
    """Return a key with its middle hidden, as the real service shows it."""
    return f"{key[:3]}***{key[-2:]}" if len(key) > 8 else "***"

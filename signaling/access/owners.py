"""The address under which a participant is ended: only its browser knows it. Sans-I/O.

It is made from the participant's id and the key, so that it outlasts a restart.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

SECRET_BYTES = 16


class Owners:
    """Makes and checks these addresses."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"owner of a participant", hashlib.sha256)

    def address(self, participant: str) -> str:
        """``<participant>.<secret>``, the last part of the path."""
        return f"{participant}.{self._secret(participant)}"

    def participant(self, address: str) -> str | None:
        """The participant of an address; None if the secret is missing or wrong."""
        participant, _, secret = address.partition(".")
        if not address.isascii():
            return None
        right = hmac.compare_digest(secret, self._secret(participant))
        return participant if right else None

    def _secret(self, participant: str) -> str:
        digest = hmac.digest(self._key, participant.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:SECRET_BYTES]).decode().rstrip("=")

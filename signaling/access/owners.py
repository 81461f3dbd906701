"""The address under which a participant is ended: only its browser knows it. Sans-I/O.

It is made from the participant's id and the key, so that it outlasts a restart. In a cluster the
node where the participant is stands behind it, ``ADDRESS~NODE``: any node relays it there without
looking anything up. Whatever else lies on one node is named in the same way.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable

SECRET_BYTES = 16
NODE_MARK = "~"


def with_node(name: str, node: str) -> str:
    """``name`` as something that is on ``node``; empty: there are no nodes."""
    return f"{name}{NODE_MARK}{node}" if node else name


def without_node(name: str, node: str) -> str:
    """``name`` as ``node`` itself knows it; the name of something elsewhere stays as it is."""
    return name.removesuffix(f"{NODE_MARK}{node}") if node else name


class Owners:
    """Makes and checks these addresses."""

    def __init__(self, key: Callable[[], bytes], node: str = "") -> None:
        """``key``: the gateway's, as it is now: a machine that joins a cluster takes another one.
        ``node``: this one's name in a cluster; empty: there is none."""
        self._node = node
        self._key = key

    def address(self, participant: str) -> str:
        """``<participant>.<secret>``, the last part of the path, with the node behind it."""
        return with_node(f"{participant}.{self._secret(participant)}", self._node)

    def participant(self, address: str) -> str | None:
        """The participant of an address; None if the secret is missing or wrong, or the participant
        is on another node."""
        participant, _, secret = without_node(address, self._node).partition(".")
        if not address.isascii():
            return None
        right = hmac.compare_digest(secret, self._secret(participant))
        return participant if right else None

    def former(self, address: str) -> str | None:
        """The participant of an address, as ``participant``; on whichever node it was.

        Who joins again after a move names the stay that they had elsewhere.
        """
        return self.participant(address.partition(NODE_MARK)[0])

    def _secret(self, participant: str) -> str:
        key = hmac.digest(self._key(), b"owner of a participant", hashlib.sha256)
        digest = hmac.digest(key, participant.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:SECRET_BYTES]).decode().rstrip("=")

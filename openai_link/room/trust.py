"""Whose word counts for tools, where people come by invitation. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Trust:
    """Who is in the room, with role and verified name."""

    def __init__(self, verify: bool) -> None:
        """``verify``: people come by invitation; otherwise every name and every yes counts."""
        self._verify = verify
        self._verified: frozenset[str] = frozenset()
        self._admins: frozenset[str] = frozenset()

    def roster(self, event: Mapping[str, Any]) -> None:
        """The mixer's ``participants`` event."""
        listed = event.get("participants")
        people = [p for p in listed if isinstance(p, Mapping)] if isinstance(listed, list) else []
        self._verified = _those(people, "verified", True)
        self._admins = _those(people, "role", "admin")

    def is_proven(self, participant: str) -> bool:
        """Whether a participant's name counts for ``who``."""
        return not self._verify or participant in self._verified

    def may_confirm(self, participant: str) -> bool:
        """Whether a participant's yes counts: that of admins, and of people who are known."""
        return self.is_proven(participant) or participant in self._admins


def _those(people: list[Mapping[str, Any]], key: str, value: object) -> frozenset[str]:
    return frozenset(str(p.get("participant")) for p in people if p.get(key) == value)

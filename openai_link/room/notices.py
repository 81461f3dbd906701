"""What the room's people are told of the state and of errors, and when they can hear it. Sans-I/O.

A newcomer's subscription takes a moment to be there: who joins is told the state at once, and once
more ``SUBSCRIBE_NS`` later. Errors that nobody was there to hear wait until then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixer_core.runtime.foreign_text import without_paths
from mixer_core.runtime.units import MS_NS

SUBSCRIBE_NS = 400 * MS_NS
"""When a newcomer's subscription is surely there."""
MAX_REPORTS = 16
"""Errors that wait for somebody; of more the oldest are forgotten."""


class Notices:
    """Who is in the room, and what they have yet to hear."""

    def __init__(self) -> None:
        self.people: dict[str, str] = {}
        """Names by participant."""
        self._joined_ns: int | None = None
        """When the newest participant came, until its subscription is there."""
        self._reports: list[dict[str, Any]] = []

    @property
    def has_audience(self) -> bool:
        """Somebody is in the room and hears what is sent."""
        return bool(self.people) and self._joined_ns is None

    def roster(self, event: Mapping[str, Any], now_ns: int) -> bool:
        """Take the mixer's ``participants`` event; returns whether somebody joined."""
        listed = event.get("participants")
        entries = listed if isinstance(listed, list) else []
        before = self.people
        self.people = {
            str(entry.get("participant")): str(entry.get("name", ""))
            for entry in entries
            if isinstance(entry, Mapping)
        }
        joined = bool(self.people.keys() - before.keys())
        if joined:
            self._joined_ns = now_ns
        return joined

    def report(self, code: str, message: str) -> list[dict[str, Any]]:
        """An error for everybody; returns the EVENTs that can be told now.

        Where this machine keeps its files is nobody's business but the log's.
        """
        words = without_paths(message)
        self._reports.append({"type": "error", "code": code, "message": words})
        del self._reports[:-MAX_REPORTS]
        return self._due()

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nobody has just joined."""
        return None if self._joined_ns is None else self._joined_ns + SUBSCRIBE_NS

    def tick(self, now_ns: int) -> bool:
        """Whether the newcomers have just begun to hear what is sent."""
        timeout_ns = self.next_timeout_ns()
        if timeout_ns is None or now_ns < timeout_ns:
            return False
        self._joined_ns = None
        return True

    def waiting(self) -> list[dict[str, Any]]:
        """Errors that waited for somebody: EVENTs to tell now."""
        return self._due()

    def _due(self) -> list[dict[str, Any]]:
        if not self.has_audience:
            return []
        reports, self._reports = self._reports, []
        return reports

"""Lines that people type while no session has the room: the next one is told of them. Sans-I/O.

Only a connection that is on its way is waited for. Lines for which none comes are given back, so
that whoever typed them hears of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from mixer_core.runtime.units import S_NS

MAX_LINES, MAX_OF_ONE = 16, 6
"""Of a room, of one person; more are refused at once. Nobody types so much to whoever is not there,
and a browser can be given back that many at one moment (``Tellings``)."""
MAX_WAIT_NS = 60 * S_NS
"""Nobody expects an answer any more."""


class WaitingLines:
    """Of one room, in the order in which they were typed."""

    def __init__(self) -> None:
        self._lines: deque[tuple[int, Mapping[str, Any]]] = deque()
        self.is_room_here = True
        """The room has not gone to another machine."""

    def __len__(self) -> int:
        return len(self._lines)

    def keep(self, event: Mapping[str, Any], now_ns: int) -> bool:
        """Keep a ``say`` event for the next session; False: there are too many already."""
        who = event.get("participant")
        of_one = sum(line.get("participant") == who for _, line in self._lines)
        if len(self._lines) >= MAX_LINES or of_one >= MAX_OF_ONE:
            return False
        self._lines.append((now_ns + MAX_WAIT_NS, event))
        return True

    def take(self) -> list[Mapping[str, Any]]:
        """All of them: a session has the room, or none will."""
        events = [event for _, event in self._lines]
        self._lines.clear()
        return events

    def next_timeout_ns(self) -> int | None:
        """When to call ``overdue``; None where nothing waits."""
        return self._lines[0][0] if self._lines else None

    def overdue(self, now_ns: int) -> list[Mapping[str, Any]]:
        """Lines that have waited for too long."""
        events = []
        while self._lines and self._lines[0][0] <= now_ns:
            events.append(self._lines.popleft()[1])
        return events

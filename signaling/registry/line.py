"""The line in front of a full gateway: first come, first served. Sans-I/O.

A page that is refused gets a ticket and asks again with it every few seconds. A place that becomes
free is kept for the first in line, but only as long as a page takes to ask again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile

from mixer_core.runtime.units import S_NS

MAX_LENGTH = 100
CLEARLY = 2
"""Difference of burdens that counts."""
MAX_PER_CLIENT = 8
PATIENCE_NS = 20 * S_NS
"""A page that has not asked for this long is gone."""
CALL_NS = 8 * S_NS
"""How long a free place is kept for a page that does not ask."""


@dataclass(slots=True)
class _Waiting:
    client: str
    burden: int
    asked_ns: int
    called_ns: int | None = None
    """Since when there is a place."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The answer to somebody who wants a place."""

    admitted: bool
    ticket: str = ""
    """Empty: admitted, or the line is too long."""
    position: int = 0
    """From 1."""


class Line:
    """Those who wait, by ticket, in order."""

    def __init__(self, numbers: Callable[[], int]) -> None:
        """``numbers`` returns a random integer of 32 bits at each call."""
        self._numbers = numbers
        self._waiting: dict[str, _Waiting] = {}

    def ask(self, ticket: str, client: str, burden: int, free: int, now_ns: int) -> Turn:
        """Somebody wants one of ``free`` places.

        Args:
            ticket: from before, or empty.
            burden: of the client, see ``admission``: who has a clearly smaller one goes first.
        """
        known = self._waiting.get(ticket)
        if known is not None:
            known.asked_ns, known.burden = now_ns, burden
        self._forget(free, now_ns)
        if ticket not in self._waiting:
            ticket = ""
        before = takewhile(lambda other: other[0] != ticket, self._waiting.items())
        ahead = sum(waiting.burden < burden + CLEARLY for _, waiting in before)
        if ahead < free:
            self.leave(ticket)
            return Turn(True)
        ticket = ticket or self._add(client, burden, now_ns)
        return Turn(False, ticket, ahead + 1) if ticket else Turn(False)

    def leave(self, ticket: str) -> None:
        """Somebody has got a place."""
        self._waiting.pop(ticket, None)

    def _add(self, client: str, burden: int, now_ns: int) -> str:
        """A ticket at the end; empty if the line, or the client's share of it, is too long."""
        own = sum(other.client == client for other in self._waiting.values())
        if len(self._waiting) >= MAX_LENGTH or (client and own >= MAX_PER_CLIENT):
            return ""
        ticket = f"{self._numbers():08x}{self._numbers():08x}"
        self._waiting[ticket] = _Waiting(client, burden, now_ns)
        return ticket

    def _forget(self, free: int, now_ns: int) -> None:
        """Take out those who no longer ask, and those who do not take their place."""
        for ticket, waiting in list(self._waiting.items()):
            if now_ns - waiting.asked_ns >= PATIENCE_NS:
                del self._waiting[ticket]
        places = free
        for ticket, waiting in list(self._waiting.items()):
            if places <= 0:
                waiting.called_ns = None
                continue
            if waiting.called_ns is None:
                waiting.called_ns = now_ns
            since_ns = max(waiting.called_ns, waiting.asked_ns)
            if now_ns - since_ns >= CALL_NS:
                del self._waiting[ticket]
            else:
                places -= 1

"""The line in front of a full gateway: first come, first served. Sans-I/O.

A page that is refused gets a ticket and asks again with it every few seconds. A place that becomes
free is kept for the first in line, but only as long as a page takes to ask again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mixer_core.runtime.units import S_NS

MAX_LENGTH = 100
MAX_PER_CLIENT = 8
PATIENCE_NS = 75 * S_NS
"""A page that has not asked for this long is gone; a hidden one may ask once a minute only."""
CALL_NS = 8 * S_NS
"""How long a free place is kept for a page that does not ask."""


@dataclass(slots=True)
class _Waiting:
    client: str
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

    def ask(self, ticket: str, client: str, free: int, now_ns: int) -> Turn:
        """Somebody wants one of ``free`` places; ``ticket``: from before, or empty."""
        known = self._waiting.get(ticket)
        if known is not None:
            known.asked_ns = now_ns
        self._forget(free, now_ns)
        order = list(self._waiting)
        if known is not None and ticket in self._waiting:
            index = order.index(ticket)
        else:
            index, ticket = len(order), ""
        if index < free:
            self._waiting.pop(ticket, None)
            return Turn(True)
        if not ticket:
            ticket = self._add(client, now_ns)
        return Turn(False, ticket, index + 1) if ticket else Turn(False)

    def _add(self, client: str, now_ns: int) -> str:
        """A ticket at the end; empty if the line, or the client's share of it, is too long."""
        own = sum(other.client == client for other in self._waiting.values())
        if len(self._waiting) >= MAX_LENGTH or (client and own >= MAX_PER_CLIENT):
            return ""
        ticket = f"{self._numbers():08x}{self._numbers():08x}"
        self._waiting[ticket] = _Waiting(client, now_ns)
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

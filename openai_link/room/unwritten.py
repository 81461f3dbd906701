"""EVENTs that are told once the journal has what they say, or takes too long. Sans-I/O.

A journal is written in order: where the oldest of them has waited too long, those behind it are not
written either, so all are told, and nobody waits again before something is written. While it is
not certain that the room is this machine's, nothing is told that the journal does not have.
"""

from __future__ import annotations

from mixer_core.runtime.units import S_NS

from .actions import Event

MAX_WAITING = 128
"""EVENTs that wait for the journal; of more the oldest are told as they are."""
JOURNAL_TIMEOUT_NS = 5 * S_NS
"""A caption does not wait longer for the journal."""
CLUSTER_TIMEOUT_NS = 12 * S_NS
"""Nor for that of a room in a cluster. When NATS is split, a machine on the wrong side has its
rooms until the others have a leader, which takes them up to 8 s, and for the 3 s of a lease: what
it could not write by then goes with the room."""


class UnwrittenEvents:
    """Of one room; methods return the EVENTs to tell now."""

    def __init__(self, timeout_ns: int) -> None:
        """``timeout_ns``: longest that one waits."""
        self._timeout_ns = timeout_ns
        self._is_late = False
        """One has waited so long, and nothing was written since."""
        self._is_held = False
        self._tickets = 0
        self._waiting: dict[int, tuple[Event, int]] = {}
        """EVENTs by ticket; and until when they wait."""

    def ticket(self) -> int:
        """Of records that are written at once, because somebody waits."""
        self._tickets += 1
        return self._tickets

    def wait(self, event: Event, now_ns: int) -> tuple[int, list[Event]]:
        """``event`` waits for the records that are written with this ticket."""
        ticket = self.ticket()
        if self._is_late:
            return ticket, [event]
        self._waiting[ticket] = event, now_ns + self._timeout_ns
        late = list(self._waiting)[:-MAX_WAITING]
        return ticket, [self._waiting.pop(other)[0] for other in late]

    def forget(self) -> None:
        """Nobody is told what waits."""
        self._waiting.clear()

    def hold(self) -> None:
        """The room is perhaps no longer this machine's."""
        self._is_held, self._is_late = True, False

    def release(self, now_ns: int) -> None:
        """The room is this machine's: the journal has its time from now on."""
        self._is_held = False
        until_ns = now_ns + self._timeout_ns
        self._waiting = {ticket: (event, until_ns) for ticket, (event, _) in self._waiting.items()}

    def written(self, ticket: int) -> list[Event]:
        """Records are safe, or never will be."""
        self._is_late = False
        waited = self._waiting.pop(ticket, None)
        return [] if waited is None else [waited[0]]

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits for the journal, or for ``release``."""
        if self._is_held:
            return None
        return min((until_ns for _, until_ns in self._waiting.values()), default=None)

    def tick(self, now_ns: int) -> list[Event]:
        """The time-out was reached, perhaps: the journal takes too long."""
        due_ns = self.next_timeout_ns()
        if due_ns is None or now_ns < due_ns:
            return []
        self._is_late = True
        told = [event for event, _ in self._waiting.values()]
        self._waiting.clear()
        return told

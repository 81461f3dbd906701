"""EVENTs that are told once the journal has what they say, or takes too long. Sans-I/O."""

from __future__ import annotations

from mixer_core.runtime.units import S_NS

from .actions import Event

MAX_WAITING = 128
"""EVENTs that wait for the journal; of more the oldest are told as they are."""
JOURNAL_TIMEOUT_NS = 5 * S_NS
"""A caption does not wait longer for the journal."""


class UnwrittenEvents:
    """Of one room; methods return the EVENTs to tell now."""

    def __init__(self) -> None:
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
        self._waiting[ticket] = event, now_ns + JOURNAL_TIMEOUT_NS
        late = list(self._waiting)[:-MAX_WAITING]
        return ticket, [event for other in late for event in self.written(other)]

    def forget(self) -> None:
        """Nobody is told what waits."""
        self._waiting.clear()

    def written(self, ticket: int) -> list[Event]:
        """Records are safe, or never will be."""
        waited = self._waiting.pop(ticket, None)
        return [] if waited is None else [waited[0]]

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits for the journal."""
        return min((until_ns for _, until_ns in self._waiting.values()), default=None)

    def tick(self, now_ns: int) -> list[Event]:
        """The time-out was reached, perhaps: the journal takes too long."""
        late = [ticket for ticket, (_, until_ns) in self._waiting.items() if until_ns <= now_ns]
        return [event for ticket in late for event in self.written(ticket)]

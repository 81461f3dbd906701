"""EVENTs that are told once the journal has what they say, or takes too long. Sans-I/O.

One that has waited for a moment is shown as not final meanwhile. A journal is written in order:
where the oldest has waited too long, those behind it are not written either, so all are told, and
nobody waits again before something is written. While it is not certain that the room is this
machine's, nothing is told to be final that the journal does not have.
"""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.units import MS_NS, S_NS

from .actions import Event

MAX_WAITING = 128
"""EVENTs that wait for the journal; of more the oldest are told as they are."""
SHOWN_AFTER_NS = 500 * MS_NS
"""Then a line is shown, though not as final."""
JOURNAL_TIMEOUT_NS = 5 * S_NS
"""A caption does not wait longer for the journal of a room on one machine."""
CLUSTER_TIMEOUT_NS = 12 * S_NS
"""Nor longer than this in a cluster. When NATS is split, a machine on the wrong side has its rooms
until the others have a leader, which takes them up to 8 s, and for the 3 s of a lease: what it
could not write by then goes with the room."""


@dataclass(slots=True)
class Waiting:
    """One EVENT that waits for the journal."""

    event: Event
    until_ns: int
    shown_ns: int | None
    """When to show it as not final; None: it is shown."""


class UnwrittenEvents:
    """Of one room; methods return the EVENTs to tell now."""

    def __init__(self, timeout_ns: int) -> None:
        """``timeout_ns``: longest that one waits."""
        self._timeout_ns = timeout_ns
        self._is_late = False
        """One has waited so long, and nothing was written since."""
        self._is_held = False
        self._is_given_up = False
        self._tickets = 0
        self._waiting: dict[int, Waiting] = {}
        """By ticket."""

    def ticket(self) -> int:
        """Of records that are written at once, because somebody waits."""
        self._tickets += 1
        return self._tickets

    def wait(self, event: Event, now_ns: int) -> tuple[int, list[Event]]:
        """``event`` waits for the records that are written with this ticket."""
        ticket = self.ticket()
        if self._is_given_up:
            return ticket, []
        if self._is_late:
            return ticket, [event]
        self._waiting[ticket] = Waiting(event, now_ns + self._timeout_ns, now_ns + SHOWN_AFTER_NS)
        late = list(self._waiting)[:-MAX_WAITING]
        return ticket, [self._waiting.pop(other).event for other in late]

    def forget(self) -> None:
        """Nobody is told what waits."""
        self._waiting.clear()

    def give_up(self) -> None:
        """Another machine has the room: nobody is told what waits, nor what comes later."""
        self._is_given_up = True
        self.forget()

    def hold(self) -> None:
        """The room is perhaps no longer this machine's."""
        self._is_held, self._is_late = True, False

    def release(self, now_ns: int) -> None:
        """The room is this machine's: the journal has its time from now on."""
        self._is_held = False
        for waiting in self._waiting.values():
            waiting.until_ns = now_ns + self._timeout_ns

    def written(self, ticket: int) -> list[Event]:
        """Records are safe, or never will be."""
        self._is_late = False
        waited = self._waiting.pop(ticket, None)
        return [] if waited is None else [waited.event]

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits for the journal, or for ``release``."""
        if not self._waiting:
            return None
        shown_ns = [waiting.shown_ns for waiting in self._waiting.values()]
        return earliest(self._late_ns(), *shown_ns)

    def tick(self, now_ns: int) -> list[Event]:
        """The time-out was reached, perhaps: the journal takes too long."""
        late_ns = self._late_ns()
        if late_ns is not None and now_ns >= late_ns:
            self._is_late = True
            told = [waiting.event for waiting in self._waiting.values()]
            self._waiting.clear()
            return told
        return [shown for waiting in self._waiting.values() for shown in _shown(waiting, now_ns)]

    def _late_ns(self) -> int | None:
        """When the first one has waited too long."""
        if self._is_held:
            return None
        return min((waiting.until_ns for waiting in self._waiting.values()), default=None)


def _shown(waiting: Waiting, now_ns: int) -> list[Event]:
    """It as it is shown meanwhile, if it is time."""
    if waiting.shown_ns is None or now_ns < waiting.shown_ns:
        return []
    waiting.shown_ns = None
    return [{**waiting.event, "final": False}]

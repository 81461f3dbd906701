"""What a room's first session waits for: the tools, and what the journal knows. Sans-I/O.

The session is opened once the tools are loaded, and seeded once the journal has said what it knows.
Neither is waited for for long.
"""

from __future__ import annotations

from collections.abc import Sequence

from mixer_core.journal.records import HistoryItem
from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.units import MS_NS, S_NS

from .actions import Log
from .record import RoomRecord
from .room_tools import RoomTools, Toolset
from .session import Session
from .sessions import RoomSessions
from .signals import Outcome

TOOLS_TIMEOUT_NS = 300 * MS_NS
"""How long the first session waits for the tools; later ones are added to the running session."""
RECOVERY_TIMEOUT_NS = 5 * S_NS
"""A journal that has not said by then what it knows is not waited for."""


class Startup:
    """Of one room; methods return what follows, in order."""

    def __init__(
        self, record: RoomRecord, tools: RoomTools, sessions: RoomSessions, has_tools: bool
    ) -> None:
        """``has_tools``: some are to be loaded."""
        self._record = record
        self._tools = tools
        self._sessions = sessions
        self._has_tools = has_tools
        self._tools_deadline_ns: int | None = None
        self._recovery_deadline_ns: int | None = None
        self._is_recovered = False

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing is waited for."""
        return earliest(self._tools_deadline_ns, self._recovery_deadline_ns)

    def tick(self, now_ns: int) -> list[Outcome]:
        """The time-out was reached, perhaps."""
        outcomes: list[Outcome] = []
        if _is_due(self._tools_deadline_ns, now_ns):
            self._tools_deadline_ns = None
            outcomes += self._sessions.tools_are_known()
        if _is_due(self._recovery_deadline_ns, now_ns):
            outcomes.append(Log("warning", "! the journal does not answer: starting without it"))
            outcomes += self._recovered(now_ns)
        return outcomes

    def open(self, now_ns: int) -> list[Outcome]:
        """The room has its first participant on the way."""
        self._recovery_deadline_ns = now_ns + RECOVERY_TIMEOUT_NS
        if not self._has_tools:
            return self._sessions.tools_are_known()
        self._tools_deadline_ns = now_ns + TOOLS_TIMEOUT_NS
        return []

    def tools_changed(self, tools: Toolset, now_ns: int) -> list[Outcome]:
        """The tools have been loaded, or others have come since."""
        self._tools_deadline_ns = None
        outcomes = self._tools.changed(tools, now_ns)
        outcomes += self._sessions.tools_are_known()
        return [*outcomes, *self._sessions.tools_changed()]

    def journal_recovered(
        self,
        items: Sequence[HistoryItem],
        day: str,
        cost_usd: float,
        now_ns: int,
        room_usd: float,
    ) -> list[Outcome]:
        """What the journal knows: a conversation that goes on, and what was spent on ``day``."""
        outcomes = [] if self._is_recovered else self._record.recovered(items)
        outcomes += self._record.day_total(day, cost_usd, room_usd)
        return [*outcomes, *self._recovered(now_ns)]

    def caught_up(self, items: Sequence[HistoryItem], now_ns: int) -> list[Outcome]:
        """The conversation as another machine, which had the room, has left it."""
        return [*self._record.recovered(items), *self._recovered(now_ns)]

    def seed(self, session: Session, now_ns: int) -> list[Outcome]:
        """The server has confirmed a session: it is seeded, once the journal is known."""
        return self._sessions.seed(session, now_ns) if self._is_recovered else []

    def _recovered(self, now_ns: int) -> list[Outcome]:
        self._is_recovered, self._recovery_deadline_ns = True, None
        return [
            outcome
            for session in self._sessions.all
            if session.stage == "confirmed"
            for outcome in self._sessions.seed(session, now_ns)
        ]


def _is_due(deadline_ns: int | None, now_ns: int) -> bool:
    return deadline_ns is not None and now_ns >= deadline_ns

"""The engine's way out: what others can cause at any rate leaves it at a pace. Sans-I/O."""

from __future__ import annotations

from collections.abc import Sequence

from mixer_core.runtime.repeated import Repeated

from .actions import Action, ClearOutput, Log, SendEvent, TellBrowsers
from .server_ids import ServerIds
from .sessions import RoomSessions
from .tellings import Tellings

LINES = 5
"""Lines a minute of each kind that others can cause at any rate."""
_LEFT_OUT = Log(
    "warning", "! more happens than the room can be told: some of it is left out", "left out"
)


class Outlet:
    """Of one room; methods return what is done now, in order."""

    def __init__(self, sessions: RoomSessions, ids: ServerIds) -> None:
        """``sessions``: they wait for what follows from a client event that goes out.

        ``ids``: of their servers, who know no others.
        """
        self._sessions, self._ids = sessions, ids
        self._tellings = Tellings()
        self._lines = Repeated(lines=LINES)

    def counters(self) -> dict[str, int]:
        """What was counted so far."""
        return {
            "tellings_replaced_total": self._tellings.replaced,
            "tellings_left_out_total": self._tellings.left_out,
        }

    def forget(self) -> None:
        """What waits of a conversation that was deleted is told to nobody."""
        self._tellings.forget()

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return self._tellings.next_timeout_ns()

    def tick(self, now_ns: int) -> Sequence[Action]:
        """The time-out was reached, perhaps: what people can be told by now."""
        return self._tellings.tick(now_ns)

    def shaped(self, action: Action, now_ns: int) -> Sequence[Action]:
        """What is done of an action now."""
        match action:
            case SendEvent() | ClearOutput():
                self._sent(action, now_ns)
                return [self._ids.leaves(action)]
            case TellBrowsers():
                before = self._tellings.left_out
                told = self._tellings.tell(action, now_ns)
                lost = self._tellings.left_out > before
                return [*told, *(self.shaped(_LEFT_OUT, now_ns) if lost else ())]
            case Log(level, text, kind) if kind:
                more = self._lines.line(kind, now_ns)
                return [] if more is None else [Log(level, f"{text}{more}")]
        return [action]

    def _sent(self, action: SendEvent | ClearOutput, now_ns: int) -> None:
        """A client event goes out: its session waits for what follows."""
        session = self._sessions.find(action.session)
        if session is not None:
            session.sent(action.event, now_ns)

"""Who gets a place. Sans-I/O.

Somebody who has not connected yet holds a place for seconds, and costs a worker child. So a client
(see ``limits.clients``) may have only a few of these, and one more for each of its people who have
connected before. When all places are taken, somebody who is connecting gives way to a browser that
has just lost its connection, and to a client that has fewer people connecting. When everybody is
connected, newcomers wait in line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mixer_core.runtime.errors import ProblemError
from mixer_core.runtime.units import S_NS

from .actions import Join, Limits
from .line import Line
from .participants import Participant, Participants

PROVEN_NS = 600 * S_NS
"""How long it counts that a client's people were connected."""
PENDING_RETRY_S = 2
FULL_RETRY_S = 10
LINE_RETRY_S = 3
MAX_CLIENTS = 4_096


class Admission:
    """Keeps the number of participants within the limits."""

    def __init__(self, limits: Limits, participants: Participants, line: Line) -> None:
        self._limits = limits
        self._participants = participants
        self._line = line
        self._proven: dict[str, tuple[int, int]] = {}
        """Per client: how many of its people were connected at once, and when last."""

    def connected(self, client: str, now_ns: int) -> None:
        """Somebody of that client has connected."""
        if not client:
            return
        connected = sum(p.connected for p in self._participants.of_client(client))
        most = max(connected, self._known(client, now_ns))
        self._proven.pop(client, None)
        self._proven[client] = (most, now_ns)
        if len(self._proven) > MAX_CLIENTS:
            del self._proven[next(iter(self._proven))]

    def check(self, event: Join, held: Sequence[Join], now_ns: int) -> None:
        """Whether an offer may come in now. Raises ProblemError (429).

        ``held``: offers that wait until the registry is rebuilt.
        """
        most = self._limits.max_pending_per_client
        if not most or not event.client or self._returns(event, now_ns):
            return
        pending = len(self._pending(event.client))
        pending += sum(other.client == event.client for other in held)
        if pending >= most + self._known(event.client, now_ns):
            raise ProblemError(
                429,
                "Too many at once",
                f"{pending} people from {event.client} are connecting: wait until they are in",
                PENDING_RETRY_S,
            )

    def place(self, event: Join, now_ns: int) -> Participant | None:
        """Find a place for an offer; returns who has to give it up, None if nobody has to.

        Raises:
            ProblemError: 503, with a ticket for the line where there is one.
        """
        rooms = self._participants.rooms()
        if event.room not in rooms and len(rooms) >= self._limits.max_rooms:
            detail = f"all {self._limits.max_rooms} rooms are in use: join one of them, or wait"
            raise ProblemError(503, "Full", detail, FULL_RETRY_S)
        most = self._limits.max_participants
        free = max(most - len(self._participants), 0)
        returns = self._returns(event, now_ns)
        victim = None if free else self._victim(event.client, returns)
        places = free + (victim is not None)
        if returns and places:
            return victim
        turn = self._line.ask(event.ticket, event.client, places, now_ns)
        if turn.admitted:
            return victim
        if not turn.ticket:
            detail = f"{_places(most)}, and the line is too long"
            raise ProblemError(503, "Full", detail, FULL_RETRY_S)
        detail = f"{_places(most)}; you are number {turn.position} in line"
        extra = {"ticket": turn.ticket, "position": turn.position}
        raise ProblemError(503, "Full", detail, LINE_RETRY_S, extra)

    def _victim(self, client: str, returns: bool) -> Participant | None:
        """Who is connecting and has to give way to ``client``."""
        pending = Counter(p.client for p in self._participants.all() if p.client and _is_new(p))
        own = pending.pop(client, 0)
        least = 1 if returns else own + 2
        ((biggest, count),) = pending.most_common(1) or [("", 0)]
        return self._pending(biggest)[0] if client and count >= least else None

    def _returns(self, event: Join, now_ns: int) -> bool:
        """Whether it is a browser that has just lost its connection."""
        return self._participants.was_connected(event.replaces, now_ns)

    def _pending(self, client: str) -> list[Participant]:
        return [p for p in self._participants.of_client(client) if _is_new(p)]

    def _known(self, client: str, now_ns: int) -> int:
        """How many people of that client have connected before."""
        most, at_ns = self._proven.get(client, (0, 0))
        if any(p.connected for p in self._participants.of_client(client)):
            return most
        return most if most and now_ns - at_ns < PROVEN_NS else 0


def _is_new(participant: Participant) -> bool:
    return not participant.connected and not participant.returns


def _places(count: int) -> str:
    return f"all {count} places are taken" if count > 1 else "the only place is taken"

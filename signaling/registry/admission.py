"""Who gets a place. Sans-I/O.

Somebody who has not connected yet holds a place for seconds, and costs a worker child. So a client
(see ``limits.clients``) may have only a few of these, and one more for each of its people who have
connected before.

When all places are taken, somebody who is connecting gives way to a browser that has just lost its
connection, and to a client with a clearly smaller burden. A client's burden is the number of its
offers that have not led to a connection, less the number of its people who have connected; those
outweigh failures, and are no more than that: whoever has many people inside does not come first.
When everybody is connected, newcomers wait in line.

Some places are kept for other clients than the one that has most. And there are only as many places
as the measured load leaves (see ``load``), except for a browser that has just lost its connection.
"""

from __future__ import annotations

from collections.abc import Sequence

from mixer_core.runtime.errors import ProblemError
from mixer_core.runtime.units import MS_NS, S_NS

from .actions import Join, Limits
from .line import CLEARLY, Line, Turn
from .load import RETRY_S as BUSY_RETRY_S
from .load import LoadPolicy
from .participant import Participant
from .participants import Participants

PROVEN_NS = 600 * S_NS
"""How long it counts that a client's people were connected, or left without."""
STALE_NS = 2_500 * MS_NS
"""Who needs longer to connect than most people do."""
PENDING_RETRY_S = 2
FULL_RETRY_S = 10
LINE_RETRY_S = 3
DRAINING_RETRY_S = 2
MAX_CLIENTS = 4_096


class Admission:
    """Keeps the number of participants within the limits."""

    def __init__(
        self, limits: Limits, participants: Participants, line: Line, load: LoadPolicy
    ) -> None:
        self._limits = limits
        self._participants = participants
        self._line = line
        self._load = load
        self._drained_ns: int | None = None
        """Nobody new comes in: at this time the gateway ends."""
        self._proven: dict[str, tuple[int, int]] = {}
        """Per client: how many of its people were connected at once, and when last."""
        self._failures: dict[str, tuple[int, int]] = {}
        """Per client: how many left without having connected, and when last."""

    def connected(self, client: str, now_ns: int) -> None:
        """Somebody of that client has connected."""
        if not client:
            return
        connected = sum(p.connected for p in self._participants.of_client(client))
        most = max(connected, self._known(client, now_ns))
        self._proven.pop(client, None)
        self._proven[client] = (most, now_ns)
        self._note_failures(now_ns)
        self._failures.pop(client, None)
        if len(self._proven) > MAX_CLIENTS:
            del self._proven[next(iter(self._proven))]

    def drain(self, until_ns: int) -> None:
        """From now on nobody comes in but browsers that have just lost their connection."""
        self._drained_ns = until_ns

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

    def place(self, event: Join, now_ns: int) -> Sequence[Participant]:
        """Find a place for an offer; returns who has to give it up.

        Raises:
            ProblemError: 503, with a ticket for the line where there is one; 429.
        """
        if self._drained_ns is not None and not self._returns(event, now_ns):
            raise _draining(max(self._drained_ns - now_ns, 0) // S_NS)
        rooms = self._participants.rooms()
        if event.room not in rooms and len(rooms) >= self._limits.max_rooms:
            return self._room(event, now_ns)
        places = max(self._limits.max_participants - len(self._participants), 0)
        returns = self._returns(event, now_ns)
        if places and returns:
            return []
        if places:
            self._check_share(event.client)
        connected = sum(p.connected for p in self._participants.all())
        pending = len(self._participants) - connected
        free = min(places, self._load.free(connected, pending, now_ns))
        burden = self._burden(event.client, now_ns)
        if not free and (victim := self._victim(event.client, burden, returns, now_ns)):
            self._line.leave(event.ticket)
            return [victim]
        turn = self._line.ask(event.ticket, event.client, burden, free, now_ns)
        if turn.admitted:
            self._load.came_in(now_ns)
            return []
        raise self._refusal(turn, is_busy=places > 0)

    def _refusal(self, turn: Turn, is_busy: bool) -> ProblemError:
        """503, with a ticket where there is one. ``is_busy``: there is a place, and no time."""
        most = self._limits.max_participants
        title, why, retry_s = "Full", _places(most), LINE_RETRY_S
        if is_busy:
            title, why, retry_s = (
                "Busy",
                f"this gateway is busy: {self._load.words()}",
                BUSY_RETRY_S,
            )
        if not turn.ticket:
            return ProblemError(503, title, f"{why}, and the line is too long", FULL_RETRY_S)
        detail = f"{why}; you are number {turn.position} in line"
        extra = {"ticket": turn.ticket, "position": turn.position}
        return ProblemError(503, title, detail, retry_s, extra)

    def _check_share(self, client: str) -> None:
        """Raise ProblemError (429) where one client wants the places that are kept for others."""
        most = self._limits.max_places_per_client
        own = len(self._participants.of_client(client))
        if 0 < most <= own and most < self._limits.max_participants:
            raise ProblemError(
                429,
                "Too many from one address",
                f"{own} of {self._limits.max_participants} places are taken from {client}: the "
                "others are kept for other addresses",
                FULL_RETRY_S,
            )

    def is_eager(self, client: str, now_ns: int) -> bool:
        """Whether the assistant is called before a newcomer of that client has connected.

        That saves the first in a room some time; but sessions cost money.
        """
        return self._burden(client, now_ns) <= 0

    def _room(self, event: Join, now_ns: int) -> Sequence[Participant]:
        """Who has to give up a room, where nobody is connected. Raises ProblemError (503)."""
        least = self._burden(event.client, now_ns) + CLEARLY
        for room in self._participants.rooms() if event.client else ():
            people = self._participants.in_room(room)
            light = (self._burden(p.client, now_ns) < least for p in people)
            if all(map(_is_new, people)) and (self._returns(event, now_ns) or not any(light)):
                return people
        detail = f"all {self._limits.max_rooms} rooms are in use: join one of them, or wait"
        raise ProblemError(503, "Full", detail, FULL_RETRY_S)

    def _victim(self, client: str, burden: int, returns: bool, now_ns: int) -> Participant | None:
        """Who is connecting and has to give way to ``client``."""
        others = {p.client for p in self._participants.all() if _is_new(p)} - {client, ""}
        if not client or not others:
            return None
        burdens = {other: self._burden(other, now_ns) for other in others}
        biggest = max(burdens, key=burdens.__getitem__)
        gives_way = returns or burdens[biggest] >= burden + CLEARLY
        return self._pending(biggest)[0] if gives_way else None

    def _burden(self, client: str, now_ns: int) -> int:
        """How much a client has asked for without need, so far."""
        self._note_failures(now_ns)
        pending = self._pending(client)
        stale = sum(now_ns - p.joined_ns >= STALE_NS for p in pending)
        failures, at_ns = self._failures.get(client, (0, 0))
        failures = failures if now_ns - at_ns < PROVEN_NS else 0
        return max(0, len(pending) + stale + failures - self._known(client, now_ns))

    def _note_failures(self, now_ns: int) -> None:
        """Count those who left without having connected."""
        for client in self._participants.take_failures():
            failures, at_ns = self._failures.pop(client, (0, 0))
            failures = failures if now_ns - at_ns < PROVEN_NS else 0
            self._failures[client] = (failures + 1, now_ns)
            if len(self._failures) > MAX_CLIENTS:
                del self._failures[next(iter(self._failures))]

    def _returns(self, event: Join, now_ns: int) -> bool:
        """Whether it is a browser that has just lost its connection."""
        return self._participants.was_connected(event.replaces, event.room, now_ns)

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


def _draining(left_s: int) -> ProblemError:
    detail = (
        "this gateway is about to stop and lets nobody in any more: "
        "if it is started again, you can join then"
    )
    return ProblemError(503, "Draining", detail, DRAINING_RETRY_S, {"left_s": left_s})


def _places(count: int) -> str:
    return f"all {count} places are taken" if count > 1 else "the only place is taken"

"""Who is in which room: the participants, and those who left lately. Sans-I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixer_core.bus.control import Offer, WorkerState
from mixer_core.bus.events import Mode

from .actions import Action, Joined, PersonView


@dataclass(slots=True)
class Participant:
    """One browser's life in a room."""

    id: str
    """``p-`` and 8 hexadecimal digits."""
    room: str
    stream: int
    mode: Mode
    name: str
    muted: bool = False
    connected: bool = False
    """Its worker reports that the audio connection stands."""
    worker: str = ""
    """The child that has the offer or the call; empty: waits for one."""
    request: int | None = None
    """Who waits for the answer to the offer; None once answered."""
    sdp: str = ""
    """The offer, until it is answered."""
    deadline_ns: int = 0
    """Then the request is given up."""
    offered_ns: int = 0
    """When the offer went to ``worker``."""
    offers: int = 0
    """Children that got the offer so far."""

    @property
    def status(self) -> str:
        """``waiting`` (for a worker), ``connecting`` or ``connected``."""
        if self.connected:
            return "connected"
        return "connecting" if self.worker else "waiting"

    def take_state(self, state: WorkerState) -> list[Action]:
        """Adopt what its worker says of it."""
        fresh = state.status == "connected" and not self.connected
        self.connected = state.status == "connected"
        self.name, self.muted = state.name or self.name, state.muted
        return [Joined(self.room, self.id, self.name)] if fresh else []

    def offer(self) -> Offer:
        """The message to an idle child."""
        return Offer(self.id, self.room, self.stream, self.mode, self.name, self.sdp)

    def view(self) -> PersonView:
        """What ``GET /rooms/{room}`` shows."""
        return PersonView(self.id, self.name, self.muted, self.status)


class Participants:
    """All participants by id, in the order in which they came."""

    def __init__(self, tombstone_ns: int) -> None:
        """Who left is remembered for ``tombstone_ns``, so that a late state does not revive it."""
        self._tombstone_ns = tombstone_ns
        self._people: dict[str, Participant] = {}
        self._left_ns: dict[str, int] = {}
        self._modes: dict[str, Mode] = {}

    def __len__(self) -> int:
        return len(self._people)

    def get(self, ident: str) -> Participant | None:
        """The participant of that id."""
        return self._people.get(ident)

    def all(self) -> list[Participant]:
        """Everybody."""
        return list(self._people.values())

    def rooms(self) -> dict[str, Mode]:
        """Rooms with somebody in them, and their mode: that of the first who came."""
        return self._modes

    def in_room(self, room: str) -> Sequence[Participant]:
        """Everybody in a room."""
        return [p for p in self._people.values() if p.room == room]

    def of_worker(self, identity: str) -> Sequence[Participant]:
        """Whom a child serves (at most one)."""
        return [p for p in self._people.values() if p.worker == identity]

    def add(self, participant: Participant) -> None:
        """Somebody new; decides the mode of a room that was empty."""
        self._people[participant.id] = participant
        participant.mode = self._modes.setdefault(participant.room, participant.mode)

    def adopt(self, identity: str, state: WorkerState) -> Participant:
        """Somebody whose call runs already, known from its worker's state."""
        participant = Participant(
            state.participant,
            state.room,
            state.stream,
            state.mode,
            state.name,
            state.muted,
            worker=identity,
        )
        self.add(participant)
        return participant

    def remove(self, participant: Participant, now_ns: int) -> None:
        """Somebody left."""
        del self._people[participant.id]
        if not self.in_room(participant.room):
            del self._modes[participant.room]
        self._left_ns[participant.id] = now_ns
        horizon_ns = now_ns - self._tombstone_ns
        self._left_ns = {p: at for p, at in self._left_ns.items() if at > horizon_ns}

    def left(self, ident: str, now_ns: int) -> bool:
        """Whether that participant left a short while ago."""
        at_ns = self._left_ns.get(ident)
        return at_ns is not None and now_ns - at_ns < self._tombstone_ns

    def overdue(self, now_ns: int) -> Sequence[Participant]:
        """Whose request has waited too long."""
        return [
            p for p in self._people.values() if p.request is not None and p.deadline_ns <= now_ns
        ]

    def next_deadline_ns(self) -> int | None:
        """When the first of them will have."""
        pending = [p.deadline_ns for p in self._people.values() if p.request is not None]
        return min(pending, default=None)

"""The participants of all rooms, and those who left lately. Sans-I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from mixer_core.bus.control import Offer, WorkerState
from mixer_core.bus.events import Mode
from mixer_core.bus.roles import Role

from .actions import Action, Joined, ParticipantView

MAX_FAILURES = 1_000


@dataclass(slots=True)
class Participant:
    """One browser in a room."""

    id: str
    """``p-`` and 8 hexadecimal digits."""
    room: str
    stream: int
    mode: Mode
    name: str
    muted: bool = False
    connected: bool = False
    """Its worker reports an open audio connection."""
    worker: str = ""
    """Identity of the child that has the offer or the call; empty: none yet."""
    request: int | None = None
    """The request that waits for an answer; None once answered."""
    sdp: str = ""
    """The offer, until it is answered."""
    deadline_ns: int = 0
    """When the request times out."""
    offered_ns: int = 0
    """When the offer went to ``worker``."""
    offers: int = 0
    """How many children got the offer."""
    client: str = ""
    """Whose address the offer came from; empty: not known."""
    joined_ns: int = 0
    """When the offer came."""
    eager: bool = True
    """The assistant is called before it has connected."""
    returns: bool = False
    """The same browser was connected a moment ago."""
    role: Role = "admin"
    verified: bool = False
    """The name comes from an invitation."""
    subject: str = ""
    """Whose invitation and browser it is; empty: nobody's."""

    @property
    def status(self) -> str:
        """``waiting`` (for a worker), ``connecting`` or ``connected``."""
        if self.connected:
            return "connected"
        return "connecting" if self.worker else "waiting"

    def take_state(self, state: WorkerState) -> list[Action]:
        """Take its worker's state."""
        fresh = state.status == "connected" and not self.connected
        self.connected = state.status == "connected"
        self.name, self.muted = state.name or self.name, state.muted
        return [Joined(self.room, self.id, self.name, self.client)] if fresh else []

    def offer(self) -> Offer:
        """The message to a worker child."""
        return Offer(
            self.id,
            self.room,
            self.stream,
            self.mode,
            self.name,
            self.sdp,
            self.role,
            self.verified,
            self.subject,
        )

    def view(self) -> ParticipantView:
        """What ``GET /rooms/{room}`` shows."""
        return ParticipantView(
            self.id, self.name, self.muted, self.status, self.role, self.verified
        )


class Participants:
    """All participants by id, in the order in which they joined."""

    def __init__(self, tombstone_ns: int) -> None:
        """Those who left are remembered for ``tombstone_ns``."""
        self._tombstone_ns = tombstone_ns
        self._by_id: dict[str, Participant] = {}
        self._left_ns: dict[str, int] = {}
        self._left_connected: set[str] = set()
        self._failures: deque[str] = deque(maxlen=MAX_FAILURES)
        self._modes: dict[str, Mode] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, participant: str) -> Participant | None:
        """The participant with that id."""
        return self._by_id.get(participant)

    def all(self) -> list[Participant]:
        """Every participant."""
        return list(self._by_id.values())

    def rooms(self) -> dict[str, Mode]:
        """The rooms and their modes: the mode of a room is that of its first participant."""
        return self._modes

    def in_room(self, room: str) -> Sequence[Participant]:
        """The participants of a room."""
        return [p for p in self._by_id.values() if p.room == room]

    def of_client(self, client: str) -> Sequence[Participant]:
        """The participants of a known client, in the order in which they joined."""
        return [p for p in self._by_id.values() if p.client == client != ""]

    def of_worker(self, identity: str) -> Sequence[Participant]:
        """The participants of a worker child: at most one."""
        return [p for p in self._by_id.values() if p.worker == identity]

    def add(self, participant: Participant) -> None:
        """Add a participant, with the mode of its room; the first one decides it."""
        self._by_id[participant.id] = participant
        participant.mode = self._modes.setdefault(participant.room, participant.mode)

    def set_mode(self, room: str, mode: Mode) -> Sequence[Participant]:
        """Change a room's mode; returns its participants."""
        self._modes[room] = mode
        people = self.in_room(room)
        for participant in people:
            participant.mode = mode
        return people

    def adopt(self, identity: str, state: WorkerState) -> Participant:
        """Add a participant from the state of a worker that already serves it."""
        participant = Participant(
            state.participant,
            state.room,
            state.stream,
            state.mode,
            state.name,
            state.muted,
            worker=identity,
            role=state.role,
            verified=state.verified,
            subject=state.subject,
        )
        self.add(participant)
        return participant

    def remove(self, participant: Participant, now_ns: int) -> None:
        """Remove a participant who left."""
        del self._by_id[participant.id]
        if not self.in_room(participant.room):
            del self._modes[participant.room]
        self._left_ns[participant.id] = now_ns
        if participant.connected:
            self._left_connected.add(participant.id)
        elif participant.client:
            self._failures.append(participant.client)
        horizon_ns = now_ns - self._tombstone_ns
        self._left_ns = {p: at for p, at in self._left_ns.items() if at > horizon_ns}
        self._left_connected &= self._left_ns.keys()

    def left(self, participant: str, now_ns: int) -> bool:
        """Whether that participant left a short while ago."""
        at_ns = self._left_ns.get(participant)
        return at_ns is not None and now_ns - at_ns < self._tombstone_ns

    def take_failures(self) -> list[str]:
        """The clients of those who left without having connected, since the last time."""
        failures = list(self._failures)
        self._failures.clear()
        return failures

    def was_connected(self, participant: str, now_ns: int) -> bool:
        """Whether that participant is connected, or was until it left a short while ago."""
        present = self._by_id.get(participant)
        if present is not None:
            return present.connected
        return participant in self._left_connected and self.left(participant, now_ns)

    def overdue(self, now_ns: int) -> Sequence[Participant]:
        """Participants whose request has timed out."""
        return [
            p for p in self._by_id.values() if p.request is not None and p.deadline_ns <= now_ns
        ]

    def next_deadline_ns(self) -> int | None:
        """When the first request times out."""
        pending = [p.deadline_ns for p in self._by_id.values() if p.request is not None]
        return min(pending, default=None)

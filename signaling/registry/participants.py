"""The participants of all rooms, and those who left lately. Sans-I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mixer_core.bus.control import WorkerState
from mixer_core.bus.events import Mode
from mixer_core.bus.rules import AdminRules

from .participant import Participant
from .room import Room

MAX_FAILURES = 1_000


@dataclass(slots=True)
class _Departure:
    """Somebody left a short while ago."""

    participant: Participant
    room: Room
    at_ns: int
    said_goodbye: bool = False
    """Its browser has said that it leaves."""


class Participants:
    """All participants by id, in the order in which they joined."""

    def __init__(self, tombstone_ns: int) -> None:
        """Those who left are remembered for ``tombstone_ns``."""
        self._tombstone_ns = tombstone_ns
        self._by_id: dict[str, Participant] = {}
        self._left: dict[str, _Departure] = {}
        self._failures: deque[str] = deque(maxlen=MAX_FAILURES)
        self._rooms: dict[str, Room] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, participant: str) -> Participant | None:
        """The participant with that id."""
        return self._by_id.get(participant)

    def all(self) -> list[Participant]:
        """Every participant."""
        return list(self._by_id.values())

    def rooms(self) -> Mapping[str, Room]:
        """The rooms where somebody is."""
        return self._rooms

    def in_room(self, room: str) -> Sequence[Participant]:
        """The participants of a room."""
        return [p for p in self._by_id.values() if p.room == room]

    def of_client(self, client: str) -> Sequence[Participant]:
        """The participants of a known client, in the order in which they joined."""
        return [p for p in self._by_id.values() if p.client == client != ""]

    def of_worker(self, identity: str) -> Sequence[Participant]:
        """The participants of a worker child: at most one."""
        return [p for p in self._by_id.values() if p.worker == identity]

    def add(self, participant: Participant, room: Room | None = None) -> None:
        """Add a participant; where nobody else is there, to ``room`` or a new one."""
        self._by_id[participant.id] = participant
        made = room or Room(participant.mode, participant.rules, participant.ruled_mode)
        room = self._rooms.setdefault(participant.room, made)
        room.note(participant.subject, participant.silenced)
        _take_rules(participant, room)

    def change(self, name: str, mode: Mode, rules: AdminRules) -> Sequence[Participant]:
        """Change a room; returns its participants."""
        room = self._rooms[name]
        room.mode, room.rules = mode, rules
        people = self.in_room(name)
        for participant in people:
            _take_rules(participant, room)
        return people

    def silence(self, participant: Participant, silenced: bool) -> None:
        """An admin has decided whether only an admin can unmute a participant."""
        participant.silenced = silenced
        self._rooms[participant.room].note(participant.subject, silenced)

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
            silenced=state.silenced,
            rules=state.rules,
            place=state.place,
            ruled_mode=state.ruled_mode,
        )
        self.add(participant)
        return participant

    def remove(self, participant: Participant, now_ns: int) -> None:
        """Remove a participant who left."""
        del self._by_id[participant.id]
        room = self._rooms[participant.room]
        if not self.in_room(participant.room):
            del self._rooms[participant.room]
        self.departed(participant, room, self._left_ns(participant, now_ns))
        if not participant.connected and participant.client:
            self._failures.append(participant.client)

    def _left_ns(self, participant: Participant, now_ns: int) -> int:
        """When somebody who is gone now has left: whoever did not get in again, when the stay ended
        that was to be replaced. Else attempts in a row would be there for ever."""
        if participant.connected or not participant.returns:
            return now_ns
        replaced = self._left.get(participant.replaces)
        return now_ns if replaced is None else replaced.at_ns

    def departed(self, participant: Participant, room: Room, now_ns: int) -> None:
        """Remember somebody who has left ``room``, here or at the machine that had it."""
        self._left[participant.id] = _Departure(participant, room, now_ns)
        horizon_ns = now_ns - self._tombstone_ns
        self._left = {p: gone for p, gone in self._left.items() if gone.at_ns > horizon_ns}

    def left(self, participant: str, now_ns: int) -> bool:
        """Whether that participant left a short while ago."""
        return self._departure(participant, now_ns) is not None

    def say_goodbye(self, participant: str, room: str, now_ns: int) -> Participant | None:
        """The browser of a participant who is gone says that it leaves.

        It closes its connection at the same time, and that may be noticed first. None if nobody
        of that name left that room a short while ago, or if it has said so before.
        """
        gone = self._departure(participant, now_ns)
        if gone is None or gone.said_goodbye or gone.participant.room != room:
            return None
        gone.said_goodbye = True
        return gone.participant

    def room_of(self, participant: str, name: str, now_ns: int) -> Room | None:
        """The room ``name`` as it was when its last participant lost the connection just now."""
        gone = self._departure(participant, now_ns)
        if gone is None or gone.participant.room != name or not _was_in(gone.participant):
            return None
        return gone.room

    def _departure(self, participant: str, now_ns: int) -> _Departure | None:
        gone = self._left.get(participant)
        return gone if gone is not None and now_ns - gone.at_ns < self._tombstone_ns else None

    def take_failures(self) -> list[str]:
        """The clients of those who left without having connected, since the last time."""
        failures = list(self._failures)
        self._failures.clear()
        return failures

    def was_connected(self, participant: str, room: str, now_ns: int) -> bool:
        """Whether that participant is connected in a room, or was until a short while ago.

        An attempt to come back counts as the stay that it was to replace. A stay that has been
        replaced counts no more: it is no pass for others.
        """
        present = self._by_id.get(participant)
        if present is not None:
            return present.room == room and _was_in(present)
        gone = self._departure(participant, now_ns)
        if gone is None or gone.participant.room != room or not _was_in(gone.participant):
            return False
        return not any(p.connected for p in self.attempts(participant, room))

    def stay_behind(self, participant: str, room: str, now_ns: int) -> str:
        """The stay that an attempt to come back was to replace, where it has come to nothing; else
        ``participant`` itself."""
        gone = self._departure(participant, now_ns)
        if gone is None or gone.participant.room != room or gone.participant.connected:
            return participant
        return gone.participant.replaces or participant

    def attempts(self, replaced: str, room: str) -> list[Participant]:
        """Those in a room who came to replace a stay."""
        return [p for p in self.in_room(room) if replaced and p.replaces == replaced]

    def overdue(self, now_ns: int) -> Sequence[Participant]:
        """Participants whose request has timed out."""
        return [
            p for p in self._by_id.values() if p.request is not None and p.deadline_ns <= now_ns
        ]

    def next_deadline_ns(self) -> int | None:
        """When the first request times out."""
        pending = [p.deadline_ns for p in self._by_id.values() if p.request is not None]
        return min(pending, default=None)


def _take_rules(participant: Participant, room: Room) -> None:
    participant.mode, participant.rules = room.mode, room.rules
    participant.ruled_mode = room.ruled_mode


def _was_in(participant: Participant) -> bool:
    return participant.connected or participant.returns

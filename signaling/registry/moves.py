"""A room that goes to another machine, as it is handed over: what its admins have decided, and who
was in it. Sans-I/O.

At the next machine it is as if everybody had lost the connection there just now: who joins again
within a short while has the place, the rights and the room that they had.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mixer_core.bus.control import RuledMode
from mixer_core.bus.events import Mode
from mixer_core.bus.rules import AdminRules

from .participant import Participant
from .participants import Participants
from .room import Room


@dataclass(frozen=True, slots=True)
class Mover:
    """Somebody who was in the room."""

    participant: str
    """Its id: the browser names it when it joins again."""
    client: str = ""
    subject: str = ""
    silenced: bool = False
    connected: bool = True


@dataclass(frozen=True, slots=True)
class Moved:
    """One room."""

    mode: Mode = "assistant"
    ruled_mode: RuledMode = ""
    rules: AdminRules = field(default_factory=AdminRules)
    guests: dict[str, bool] = field(default_factory=dict)
    """Per subject that was here: whether only an admin can unmute them."""
    people: tuple[Mover, ...] = ()


def taken_along(participants: Participants, name: str) -> Moved:
    """A room of this machine; a room where nobody is has nothing to take along."""
    room = participants.rooms().get(name)
    if room is None:
        return Moved()
    people = tuple(
        Mover(p.id, p.client, p.subject, p.silenced, p.connected)
        for p in participants.in_room(name)
    )
    return Moved(room.mode, room.ruled_mode, room.rules, room.guests, people)


def expect(participants: Participants, name: str, moved: Moved, now_ns: int) -> None:
    """The room comes here: its people are about to join again."""
    room = Room(moved.mode, moved.rules, moved.ruled_mode)
    for subject, silenced in moved.guests.items():
        room.note(subject, silenced)
    for mover in moved.people:
        person = Participant(mover.participant, name, 0, moved.mode, "")
        person.client, person.subject = mover.client, mover.subject
        person.silenced, person.connected = mover.silenced, mover.connected
        participants.departed(person, room, now_ns)

"""How somebody comes into a room: their place, their name, and whether they may speak. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mixer_core.bus.control import Silence
from mixer_core.bus.place import Place
from mixer_core.runtime.errors import ProblemError

from .actions import Action, Join, Limits, SendToChild, problem
from .admission import Admission
from .dispatch import Dispatch
from .line import Line
from .load import LoadPolicy
from .names import check_name, check_offer, check_place, check_room, free_name
from .numbering import Numbers
from .participant import Participant
from .room import Room

_AGAIN = (409, "Removed", "the same browser has joined again")
_GAVE_WAY = (503, "Busy", "others came first")


class Entrance:
    """Checks offers, and adds those who may come in to the participants."""

    def __init__(
        self,
        limits: Limits,
        dispatch: Dispatch,
        streams: Numbers,
        numbers: Callable[[], int],
        load: LoadPolicy,
    ) -> None:
        """``numbers`` returns a random integer at each call, for ids and tickets."""
        self._limits = limits
        self._dispatch = dispatch
        self._participants = dispatch.participants
        self._streams = streams
        self._ids = Numbers(numbers)
        self._admission = Admission(limits, self._participants, Line(numbers), load)

    def check(self, event: Join, held: Sequence[Join], now_ns: int) -> None:
        """Whether an offer can be taken. Raises ProblemError (400, 429).

        ``held``: offers that wait until the registry is rebuilt.
        """
        check_room(event.room)
        check_name(event.name)
        check_place(event.place)
        check_offer(event.sdp)
        self._admission.check(event, held, now_ns)

    def drain(self, until_ns: int) -> None:
        """Let nobody new in; see ``Admission.drain``."""
        self._admission.drain(until_ns)

    def connected(self, client: str, now_ns: int) -> None:
        """Somebody of that client has connected."""
        self._admission.connected(client, now_ns)

    def enter(self, event: Join, now_ns: int) -> list[Action]:
        """Add the participant of an offer, or reply why not; a worker is found later."""
        behind = self._participants.stay_behind(event.replaces, event.room, now_ns)
        event = replace(event, replaces=behind)
        former = self._former(event)
        room = self._participants.rooms().get(event.room)
        room = room or self._participants.room_of(event.replaces, event.room, now_ns)
        actions: list[Action] = []
        try:
            self._check_lock(event, room, now_ns)
            stays = former is not None and self._may_stay(former)
            for other in self._ended_by(event, former, stays):
                actions += self._dispatch.drop(other, "joined again", now_ns, _AGAIN)
            name = self._name(event, former)
            eager = self._admission.is_eager(event.client, now_ns)
            victims = () if stays else self._admission.place(event, now_ns)
        except ProblemError as error:
            return [*actions, problem(event.request, error)]
        for victim in victims:
            actions += self._dispatch.drop(victim, "it gave way to others", now_ns, _GAVE_WAY)
        silenced = room.silences(event.role, event.subject) if room is not None else False
        if former is not None:
            silenced = former.silenced
        made = self._made(event, name, silenced, eager, now_ns)
        made.replaces = event.replaces if made.returns else ""
        if former is not None:
            if not former.connected:
                made.replaces = former.replaces
            if made.place.key == former.place.key:
                made.place = former.place  # It came there first, and still did.
        self._participants.add(made, room)
        return actions

    def take_over(self, newcomer: str, now_ns: int) -> list[Action]:
        """A browser is connected that was in the room before: its former stay ends."""
        participant = self._participants.get(newcomer)
        former = self._participants.get(participant.replaces) if participant is not None else None
        if participant is None or former is None:
            return []
        participant.replaces = ""
        actions = self._dispatch.drop(former, "joined again", now_ns, _AGAIN)
        if former.silenced and not participant.silenced:  # An admin was faster.
            self._participants.silence(participant, True)
            text = Silence(participant.id, muted=True, locked=True)
            actions.append(SendToChild(participant.worker, text))
        return actions

    def _former(self, event: Join) -> Participant | None:
        """The stay in the same room that an offer is to replace."""
        former = self._participants.get(event.replaces)
        return former if former is not None and former.room == event.room else None

    def _ended_by(self, event: Join, former: Participant | None, stays: bool) -> list[Participant]:
        """Whom a browser ends by coming again: its former stay, and its last try to replace it."""
        tries = self._participants.attempts(event.replaces, event.room)
        ended = [] if former is None or stays else [former]
        return ended + [p for p in tries if not p.connected]

    def _may_stay(self, former: Participant) -> bool:
        """Whether a former stay goes on until the new one is connected.

        The network may come back before the offer that was sent because of it has led to anything.
        """
        return former.connected and self._dispatch.workers.idle() > 0

    def _made(
        self, event: Join, name: str, silenced: bool, eager: bool, now_ns: int
    ) -> Participant:
        ruled = self._limits.ruled_mode(event.room)
        return Participant(
            f"p-{self._ids.draw():08x}",
            event.room,
            self._streams.draw(),
            ruled or event.mode or self._limits.default_mode,
            name,
            request=event.request,
            sdp=event.sdp,
            deadline_ns=now_ns + self._limits.answer_timeout_ns,
            role=event.role,
            verified=event.verified,
            subject=event.subject,
            silenced=silenced,
            client=event.client,
            joined_ns=now_ns,
            eager=eager,
            returns=self._participants.was_connected(event.replaces, event.room, now_ns),
            place=Place(check_place(event.place)),
            ruled_mode=ruled,
            by_button=self._limits.rooms.rules(event.room).address == "push_to_talk",
        )

    def _check_lock(self, event: Join, room: Room | None, now_ns: int) -> None:
        """Raise ProblemError (403) where an admin has locked the room for newcomers."""
        if room is None or room.admits(event.role, event.subject):
            return
        if self._participants.was_connected(event.replaces, event.room, now_ns):
            return
        raise ProblemError(
            403, "Room locked", "an admin has locked this room: ask somebody in it to open it"
        )

    def _name(self, event: Join, former: Participant | None) -> str:
        """The participant's name.

        Raises:
            ProblemError: 409, a guest takes another's name, or the assistant's.
        """
        if not event.subject or event.verified:
            return check_name(event.name)
        own = set() if former is None else {former.id, former.replaces}
        everybody = self._participants.in_room(event.room)
        others = [p for p in everybody if p.id not in own and p.subject != event.subject]
        present = {person.name for person in others}
        called = self._limits.rooms.rules(event.room).called
        return free_name(event.name, present | event.reserved | {*called})

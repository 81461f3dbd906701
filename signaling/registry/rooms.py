"""The registry: which participants are in which room, and which child serves them. Sans-I/O.

The shell feeds events with ``now_ns``, carries out the returned actions in order, and calls
``timeout`` at ``next_timeout_ns``. Every request gets exactly one reply. After a restart the
registry is rebuilt from the states that children repeat every second; until then, requests for
what is not known yet wait.

``tests/signaling/registry/test_rooms_properties.py`` checks that
- no child gets a second offer, no room has two links, streams and participants are unique;
- the limits hold, except for what is found after a restart;
- nothing is left when all children are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mixer_core.bus.control import (
    Answer,
    ChildExited,
    Forgotten,
    Grant,
    LinkState,
    Message,
    OwesAnswer,
    PictureAnswer,
    Refused,
    Stay,
    WorkerState,
    Yield,
)
from mixer_core.bus.events import Mode
from mixer_core.runtime.errors import ProblemError

from . import moves
from .actions import (
    AboutPerson,
    AboutRoom,
    Action,
    Join,
    Joined,
    Limits,
    LinkLost,
    Question,
    ReplyProblem,
    RoomView,
    SendToChild,
    problem,
)
from .announcements import STOPPING, Announcements
from .dispatch import BUSY_RETRY_S, Dispatch
from .entrance import Entrance
from .house import House, Verdict, not_found
from .links import Granted, Links
from .load import LoadPolicy
from .moves import Moved
from .names import check_room
from .numbering import Numbers

STOPPING_WORDS = (
    "whoever runs this gateway stops or restarts it. If it is started again, you join again by "
    "yourself: keep this page open"
)
ELSEWHERE = "its room is on another machine now"
MOVED = (503, "Moved", "the room is on another machine now: join again")


class Registry:
    """All rooms, participants and children."""

    def __init__(
        self,
        limits: Limits,
        numbers: Callable[[], int],
        now_ns: int,
        load: LoadPolicy | None = None,
    ) -> None:
        """Args:
        numbers: returns a random integer at each call, for ids and streams.
        load: how many the machine can take; None: any number.
        """
        self._limits = limits
        self._settled_ns = now_ns + limits.rebuild_ns
        streams = Numbers(numbers)
        self._dispatch = Dispatch(limits, streams)
        self._links = Links(limits, self._settled_ns, streams)
        self._participants = self._dispatch.participants
        self._entrance = Entrance(
            limits, self._dispatch, streams, numbers, load or LoadPolicy(is_on=False)
        )
        self._house = House(self._dispatch, self._links)
        self._held: list[Question] = []
        self._announcements = Announcements()

    def join(self, event: Join, now_ns: int) -> list[Action]:
        """A browser's offer. The reply is ReplyAnswer or ReplyProblem, at once or later."""
        held = [other for other in self._held if isinstance(other, Join)]
        try:
            self._entrance.check(event, held, now_ns)
        except ProblemError as error:
            return [problem(event.request, error)]
        self._held.append(event)
        return self._advance(now_ns)

    def ask(self, event: AboutRoom | AboutPerson, now_ns: int) -> list[Action]:
        """About what is there. The reply is one of ``Answered``, or 404 once all is known."""
        try:
            check_room(event.room)
        except ProblemError as error:
            return [problem(event.request, error)]
        self._held.append(event)
        return self._advance(now_ns)

    def end(self, verdict: Verdict, now_ns: int) -> list[Action]:
        """End the calls of guests who may no longer be in their room."""
        return self._advance(now_ns, self._house.end(verdict, now_ns))

    def message(self, identity: str, message: Message, now_ns: int) -> list[Action]:
        """A control message from the DEALER ``identity``; unexpected kinds are ignored."""
        actions: list[Action] = []
        if isinstance(message, WorkerState):
            known = len(self._participants)
            actions = self._dispatch.heard(identity, message, now_ns)
            if len(self._participants) > known:  # Somebody was here before this start.
                actions += self._house.follow_settings(self._limits)
        elif isinstance(message, LinkState):
            actions = self._links.heard(identity, message, now_ns)
        elif isinstance(message, Answer):
            actions = self._dispatch.answer(identity, message)
        elif isinstance(message, Refused):
            actions = self._dispatch.refused(identity, message, now_ns)
        elif isinstance(message, PictureAnswer):
            actions = self._house.pictures.received(identity, message)
        elif isinstance(message, Forgotten):
            actions = self._house.forgetting.forgotten(identity, message)
        elif isinstance(message, ChildExited):
            reason = f"its process ended ({message.exit_code})"
            actions = self._gone(message.child, reason, now_ns)
        for action in list(actions):
            if isinstance(action, Joined):
                self._entrance.connected(action.client, now_ns)
                actions += self._entrance.take_over(action.participant, now_ns)
                if newcomer := self._participants.get(action.participant):
                    actions += self._announcements.newcomer(newcomer, now_ns)
        return self._advance(now_ns, actions)

    def drain(self, until_ns: int, now_ns: int) -> list[Action]:
        """The gateway stops: nobody new comes in, and everybody is told until when calls go on."""
        self._entrance.drain(until_ns)
        return self.announce(STOPPING, STOPPING_WORDS, STOPPING_WORDS, until_ns, now_ns)

    def announce(
        self, code: str, words: str, words_of_admins: str, due_ns: int | None, now_ns: int
    ) -> list[Action]:
        """Tell everybody something about the gateway; see ``Announcements.say``."""
        people = [person for person in self._participants.all() if person.connected]
        said = self._announcements.say(code, words, words_of_admins, due_ns, people, now_ns)
        return self._advance(now_ns, said)

    def grant_by(self, granted: Granted) -> None:
        """This is a node of a cluster: ``granted`` says which rooms are its own."""
        self._links.granted = granted

    def taken_along(self, room: str) -> Moved:
        """What another machine has to know of a room that goes there."""
        return moves.taken_along(self._participants, room)

    def prepare(self, room: str, moved: Moved, epoch: int, now_ns: int) -> list[Action]:
        """A room of another machine, which has it under ``epoch``, is to come here: open a link
        that waits for it.

        Raises ProblemError (503): there is no place for it.
        """
        rooms = self._participants.rooms()
        if room not in rooms and len(rooms) >= self._limits.max_rooms:
            raise ProblemError(503, "Full", f"all {self._limits.max_rooms} rooms are in use", 10)
        actions = self._links.prepare(room, moved.mode, epoch, now_ns)
        if actions is None:
            raise ProblemError(503, "Busy", "no process for the assistant is idle", BUSY_RETRY_S)
        return self._advance(now_ns, actions)

    def expect(self, room: str, moved: Moved, now_ns: int) -> list[Action]:
        """The room of another machine is here: its people are about to join again."""
        moves.expect(self._participants, room, moved, now_ns)
        return []

    def abandon(self, room: str, now_ns: int) -> list[Action]:
        """The room that was prepared for does not come."""
        present = room in self._participants.rooms()
        return [] if present else self._advance(now_ns, self._links.abandon(room, now_ns))

    def lose(self, room: str, now_ns: int) -> list[Action]:
        """Another machine has the room: all who are in it join again, and its link leaves."""
        actions: list[Action] = []
        for person in self._participants.in_room(room):
            actions += self._dispatch.drop(person, ELSEWHERE, now_ns, MOVED, lost=True)
        self._links.release(room)
        return self._advance(now_ns, actions + self._links.abandon(room, now_ns))

    def occupied(self) -> list[str]:
        """The rooms where somebody is."""
        return list(self._participants.rooms())

    def tell_link(self, message: Grant | Yield | Stay | OwesAnswer, now_ns: int) -> list[Action]:
        """Something for the link of a room, if it has one.

        Who is told to leave a room is not followed by another one, unless the room stays.
        """
        if isinstance(message, Yield):
            self._links.hold(message.room)
        elif isinstance(message, Stay):
            self._links.release(message.room)
        identity = self._links.asked(message.room)
        told: list[Action] = [SendToChild(identity, message)] if identity else []
        return self._advance(now_ns, told)

    def has_link(self, room: str) -> bool:
        """Whether a link has the room, or was asked to."""
        return bool(self._links.asked(room))

    def link_status(self, room: str) -> str:
        """How a room's link is, as ``LinkView.status``; that of a room to come, too."""
        return self._links.view(room).status

    def undelivered(self, identity: str, now_ns: int) -> list[Action]:
        """A message could not be sent to that child, so it is gone."""
        return self._advance(now_ns, self._gone(identity, "its process is gone", now_ns))

    def was_deaf(self, now_ns: int) -> None:
        """This process was stopped, and heard nobody until now; before anything else it hears."""
        self._dispatch.workers.was_deaf(now_ns)
        self._links.children.was_deaf(now_ns)

    def timeout(self, now_ns: int) -> list[Action]:
        """The time of ``next_timeout_ns`` has come."""
        return self._advance(now_ns)

    def close(self) -> list[Action]:
        """The gateway stops: reply to every request that waits. Calls go on."""
        waiting = [event.request for event in self._held]
        waiting += [p.request for p in self._participants.all() if p.request is not None]
        waiting += self._house.pictures.close()
        waiting += self._house.forgetting.close()
        self._held.clear()
        for participant in self._participants.all():
            participant.request = None
        stop = (503, "Restarting", "the gateway is restarting", BUSY_RETRY_S)
        return [ReplyProblem(request, *stop) for request in waiting]

    def knows(self, participant: str, now_ns: int) -> bool:
        """Whether a participant is here, or may be for all that is known after a start."""
        return now_ns < self._settled_ns or self._participants.get(participant) is not None

    def rooms(self) -> list[RoomView]:
        """Every room."""
        return [self._house.view(room) for room in self._participants.rooms()]

    def counts(self) -> dict[str, int]:
        """Rooms, participants, idle and active children, for metrics and readiness."""
        workers, links = self._dispatch.workers, self._links.children
        return {
            "rooms": len(self._participants.rooms()),
            "participants": len(self._participants),
            "workers_idle": workers.idle(),
            "workers_active": workers.active(),
            "links_idle": links.idle(),
            "links_active": links.active(),
        }

    def next_timeout_ns(self, now_ns: int) -> int | None:
        """When to call ``timeout``; None: not until another event."""
        times = [self._dispatch.next_timeout_ns(), self._links.next_timeout_ns(self._wanted())]
        times.append(self._house.pictures.next_timeout_ns())
        times.append(self._house.forgetting.next_timeout_ns())
        if now_ns < self._settled_ns:
            times.append(self._settled_ns)
        return min((time for time in times if time is not None), default=None)

    def _gone(self, identity: str, reason: str, now_ns: int) -> list[Action]:
        actions = self._dispatch.gone(identity, reason, now_ns)
        actions += self._house.pictures.gone(identity)
        actions += self._house.forgetting.gone(identity)
        return actions + self._links.gone(identity, reason, now_ns)

    def _advance(self, now_ns: int, before: Sequence[Action] = ()) -> list[Action]:
        """What follows every event; ``before`` are the event's own actions."""
        actions = [*before, *self._dispatch.expire(now_ns)]
        actions += self._house.pictures.expire(now_ns)
        actions += self._house.forgetting.expire(now_ns)
        actions += self._links.expire(now_ns)
        actions += self._serve_held(now_ns)
        actions += self._dispatch.offer(now_ns)
        actions += self._links.keep(self._wanted(), now_ns)
        rooms = self._participants.rooms()  # the end of a link is no loss for an empty room
        return [a for a in actions if not isinstance(a, LinkLost) or a.room in rooms]

    def _serve_held(self, now_ns: int) -> list[Action]:
        """Reply to requests; after a restart, hold those for what is not known yet."""
        settled = now_ns >= self._settled_ns
        held, self._held = self._held, []
        actions: list[Action] = []
        for event in held:
            if isinstance(event, Join):
                found = self._entrance.enter(event, now_ns) if settled else None
            else:
                found = self._house.answer(event, now_ns)
            if found is not None:
                actions += found
            elif settled:
                actions.append(not_found(event))
            else:
                self._held.append(event)
        return actions

    def _wanted(self) -> dict[str, Mode]:
        """Rooms that need a link: where somebody is connected, or will be for all we know."""
        active = {p.room for p in self._participants.all() if p.connected or (p.worker and p.eager)}
        rooms = self._participants.rooms().items()
        return {name: room.mode for name, room in rooms if name in active}

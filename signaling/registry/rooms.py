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
    LinkState,
    Message,
    Refused,
    SetMode,
    Silence,
    WorkerState,
)
from mixer_core.bus.events import Mode
from mixer_core.runtime.errors import ProblemError

from .actions import (
    Action,
    ChangeMode,
    CloseRoom,
    Join,
    Joined,
    Limits,
    LinkLost,
    Look,
    Mute,
    Question,
    Remove,
    Reply,
    ReplyDone,
    ReplyLeft,
    ReplyProblem,
    ReplyRoom,
    RoomView,
    SendToChild,
)
from .admission import Admission
from .dispatch import BUSY_RETRY_S, Dispatch
from .line import Line
from .links import Links
from .names import check_name, check_offer, check_room, free_name
from .numbering import Numbers
from .participants import Participant

_GAVE_WAY = (503, "Busy", "others came first")
AboutRoom = Look | ChangeMode | CloseRoom
AboutPerson = Remove | Mute
CLOSED = ("closed", "an admin has closed the room")
REVOKED = ("revoked", "your invitation was revoked: ask whoever invited you for a new link")


class Registry:
    """All rooms, participants and children."""

    def __init__(self, limits: Limits, numbers: Callable[[], int], now_ns: int) -> None:
        """``numbers`` returns a random integer at each call, for ids and streams."""
        self._limits = limits
        self._settled_ns = now_ns + limits.rebuild_ns
        self._streams = Numbers(numbers)
        self._ids = Numbers(numbers)
        self._dispatch = Dispatch(limits, self._streams)
        self._links = Links(limits, self._settled_ns, self._streams)
        self._participants = self._dispatch.participants
        self._admission = Admission(limits, self._participants, Line(numbers))
        self._held: list[Question] = []

    def join(self, event: Join, now_ns: int) -> list[Action]:
        """A browser's offer. The reply is ReplyAnswer or ReplyProblem, at once or later."""
        try:
            check_room(event.room)
            check_name(event.name)
            check_offer(event.sdp)
            held = [other for other in self._held if isinstance(other, Join)]
            self._admission.check(event, held, now_ns)
        except ProblemError as error:
            return [_problem(event.request, error)]
        self._held.append(event)
        return self._advance(now_ns)

    def ask(self, event: AboutRoom | AboutPerson, now_ns: int) -> list[Action]:
        """About what is there. The reply is one of ``Answered``, or 404 once all is known."""
        try:
            check_room(event.room)
        except ProblemError as error:
            return [_problem(event.request, error)]
        self._held.append(event)
        return self._advance(now_ns)

    def end(self, is_valid: Callable[[str], bool], now_ns: int) -> list[Action]:
        """End the calls of those whose invitation was revoked; ``is_valid`` takes a subject."""
        actions: list[Action] = []
        for participant in self._participants.all():
            if participant.subject and not is_valid(participant.subject):
                actions += self._send_away(participant, REVOKED, now_ns)
        return self._advance(now_ns, actions)

    def message(self, identity: str, message: Message, now_ns: int) -> list[Action]:
        """A control message from the DEALER ``identity``; unexpected kinds are ignored."""
        actions: list[Action] = []
        if isinstance(message, WorkerState):
            actions = self._dispatch.heard(identity, message, now_ns)
        elif isinstance(message, LinkState):
            actions = self._links.heard(identity, message, now_ns)
        elif isinstance(message, Answer):
            actions = self._dispatch.answer(identity, message)
        elif isinstance(message, Refused):
            actions = self._dispatch.refused(identity, message, now_ns)
        elif isinstance(message, ChildExited):
            reason = f"its process ended ({message.exit_code})"
            actions = self._gone(message.child, reason, now_ns)
        for action in actions:
            if isinstance(action, Joined):
                self._admission.connected(action.client, now_ns)
        return self._advance(now_ns, actions)

    def undelivered(self, identity: str, now_ns: int) -> list[Action]:
        """A message could not be sent to that child, so it is gone."""
        return self._advance(now_ns, self._gone(identity, "its process is gone", now_ns))

    def timeout(self, now_ns: int) -> list[Action]:
        """The time of ``next_timeout_ns`` has come."""
        return self._advance(now_ns)

    def close(self) -> list[Action]:
        """The gateway stops: reply to every request that waits. Calls go on."""
        waiting = [event.request for event in self._held]
        waiting += [p.request for p in self._participants.all() if p.request is not None]
        self._held.clear()
        for participant in self._participants.all():
            participant.request = None
        stop = (503, "Restarting", "the gateway is restarting", BUSY_RETRY_S)
        return [ReplyProblem(request, *stop) for request in waiting]

    def rooms(self) -> list[RoomView]:
        """Every room."""
        return [self._view(room) for room in self._participants.rooms()]

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
        if now_ns < self._settled_ns:
            times.append(self._settled_ns)
        return min((time for time in times if time is not None), default=None)

    def _gone(self, identity: str, reason: str, now_ns: int) -> list[Action]:
        actions = self._dispatch.gone(identity, reason, now_ns)
        return actions + self._links.gone(identity, reason, now_ns)

    def _advance(self, now_ns: int, before: Sequence[Action] = ()) -> list[Action]:
        """What follows every event; ``before`` are the event's own actions."""
        actions = [*before, *self._dispatch.expire(now_ns)]
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
                found = self._enter(event, now_ns) if settled else None
            else:
                found = self._find(event, now_ns)
            if found is not None:
                actions += found
            elif settled:
                actions.append(_not_found(event))
            else:
                self._held.append(event)
        return actions

    def _find(self, event: AboutRoom | AboutPerson, now_ns: int) -> list[Action] | None:
        """The reply, with its actions; None if there is no such room or participant."""
        if isinstance(event, AboutRoom):
            known = event.room in self._participants.rooms()
            return self._about_room(event, now_ns) if known else None
        found = self._participants.get(event.participant)
        if found is None or found.room != event.room:
            return None
        if isinstance(event, Mute):
            silence = Silence(found.id, event.muted, event.locked)
            return [*_told([found], lambda _: silence), ReplyDone(event.request)]
        reply = ReplyLeft(event.request, event.room, found.id, found.subject)
        return [*self._send_away(found, (event.code, event.message), now_ns), reply]

    def _about_room(self, event: AboutRoom, now_ns: int) -> list[Action]:
        if isinstance(event, Look):
            return [ReplyRoom(event.request, self._view(event.room))]
        actions: list[Action] = []
        if isinstance(event, ChangeMode):
            people = self._participants.set_mode(event.room, event.mode)
            actions += _told(people, lambda person: SetMode(person.id, event.mode))
        else:
            for person in self._participants.in_room(event.room):
                actions += self._send_away(person, CLOSED, now_ns)
        return [*actions, ReplyDone(event.request)]

    def _send_away(
        self, participant: Participant, told: tuple[str, str], now_ns: int
    ) -> list[Action]:
        problem = (409, "Removed", told[1] or "the participant was removed while joining")
        reason = told[0] or "asked to leave"
        return self._dispatch.drop(participant, reason, now_ns, problem, told)

    def _enter(self, event: Join, now_ns: int) -> list[Action]:
        """Add the participant of an offer; ``Dispatch.offer`` finds a worker for it."""
        actions: list[Action] = []
        former = self._participants.get(event.replaces)
        if former is not None and former.room == event.room:
            problem = (409, "Removed", "the same browser has joined again")
            actions = self._dispatch.drop(former, "joined again", now_ns, problem)
        try:
            name = self._name(event)
            eager = self._admission.is_eager(event.client, now_ns)
            victims = self._admission.place(event, now_ns)
        except ProblemError as error:
            return [*actions, _problem(event.request, error)]
        for victim in victims:
            actions += self._dispatch.drop(victim, "it gave way to others", now_ns, _GAVE_WAY)
        self._participants.add(
            Participant(
                f"p-{self._ids.draw():08x}",
                event.room,
                self._streams.draw(),
                event.mode or self._limits.default_mode,
                name,
                request=event.request,
                sdp=event.sdp,
                deadline_ns=now_ns + self._limits.answer_timeout_ns,
                role=event.role,
                verified=event.verified,
                subject=event.subject,
                client=event.client,
                joined_ns=now_ns,
                eager=eager,
                returns=self._participants.was_connected(event.replaces, now_ns),
            )
        )
        return actions

    def _name(self, event: Join) -> str:
        """The participant's name. Raises ProblemError (409) where a guest takes another's name."""
        if not event.subject or event.verified:
            return check_name(event.name)
        present = {person.name for person in self._participants.in_room(event.room)}
        return free_name(event.name, present | event.reserved)

    def _wanted(self) -> dict[str, Mode]:
        """Rooms that need a link: where somebody is connected, or will be for all we know."""
        active = {p.room for p in self._participants.all() if p.connected or (p.worker and p.eager)}
        return {room: mode for room, mode in self._participants.rooms().items() if room in active}

    def _view(self, room: str) -> RoomView:
        people = tuple(p.view() for p in self._participants.in_room(room))
        return RoomView(room, self._participants.rooms()[room], people, self._links.view(room))


def _told(people: Sequence[Participant], message: Callable[[Participant], Message]) -> list[Action]:
    """A message to the workers of people."""
    return [SendToChild(person.worker, message(person)) for person in people if person.worker]


def _problem(request: int, error: ProblemError) -> Reply:
    return ReplyProblem(
        request, error.status, error.title, error.detail, error.retry_after_s, error.extra
    )


def _not_found(event: Question) -> Reply:
    if isinstance(event, AboutRoom):
        return ReplyProblem(event.request, 404, "No such room", "nobody is in that room")
    detail = "that participant is not in that room"
    return ReplyProblem(event.request, 404, "No such participant", detail)

"""A world around the registry, in memory: children that do what they are told, and a clock."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from mixer_core.bus.control import (
    Answer,
    ChildExited,
    Leave,
    LinkState,
    Message,
    Offer,
    OpenLink,
    Refused,
    SetRoom,
    WorkerState,
)
from mixer_core.bus.place import Place
from mixer_core.runtime.units import MS_NS, S_NS
from signaling.registry.actions import (
    Action,
    Join,
    Joined,
    Left,
    Limits,
    LinkLost,
    Look,
    Remove,
    Reply,
    ReplyAnswer,
    SendToChild,
)
from signaling.registry.load import LoadPolicy
from signaling.registry.rooms import Registry

OFFER = "v=0\r\ns=-\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"


@dataclass
class FakeChild:
    """A worker or link child: messages wait in ``inbox`` until ``World.act`` lets it read one."""

    identity: str
    kind: str
    """``worker`` or ``link``."""
    status: str = "idle"
    hung: bool = False
    """It neither reads nor reports."""
    work: Offer | OpenLink | None = None
    inbox: list[Message] = field(default_factory=list)
    given: list[Message] = field(default_factory=list)
    """Every Offer and OpenLink that it was sent and that it may still act on."""
    told_to_leave: bool = False
    place: Place | None = None
    """Where its device went; None: it is where it was when it joined."""
    beat_ns: int = 0
    given_ns: int = 0

    def state(self) -> WorkerState | LinkState:
        """What it reports."""
        if self.kind == "link":
            room = self.work.room if isinstance(self.work, OpenLink) else ""
            stream = self.work.stream if self.work else 0
            return LinkState(self.identity, 1, self.status, room, stream)  # type: ignore[arg-type]
        offer = self.work if isinstance(self.work, Offer) else None
        if offer is None:
            return WorkerState(self.identity, 1, self.status)  # type: ignore[arg-type]
        return WorkerState(
            self.identity,
            1,
            self.status,  # type: ignore[arg-type]
            offer.room,
            offer.participant,
            offer.stream,
            offer.name,
            False,
            offer.mode,
            role=offer.role,
            subject=offer.subject,
            silenced=offer.silenced,
            rules=offer.rules,
            place=self.place or offer.place,
            ruled_mode=offer.ruled_mode,
        )


class World:
    """A registry, its children, a clock, and a record of everything that was done."""

    def __init__(self, load: LoadPolicy | None = None, **limits: object) -> None:
        self.now_ns = 1_000 * S_NS
        self._load = load
        self.limits = Limits(**({"rebuild_ns": 0} | limits))  # type: ignore[arg-type]
        self._number = 0
        self._names = itertools.count(1)
        self.registry = Registry(self.limits, self._draw, self.now_ns, load)
        self.children: dict[str, FakeChild] = {}
        self.replies: list[Reply] = []
        self.sent: list[SendToChild] = []
        self.notes: list[Joined | Left | LinkLost] = []
        self.asked = 0
        self.streams: Counter[int] = Counter()

    def _draw(self) -> int:
        """Every number twice, so that collisions happen all the time."""
        self._number += 1
        return self._number // 2

    # -- what happens ---------------------------------------------------------------------------

    def join(
        self,
        room: str = "home",
        name: str = "",
        mode: str | None = None,
        client: str = "",
        ticket: str = "",
        replaces: str = "",
        **more: object,
    ) -> int:
        """A browser's offer; returns the number of the request. ``more``: fields of ``Join``."""
        self.asked += 1
        event = Join(
            self.asked,
            room,
            name,
            mode,  # type: ignore[arg-type]
            OFFER,
            client=client,
            ticket=ticket,
            replaces=replaces,
            **more,  # type: ignore[arg-type]
        )
        self.do(self.registry.join(event, self.now_ns))
        return self.asked

    def remove(self, participant: str, room: str = "home") -> int:
        """DELETE."""
        self.asked += 1
        self.do(self.registry.ask(Remove(self.asked, room, participant), self.now_ns))
        return self.asked

    def look(self, room: str) -> int:
        """GET of a room."""
        self.asked += 1
        self.do(self.registry.ask(Look(self.asked, room), self.now_ns))
        return self.asked

    def add(self, kind: str) -> FakeChild:
        """A host started a child, which says that it is idle."""
        child = FakeChild(f"{kind}-{next(self._names)}", kind)
        self.children[child.identity] = child
        self.report(child)
        return child

    def report(self, child: FakeChild) -> None:
        """The child sends its state."""
        child.beat_ns = self.now_ns
        if child.status == "idle" and self.now_ns - child.given_ns >= 5 * S_NS:
            child.given.clear()
        self.say(child, child.state())

    def say(self, child: FakeChild, message: Message) -> None:
        """The child sends a message."""
        self.do(self.registry.message(child.identity, message, self.now_ns))

    def exit(self, child: FakeChild, code: int = 0) -> None:
        """The child's process ends and its host says so."""
        del self.children[child.identity]
        program = "media_worker" if child.kind == "worker" else "openai_link"
        message = ChildExited(program, child.identity, code)
        self.do(self.registry.message(program, message, self.now_ns))

    def act(self, child: FakeChild, refuse: bool = False) -> None:
        """The child reads one message and reacts."""
        if not child.inbox or child.hung:
            return
        message = child.inbox.pop(0)
        if isinstance(message, Offer) and refuse:
            child.given.clear()
            self.say(child, Refused(message.participant, 400, "Bad SDP", "no"))
            self.report(child)
        elif isinstance(message, Offer | OpenLink):
            if child.work is None:
                child.work, child.status = message, "connecting"
                self.report(child)
                if isinstance(message, Offer):
                    self.say(child, Answer(message.participant, f"answer by {child.identity}"))
        elif isinstance(message, SetRoom) and isinstance(child.work, Offer):
            child.work = replace(
                child.work, mode=message.mode, rules=message.rules, ruled_mode=message.ruled_mode
            )
            self.report(child)
        elif isinstance(message, Leave):
            child.status = "closed"
            self.report(child)
            self.exit(child)

    def hang_up(self, child: FakeChild) -> None:
        """The browser closes its connection, and its worker notices."""
        child.status = "closed"
        self.report(child)
        self.exit(child)

    def settle(self) -> None:
        """Every child reads everything."""
        while busy := [c for c in self.children.values() if c.inbox and not c.hung]:
            self.act(busy[0])

    def connect(self, child: FakeChild) -> None:
        """A connecting child is through."""
        if child.status == "connecting":
            child.status = "connected" if child.kind == "worker" else "ready"
            self.report(child)

    def advance(self, ms: int, beats: bool = True) -> None:
        """Time passes; children report once a second, the registry's timer fires when due."""
        target_ns = self.now_ns + ms * MS_NS
        fired = 0
        while True:
            due_ns = self.registry.next_timeout_ns(self.now_ns)
            alive = [c for c in self.children.values() if beats and not c.hung]
            beat_ns = min((c.beat_ns + S_NS for c in alive), default=target_ns)
            stop_ns = min(target_ns, beat_ns, due_ns if due_ns is not None else target_ns)
            self.now_ns = max(self.now_ns, stop_ns)
            for child in alive:
                if child.beat_ns + S_NS <= self.now_ns:
                    self.report(child)
            if due_ns is not None and due_ns <= self.now_ns:
                fired += 1
                assert fired < 500, "the timer spins"
                self.do(self.registry.timeout(self.now_ns))
            if self.now_ns >= target_ns:
                break

    def restart(self, **changed: object) -> None:
        """Signaling is stopped and started again, with other limits; nobody else notices."""
        self.do(self.registry.close())
        self.limits = replace(self.limits, **changed)  # type: ignore[arg-type]
        self._number += 100_000
        self.registry = Registry(self.limits, self._draw, self.now_ns, self._load)

    # -- what was seen --------------------------------------------------------------------------

    def replies_to(self, request: int) -> list[Reply]:
        """The answers to a request: at most one at any time, exactly one in the end."""
        return [reply for reply in self.replies if reply.request == request]

    def answer_to(self, request: int) -> ReplyAnswer:
        """The answer to an offer that was accepted."""
        (reply,) = self.replies_to(request)
        assert isinstance(reply, ReplyAnswer), reply
        return reply

    def messages_to(self, child: FakeChild) -> list[Message]:
        """What a child was sent."""
        return [action.message for action in self.sent if action.identity == child.identity]

    def people(self) -> list[str]:
        """Every participant's id."""
        return [p.participant for room in self.registry.rooms() for p in room.participants]

    def do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, SendToChild):
                self._deliver(action)
            elif isinstance(action, Joined | Left | LinkLost):
                self.notes.append(action)
            else:
                assert not self.replies_to(action.request), "a request is answered twice"
                self.replies.append(action)

    def _deliver(self, action: SendToChild) -> None:
        child = self.children.get(action.identity)
        if child is None:
            self.do(self.registry.undelivered(action.identity, self.now_ns))
            return
        self.sent.append(action)
        message = action.message
        if isinstance(message, Offer | OpenLink):
            assert not child.given, f"{child.identity} is given work twice"
            assert isinstance(message, Offer) == (child.kind == "worker")
            child.given.append(message)
            child.given_ns = self.now_ns
            self._check_numbers(message)
        elif isinstance(message, Leave):
            child.told_to_leave = True
        child.inbox.append(message)

    def _check_numbers(self, message: Offer | OpenLink) -> None:
        assert 0 < message.stream < 2**32
        owner = message.participant if isinstance(message, Offer) else None
        known = self.streams[message.stream]
        moved = owner is not None and any(
            isinstance(a.message, Offer) and a.message.participant == owner for a in self.sent[:-1]
        )
        assert moved or known == 0, "a stream is used twice"
        self.streams[message.stream] += 1
        if isinstance(message, OpenLink):
            rivals = [
                c.identity
                for c in self.children.values()
                if c.kind == "link"
                and not c.told_to_leave
                and not c.hung
                and c.status != "closed"
                and any(isinstance(g, OpenLink) and g.room == message.room for g in c.given)
            ]
            assert len(rivals) <= 1, f"{message.room} has two links: {rivals}"

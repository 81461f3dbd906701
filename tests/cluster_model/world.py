"""A small cluster in which everything that may go wrong goes wrong by choice: nodes, a store, time.

The nodes run the policies that ship: ``Member`` (lease, watch, pledges), ``Owners`` (whose a room
is) and ``Fence`` (the link). One room is wanted by all nodes all the time. Time goes in rounds; in
a round each node does what is due, and the condition of its way to the store says what becomes of
what it asks:

=========  =======================================================================
ok         done and answered at once; the watch shows all there is
blind      done and answered at once; the watch shows nothing new
slow       done at once, answered a round later
mute       done at once, never answered; the watch shows nothing new
reads      the same, but what is read is answered at once
late       done when the condition changes, never answered; nothing new
headless   the same, but what is read is answered at once
cut        never done
asleep     the machine does nothing at all; its clock goes on
=========  =======================================================================

``reads`` is what JetStream does without a leader: replicas go on answering reads, and a write may
be in the stream although its acknowledgement never comes. A node that was cut off until its lease
ran out, and comes back so, draws a new incarnation and is not told that it has it; the one before
must stay dead then, although nobody who could say no is known any more. ``headless`` is a leader
that has lost its quorum: it keeps what is written to itself until that is back.

Beside that a node may lose its connection for a moment, or other nodes may not reach it; and the
store may lose its last writes, acknowledged or not, as where a server loses its power.

Nobody is told to stop: a link ends at its time only, and as late as ``close_ns`` allows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from mixer_core.cluster import lease_actions as say
from mixer_core.cluster.fence import Fence
from mixer_core.cluster.lease_actions import Terms
from mixer_core.cluster.member import Member
from mixer_core.cluster.placement import NoNode
from mixer_core.cluster.watch import Evict
from signaling.cluster.owner_actions import Claim as Wanted
from signaling.cluster.owner_actions import Entry, Give, Lose, Own, Read, Reply, Write
from signaling.cluster.owners import Owners

ROOM = "den"
CONDITIONS = ("ok", "blind", "slow", "mute", "reads", "late", "headless", "cut", "asleep")
SEES = ("ok", "slow")
HEARS = ("ok", "blind", "slow", "reads", "headless")
READS = ("reads", "headless")
"""What has been answered arrives."""
MAX_TURNS = 12
"""What one round of a node may lead to, one thing after the other."""


@dataclass(frozen=True)
class Setting:
    """What does not change in a run."""

    names: tuple[str, ...] = ("a", "b")
    rates_percent: tuple[int, ...] = (100, 105)
    """Of the nodes' clocks."""
    round_ns: int = 500_000_000
    link: str = "up"
    """How nodes reach each other: up, slow (answers come a round later) or down."""
    backwards: bool = False
    """The last node is the first in each round."""
    terms: Terms = field(default_factory=Terms)
    stops_clocks: bool = False
    """A wrong clock: one that stands still while the machine sleeps."""
    member: type[Member] = Member
    undo: int = 0
    """How many of its last writes the store may lose."""


@dataclass
class Ask:
    """Something that a node wants of the store."""

    life: int
    act: Any
    sent_ns: int
    answer: Any = None
    """What the store says; None: nothing yet."""


class Store:
    """Keys with values and revisions, changed one after the other."""

    def __init__(self, undo: int) -> None:
        self.revision = 0
        self.values: dict[str, tuple[int, Any]] = {}
        self._undo = undo
        self._before: list[tuple[str, tuple[int, Any] | None]] = []
        """What the last writes have replaced."""

    def do(self, node: str, act: Any) -> Any:
        match act:
            case say.ReadOwn():
                return ("found", self.values.get(node))
            case say.WriteOwn(claim, revision):
                return self._put(node, claim, revision)
            case Evict(other, claim, revision):
                return self._put(other, claim, revision)
            case Read():
                return ("found", self.values.get(f"/{ROOM}"))
            case Write(record, revision):
                return self._put(f"/{ROOM}", record, revision)
        raise AssertionError(act)

    def _put(self, key: str, value: Any, revision: int) -> Any:
        if self.values.get(key, (0, None))[0] != revision:
            return ("refused", None)
        self._before = [*self._before, (key, self.values.get(key))][-self._undo :]
        if not self._undo:
            self._before = []
        self.revision += 1
        self.values[key] = (self.revision, value)
        return ("written", self.revision)

    def lose(self) -> None:
        """The last writes were not on the disk yet; their revisions are given anew."""
        while self._before:
            key, value = self._before.pop()
            self.revision -= 1
            if value is None:
                del self.values[key]
            else:
                self.values[key] = value


@dataclass
class Place:
    """What ``Owners`` is told of the nodes: each wants the room for itself."""

    member: Member

    def choose(self, needs: Collection[str], avoid: Collection[str], now_ns: int) -> str | NoNode:
        return self.member.node

    def is_there(self, node: str) -> bool:
        return True

    def verdict(self, node: str, incarnation: str, now_ns: int) -> Any:
        return self.member.verdict(node, incarnation, now_ns)


def _nothing() -> int:
    return 0


class Node:
    """One machine: its signaling, which may be started anew, and the link of the room."""

    def __init__(self, name: str, setting: Setting, now_ns: int) -> None:
        self.name = name
        self.life = 0
        self.disk: tuple[str, ...] = ()
        self.condition = "ok"
        self.asks: list[Ask] = []
        self.ghosts: list[Ask] = []
        """What will be done later."""
        self.late: list[tuple[int, str]] = []
        """Pledges whose answers are under way."""
        self.fence: Fence | None = None
        self.requests = 0
        self.is_alone = False
        """It reaches no other node, and none reaches it."""
        self.has_old_view = False
        """What its watch knows is of before the store lost its last writes."""
        self.start(setting, now_ns)

    def start(self, setting: Setting, now_ns: int) -> None:
        self.life += 1
        self.asks, self.late = [], []
        self.member = setting.member(self.name, setting.terms, self.disk, _nothing, now_ns)
        self.owners = Owners(self.name, Place(self.member), _nothing)


class World:
    """See the module."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.now_ns = 1_000 * setting.round_ns
        self.store = Store(setting.undo)
        self.is_store_away = False
        self.slept_ns = [0] * len(setting.names)
        """By node: what its clock has missed."""
        self.nodes = [
            Node(name, setting, self.clock_ns(at)) for at, name in enumerate(setting.names)
        ]
        self.faults: list[str] = []

    def clock_ns(self, at: int) -> int:
        """What the clock of a node shows."""
        return (self.now_ns - self.slept_ns[at]) * self.setting.rates_percent[at] // 100

    # -- what happens -----------------------------------------------------------------------------

    def set(self, at: int, condition: str) -> None:
        node = self.nodes[at]
        node.condition = condition
        ghosts, node.ghosts = node.ghosts, []
        for ask in ghosts:
            self.store.do(node.name, ask.act)
        self.check()

    def flicker(self, at: int) -> None:
        """The node's connection to the store breaks, whether the store is there or not."""
        self.nodes[at].member.lost_store()

    def lose_store(self, how: str) -> None:
        """The store goes away, and the nodes notice that or not, or it comes back."""
        self.is_store_away = how != "back"
        for at in range(len(self.nodes)):
            if how == "killed":
                self.flicker(at)

    def lose_end(self) -> None:
        """The store's machine loses its power, and is back at once."""
        self.store.lose()
        for at, node in enumerate(self.nodes):
            self.flicker(at)
            node.has_old_view = True

    def restart(self, at: int) -> None:
        self.nodes[at].start(self.setting, self.clock_ns(at))

    def give(self, at: int) -> None:
        """The node gives the room to the next one; its link is closed before."""
        node = self.nodes[at]
        if ROOM not in node.owners.held():
            return
        node.fence = None
        target = self.nodes[(at + 1) % len(self.nodes)].name
        self._room(at, node.owners.ask(0, ROOM, Give(target), self.clock_ns(at)))

    def round(self) -> None:
        """Time goes on, and each node does what is due."""
        self.now_ns += self.setting.round_ns
        if self.setting.stops_clocks:
            for at, node in enumerate(self.nodes):
                self.slept_ns[at] += (node.condition == "asleep") * self.setting.round_ns
        self.check()
        places = range(len(self.nodes))
        for at in reversed(places) if self.setting.backwards else places:
            self._turn(at)

    def condition(self, at: int) -> str:
        return "cut" if self.is_store_away else self.nodes[at].condition

    def _turn(self, at: int) -> None:
        node, now_ns = self.nodes[at], self.clock_ns(at)
        condition = self.condition(at)
        if node.condition == "asleep":
            return
        if condition in SEES:
            if node.has_old_view:
                node.member.watch.forget()
                node.has_old_view = False
            for other in self.setting.names:
                revision, claim = self.store.values.get(other, (0, None))
                if claim is not None:
                    node.member.seen(other, claim, revision, now_ns)
        asks, node.asks = node.asks, []
        for ask in asks:
            self._answer(at, ask, condition)
        for asked_ns, incarnation in node.late:
            self._own(at, node.member.pledged(asked_ns, incarnation, now_ns))
        node.late = []
        self._own(at, node.member.tick(now_ns))
        if node.member.lease.holds(now_ns):
            rooms = {ROOM} if node.fence is not None else set()
            self._room(at, node.owners.occupied(rooms, now_ns))
            node.requests += 1
            wish = Wanted(here=True)
            self._room(at, node.owners.ask(node.requests, ROOM, wish, now_ns))
        for _ in range(MAX_TURNS):
            fresh = [ask for ask in node.asks if ask.answer is not None and condition != "slow"]
            if not fresh or condition not in ("ok", "blind", *READS):
                break
            for ask in fresh:
                node.asks.remove(ask)
                self._answer(at, ask, condition)
            self._own(at, node.member.tick(now_ns))
        self.check()

    # -- the store --------------------------------------------------------------------------------

    def _ask(self, at: int, act: Any) -> None:
        node = self.nodes[at]
        ask = Ask(node.life, act, self.clock_ns(at))
        match self.condition(at):
            case "ok" | "blind" | "slow":
                ask.answer = self.store.do(node.name, act)
            case "reads" | "headless" if isinstance(act, say.ReadOwn | Read):
                ask.answer = self.store.do(node.name, act)
            case "mute" | "reads":
                self.store.do(node.name, act)
            case "late" | "headless":
                node.ghosts.append(ask)
        node.asks.append(ask)

    def _answer(self, at: int, ask: Ask, condition: str) -> None:
        """Give a node the answer, or say that there is none, or wait on."""
        node, now_ns = self.nodes[at], self.clock_ns(at)
        is_over = now_ns - ask.sent_ns >= self.setting.terms.renew_ns
        what, value = ask.answer or (None, None)
        if what is not None and condition not in HEARS:
            what = None
        if what is None:
            if is_over:
                self._unanswered(at, ask.act)
            else:
                node.asks.append(ask)
            return
        member, owners = node.member, node.owners
        match what, ask.act:
            case "found", say.ReadOwn():
                revision, claim = value or (0, None)
                self._own(at, member.found(claim, revision, now_ns))
            case "written", say.WriteOwn(claim):
                self._own(at, member.written(claim, value, now_ns))
            case "refused", say.WriteOwn(claim):
                self._own(at, member.refused(claim, now_ns))
            case "written", Evict() as act:
                member.watch.evicted(act, value, now_ns)
            case "refused", Evict() as act:
                revision, claim = self.store.values[act.node]
                member.watch.kept(act)
                member.seen(act.node, claim, revision, now_ns)
            case "found", Read():
                revision, record = value or (0, None)
                self._room(at, owners.got(ROOM, Entry(record, revision), now_ns))
            case "written", Write():
                self._room(at, owners.written(ROOM, value, now_ns))
            case "refused", Write():
                self._room(at, owners.refused(ROOM, now_ns))

    def _unanswered(self, at: int, act: Any) -> None:
        node, now_ns = self.nodes[at], self.clock_ns(at)
        match act:
            case say.ReadOwn():
                self._own(at, node.member.unanswered(None, now_ns))
            case say.WriteOwn(claim):
                self._own(at, node.member.unanswered(claim, now_ns))
            case Read() | Write():
                self._room(at, node.owners.failed(ROOM, "no answer", now_ns))

    # -- what the policies want -------------------------------------------------------------------

    def _own(self, at: int, actions: Collection[Any]) -> None:
        """What a node's membership wants."""
        node = self.nodes[at]
        for action in actions:
            match action:
                case say.Begun(incarnation):
                    node.owners.lease_begins(incarnation)
                case say.Renewed(until_ns):
                    for epoch in node.owners.held().values():
                        if node.fence is not None:
                            node.fence.grant(epoch, until_ns)
                case say.Paused():
                    self._room(at, node.owners.lease_pauses())
                case say.Resumed(incarnation):
                    self._room(at, node.owners.lease_resumes(incarnation))
                case say.Ended():
                    self._room(at, node.owners.lease_ends())
                case say.AskPledges():
                    self._pledges(at, action)
                case say.WriteOwn() | Evict():
                    if isinstance(action, say.WriteOwn):
                        node.disk = node.member.lease.own
                    self._ask(at, action)
                case say.ReadOwn():
                    self._ask(at, action)

    def _pledges(self, at: int, ask: say.AskPledges) -> None:
        node = self.nodes[at]
        if self.setting.link == "down":
            return
        for name, incarnation in ask.nodes:
            other = self.setting.names.index(name)
            if node.is_alone or self.nodes[other].is_alone:
                return
            if self.nodes[other].condition == "asleep":
                return
            member, other_ns = self.nodes[other].member, self.clock_ns(other)
            if not member.asked(node.name, ask.incarnation, incarnation, other_ns):
                return
        if self.setting.link == "slow":
            node.late.append((ask.asked_ns, ask.incarnation))
            return
        now_ns = self.clock_ns(at)
        self._own(at, node.member.pledged(ask.asked_ns, ask.incarnation, now_ns))

    def _room(self, at: int, actions: Collection[Any]) -> None:
        """What a node's ownership wants."""
        node = self.nodes[at]
        for action in actions:
            match action:
                case Own(_, epoch):
                    until_ns = node.member.lease.until_ns
                    if node.fence is None:
                        node.fence = Fence(epoch, until_ns)
                    else:
                        node.fence.grant(epoch, until_ns)
                case Read() | Write():
                    self._ask(at, action)
                case Lose() | Reply():
                    pass

    # -- what must hold ---------------------------------------------------------------------------

    def speaking(self) -> list[str]:
        """The nodes whose links may still speak."""
        late_ns = self.setting.terms.close_ns
        return [
            node.name
            for at, node in enumerate(self.nodes)
            if node.fence is not None and node.fence.may_speak(self.clock_ns(at) - late_ns)
        ]

    def check(self) -> None:
        found = self.speaking()
        if len(found) > 1:
            self.faults.append(f"{' and '.join(found)} speak at once")

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        self.is_store_away = False
        for at in range(len(self.nodes)):
            self.set(at, "ok")
            self.nodes[at].is_alone = False

    def heal(self) -> None:
        """Soon after all was mended one node speaks, and all have leases by the store."""
        wait_ns = 2 * self.setting.terms.wait_ns(self.setting.terms.lease_ns)
        for _ in range(wait_ns // self.setting.round_ns):
            self.round()
        if len(self.speaking()) != 1:
            self.faults.append(f"it does not heal: {self.speaking()} speak")
        for at, node in enumerate(self.nodes):
            lease = node.member.lease
            if not lease.holds(self.clock_ns(at)) or lease.is_pledged:
                self.faults.append(f"it does not heal: {node.name} has no lease by the store")

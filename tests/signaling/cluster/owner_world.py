"""Several nodes' policies of ownership, and a bucket in memory that answers when it is told to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from mixer_core.cluster.placement import NoNode
from mixer_core.cluster.records import RoomRecord
from signaling.cluster.owner_actions import (
    Action,
    Claim,
    Entry,
    Here,
    Lose,
    Own,
    Place,
    Read,
    Reply,
    Verdict,
    Wish,
    Write,
)
from signaling.cluster.owners import Owners


@dataclass
class Bucket:
    """Records by room, every version of them."""

    versions: dict[str, list[Entry]] = field(default_factory=dict)
    revision: int = 0

    def forget(self, room: str) -> None:
        """Nobody has written the record for too long."""
        self.versions[room].append(Entry())

    def latest(self, room: str) -> Entry:
        return self.versions.get(room, [Entry()])[-1]

    def write(self, write: Write) -> int | None:
        """The new revision; None: the record is of another one."""
        room = write.record.room
        if self.latest(room).revision != write.revision:
            return None
        self.revision += 1
        self.versions.setdefault(room, [Entry()]).append(Entry(write.record, self.revision))
        return self.revision


@dataclass
class Node:
    """One node: its policy, and what it waits for."""

    name: str
    world: World
    incarnation: str = ""
    paused: str = ""
    """The incarnation whose lease has run out, and may hold again."""
    lives: int = 0
    owners: Owners = field(init=False)
    pending: list[Read | Write] = field(default_factory=list)
    people: set[str] = field(default_factory=set)
    """Rooms in which somebody is here."""
    replies: dict[int, Place] = field(default_factory=dict)
    wishes: dict[int, tuple[str, Wish]] = field(default_factory=dict)
    results: dict[int, int | None] = field(default_factory=dict)
    """Of writes in ``pending`` that are done, by id: their revisions, if they were taken."""
    told: list[Own | Lose] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.owners = Owners(self.name, self, lambda: self.world.unix_s)

    # -- what the policy asks of the nodes --

    def choose(self, needs: Collection[str], avoid: Collection[str], now_ns: int) -> str | NoNode:
        names = [n.name for n in self.world.nodes if n.incarnation and n.name not in avoid]
        self.world.turn += 1
        return names[self.world.turn % len(names)] if names else NoNode("no machine")

    def is_there(self, node: str) -> bool:
        return bool(self.world.node(node).incarnation)

    def verdict(self, node: str, incarnation: str, now_ns: int) -> Verdict:
        if self.world.node(node).incarnation == incarnation:
            return "unsure" if node in self.world.unseen else "live"
        return "lost" if incarnation in self.world.found_lost else "unsure"

    # -- the lease --

    def begin(self) -> None:
        self.lives += 1
        self.incarnation, self.paused = f"{self.name}{self.lives}", ""
        self.owners.lease_begins(self.incarnation)

    def pause(self) -> None:
        self.incarnation, self.paused = "", self.incarnation
        self.do(self.owners.lease_pauses())

    def resume(self) -> None:
        """Nobody has called it lost."""
        self.incarnation, self.paused = self.paused, ""
        self.do(self.owners.lease_resumes(self.incarnation))

    def end(self) -> None:
        self.incarnation = ""
        self.do(self.owners.lease_ends())

    # -- actions --

    def ask(self, request: int, room: str, wish: Wish) -> Place | None:
        self.wishes[request] = (room, wish)
        self.do(self.owners.ask(request, room, wish, self.world.now_ns))
        return self.replies.get(request)

    def look(self) -> None:
        self.do(self.owners.occupied(self.people, self.world.now_ns))

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Read | Write):
                self.pending.append(action)
            elif isinstance(action, Reply):
                assert action.request not in self.replies, "answered twice"
                self.replies[action.request] = action.place
                room, wish = self.wishes[action.request]
                written = any(isinstance(a, Write) and a.record.room == room for a in actions)
                if isinstance(wish, Claim) and isinstance(action.place, Here) and not written:
                    assert self.owners.held()[room] == action.place.epoch, "it is not owned"
            else:
                self.told.append(action)
                if isinstance(action, Lose):
                    self.people.discard(action.room)
                else:
                    self.world.owned(action, self.incarnation)

    def answer(self, index: int = 0, age: int = 0) -> None:
        """The bucket answers; a read may show a version that is ``age`` versions old."""
        action, now_ns = self.pending.pop(index), self.world.now_ns
        if isinstance(action, Read):
            known = self.world.bucket.versions.get(action.room, [Entry()])
            self.do(self.owners.got(action.room, known[max(-1 - age, -len(known))], now_ns))
            return
        self.carry_out(action)
        revision, room = self.results.pop(id(action)), action.record.room
        if revision is None:
            self.do(self.owners.refused(room, now_ns))
        else:
            self.do(self.owners.written(room, revision, now_ns))

    def carry_out(self, action: Read | Write) -> None:
        """The bucket does what was asked; the answer is on its way."""
        if isinstance(action, Write) and id(action) not in self.results:
            self.results[id(action)] = self.world.bucket.write(action)

    def fail(self, index: int = 0, *, is_done: bool = False, is_late: bool = False) -> None:
        """No answer comes; what was written is done now, or later, or never."""
        action = self.pending.pop(index)
        if is_done:
            self.carry_out(action)
        elif isinstance(action, Write) and is_late and id(action) not in self.results:
            self.world.late.append(action)
        self.results.pop(id(action), None)
        room = action.room if isinstance(action, Read) else action.record.room
        self.do(self.owners.failed(room, "NATS is away", self.world.now_ns))

    def answer_all(self) -> None:
        while self.pending:
            self.answer()


class World:
    """The nodes, the bucket, the time."""

    def __init__(self, names: str = "abc") -> None:
        self.bucket = Bucket()
        self.now_ns = 0
        self.unix_s = 0
        """What all clocks show."""
        self.turn = 0
        self.nodes = [Node(name, self) for name in names]
        self.found_lost: set[str] = set()
        """Incarnations that have ended, and of which that is known."""
        self.unseen: set[str] = set()
        """Nodes whose renewals others do not see, though they hold their lease."""
        self.late: list[Write] = []
        """Writes that are still on their way."""
        self.epochs: dict[str, tuple[int, str]] = {}
        for node in self.nodes:
            node.begin()

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def owned(self, own: Own, incarnation: str) -> None:
        before, owner = self.epochs.get(own.room, (0, ""))
        is_again = own.epoch == before and owner == incarnation
        assert own.epoch > before or is_again, "an epoch has two owners"
        self.epochs[own.room] = own.epoch, incarnation

    def record(self, room: str) -> RoomRecord | None:
        return self.bucket.latest(room).record

    def owners_of(self, room: str) -> list[str]:
        """Who runs a room now: at most one, ever."""
        return [node.name for node in self.nodes if room in node.owners.held()]

    def settle(self) -> None:
        """Everything that is under way is answered."""
        while any(node.pending for node in self.nodes):
            for node in self.nodes:
                node.answer_all()

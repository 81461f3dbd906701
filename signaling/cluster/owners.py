"""Which rooms this node owns, and which node owns the others. Sans-I/O.

A room's record in the bucket names a node, and an incarnation of it, which is one unbroken lease.
Whoever writes the record does so on condition that it is as it was read, so of several who want the
same only one gets it. The rules:

- A node owns a room only after it has itself written the record, and was told so, under its present
  incarnation: what is read may be old, and a write whose answer is lost may be done yet.
- A node that is chosen for a room stands in the record without an incarnation, and does not own it
  before it has written it. Until then anybody may write another one.
- When its lease runs out, a node owns nothing. If the same incarnation's lease holds again, nobody
  has called it lost, and what was owned under it is owned again. Under another incarnation it
  writes the records of its rooms anew: a takeover that is under way elsewhere then fails, or has
  won.
- An owner's room goes to another node once the lease of that incarnation is lost, or by ``Give``.
  What a write gives away is gone before it is sent.

Every new owner writes an epoch that is higher than all before: the Unix time, or one more than the
last one where that is not higher. So epochs go on growing although the bucket forgets the record of
a released room, if clocks differ by less than that takes; records in use are written again before.

``tests/signaling/cluster/test_owners_properties.py`` checks that no two nodes own a room at once,
whatever is lost, late or refused, and that every question is answered once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from mixer_core.cluster.records import RoomRecord
from mixer_core.runtime.units import S_NS

from .owner_actions import (
    Action,
    Claim,
    Entry,
    Give,
    Here,
    Lose,
    Nobody,
    Nodes,
    Own,
    Place,
    Read,
    Reclaim,
    Refresh,
    Release,
    Reply,
    Where,
    Wish,
    Write,
)
from .owner_rules import TAKEN, Judge, Standing

LINGER_NS = 30 * S_NS
"""An empty room stays so long: who comes back after an outage finds it where it was."""
KEEP_S = 12 * 3_600
"""The bucket forgets records that nobody has written for so long …"""
REFRESH_NS = KEEP_S * S_NS // 2
"""… so owners write theirs again after half of it."""
MAX_TRIES = 8
"""Writes that one question may lead to, while others write the same record."""
MAX_WAITING = 256
"""Questions about one room that wait at once."""
RETRY_S = 2
LAPSED = "this machine has lost its cluster, and takes nobody until it is back"
OLD = "the cluster has not agreed yet which machine has this room"
CROWDED = "too many come to this room at once"


@dataclass(slots=True)
class _Question:
    """Something that is wanted of a room; ``request`` None: nobody waits for an answer."""

    wish: Wish
    request: int | None = None
    tries: int = 0


@dataclass(slots=True)
class _Holding:
    """A room that this node owns."""

    record: RoomRecord
    revision: int
    written_ns: int
    used_ns: int
    """When somebody was in it last."""
    is_going: bool = False
    """It is being given away or released: nothing of it may run here."""


@dataclass(slots=True)
class _Work:
    """A room's record is being read or written."""

    waiting: deque[_Question] = field(default_factory=deque)
    record: RoomRecord | None = None
    """What is being written; None: it is being read."""
    by: _Question | None = None
    """What it is written for, while that has no answer."""


class Owners:
    """Rooms by owner, as one node sees them."""

    def __init__(self, node: str, nodes: Nodes, unix_s: Callable[[], int]) -> None:
        """``unix_s``: what this machine's clock shows; epochs are made of it."""
        self._judge = Judge(node, "", nodes, unix_s)
        self._held: dict[str, _Holding] = {}
        self._work: dict[str, _Work] = {}
        self._floors: dict[str, int] = {}
        """Epochs of rooms that were this node's until its lease lapsed, or their record went."""
        self._paused: tuple[str, dict[str, _Holding]] = ("", {})
        """What it owned under an incarnation whose lease has run out."""

    def held(self) -> dict[str, int]:
        """The rooms that this node owns, and their epochs."""
        return {room: h.record.epoch for room, h in self._held.items() if not h.is_going}

    def lease_begins(self, incarnation: str) -> None:
        """This node has a lease, under a new incarnation."""
        self._judge = replace(self._judge, incarnation=incarnation)
        self._paused = "", {}

    def lease_pauses(self) -> list[Action]:
        """It has run out, and may hold again: what is being written then is not this node's."""
        sure = {
            room: holding
            for room, holding in self._held.items()
            if not holding.is_going and room not in self._work
        }
        self._paused = self._judge.incarnation, sure
        return self._lapsed()

    def lease_resumes(self, incarnation: str) -> list[Action]:
        """The lease of this incarnation holds again: nobody has called it lost."""
        self._judge = replace(self._judge, incarnation=incarnation)
        (before, sure), self._paused = self._paused, ("", {})
        if before != incarnation:
            return []
        self._held.update(sure)
        self._floors = {room: epoch for room, epoch in self._floors.items() if room not in sure}
        return [Own(room, holding.record.epoch) for room, holding in sure.items()]

    def lease_ends(self) -> list[Action]:
        """It has lapsed for good: nothing is this node's until it is written again."""
        self._paused = "", {}
        return self._lapsed()

    def _lapsed(self) -> list[Action]:
        self._judge = replace(self._judge, incarnation="")
        self._floors.update({room: h.record.epoch for room, h in self._held.items()})
        self._held.clear()
        return [action for work in self._work.values() for action in _fail(work, LAPSED)]

    def ask(self, request: int, room: str, wish: Wish, now_ns: int) -> list[Action]:
        """A question; one ``Reply`` answers it, now or later."""
        return self._want(room, _Question(wish, request), now_ns)

    def occupied(self, rooms: Collection[str], now_ns: int) -> list[Action]:
        """Once a second: the rooms here in which somebody is, or whose assistant still runs.

        Those that this node does not own it claims again, or loses; those that it owns, and where
        nobody has been for ``LINGER_NS``, it releases. What failed is tried again in this way.
        """
        self._floors = {room: epoch for room, epoch in self._floors.items() if room in rooms}
        if not self._judge.incarnation:
            return []
        for room in rooms:
            if room in self._held:
                self._held[room].used_ns = now_ns
        missing = [room for room in rooms if room not in self._held]
        wishes: list[tuple[str, Wish]] = [(room, Reclaim()) for room in missing]
        for room, holding in self._held.items():
            if now_ns - holding.used_ns >= LINGER_NS:
                wishes.append((room, Release()))
            elif now_ns - holding.written_ns >= REFRESH_NS:
                wishes.append((room, Refresh()))
        actions: list[Action] = []
        for room, wish in wishes:
            if room not in self._work:
                actions += self._want(room, _Question(wish), now_ns)
        return actions

    def got(self, room: str, entry: Entry, now_ns: int) -> list[Action]:
        """The record was read."""
        holding = self._held.get(room)
        if holding is not None and entry.revision < holding.revision and entry.record is not None:
            return self.failed(room, OLD, now_ns)
        return self._serve(room, entry, now_ns)

    def written(self, room: str, revision: int, now_ns: int) -> list[Action]:
        """The record was written."""
        work = self._work[room]
        question, record, work.by, work.record = work.by, work.record, None, None
        assert record is not None
        actions: list[Action] = []
        mine = (record.node, record.incarnation) == (self._judge.node, self._judge.incarnation)
        if mine and record.incarnation:
            actions += self._hold(_Holding(record, revision, now_ns, now_ns))
        elif self._held.pop(room, None) is not None:
            actions.append(Lose(room, TAKEN))
        if question is not None and isinstance(question.wish, Refresh):
            actions += _answers(question, Here(record.epoch))
        elif question is not None:
            work.waiting.appendleft(question)
        return actions + self._serve(room, Entry(record, revision), now_ns)

    def refused(self, room: str, now_ns: int) -> list[Action]:
        """It was not: the record is another one than was read."""
        work = self._work[room]
        if work.by is not None:
            work.waiting.appendleft(work.by)
        work.by = work.record = None
        return [Read(room)]

    def failed(
        self, room: str, why: str, now_ns: int, *, is_perhaps_done: bool = True
    ) -> list[Action]:
        """There was no answer in time, or none at all. ``why``: a sentence for people.

        ``is_perhaps_done``: False where the record was certainly not written, and will not be.
        """
        actions = _fail(self._work.pop(room), why)
        holding = self._held.get(room)
        if holding is not None and not is_perhaps_done:
            holding.is_going = False
        elif holding is not None and holding.is_going:
            del self._held[room]
            self._floors[room] = holding.record.epoch
            actions.append(Lose(room, TAKEN))
        return actions

    def _want(self, room: str, question: _Question, now_ns: int) -> list[Action]:
        known = self._known(room, question.wish)
        if known is not None:
            return _answers(question, known)
        work = self._work.get(room)
        if work is not None:
            if len(work.waiting) >= MAX_WAITING:
                return _answers(question, Nobody(CROWDED, RETRY_S))
            work.waiting.append(question)
            return []
        self._work[room] = _Work(deque([question]))
        holding = self._held.get(room)
        if holding is None:
            return [Read(room)]
        return self._serve(room, Entry(holding.record, holding.revision), now_ns)

    def _known(self, room: str, wish: Wish) -> Place | None:
        """The answer, where nothing has to be read or written for it."""
        if not self._judge.incarnation:
            return Nobody(LAPSED, RETRY_S)
        holding = self._held.get(room)
        if holding is None or holding.is_going or not isinstance(wish, Where | Claim | Reclaim):
            return None
        return Here(holding.record.epoch)

    def _serve(self, room: str, entry: Entry, now_ns: int) -> list[Action]:
        """Answer who waits, up to the first for whom a write is needed."""
        work, holding = self._work[room], self._held.get(room)
        whose = self._judge.standing(entry, holding is not None, now_ns)
        actions: list[Action] = []
        if holding is not None:
            actions += self._compare(holding, entry, whose)
        while work.waiting:
            question = work.waiting.popleft()
            floor = self._floors.get(room, 0)
            found: Place | Lose | RoomRecord = Nobody(LAPSED, RETRY_S)
            if self._judge.incarnation:
                found = self._judge.decide(room, question.wish, entry, whose, floor, now_ns)
            if isinstance(found, RoomRecord) and question.tries < MAX_TRIES:
                question.tries += 1
                work.by, work.record = question, found
                if isinstance(question.wish, Give | Release):
                    self._held[room].is_going = True
                return [*actions, Write(found, entry.revision)]
            if isinstance(found, RoomRecord):
                found = Nobody(CROWDED, RETRY_S)
            actions += [found] if isinstance(found, Lose) else _answers(question, found)
        del self._work[room]
        return actions

    def _hold(self, holding: _Holding) -> list[Action]:
        """This node has written that it owns a room."""
        room = holding.record.room
        before, self._held[room] = self._held.get(room), holding
        self._floors.pop(room, None)
        if before is not None and before.record.epoch == holding.record.epoch:
            holding.used_ns = before.used_ns
            return []
        return [Own(room, holding.record.epoch)]

    def _compare(self, holding: _Holding, entry: Entry, whose: Standing) -> list[Action]:
        """What was read of a room that this node owns, after a write of it was refused."""
        if whose == "mine":
            assert entry.record is not None
            holding.record, holding.revision = entry.record, entry.revision
            holding.is_going = False
            return []
        room = holding.record.room
        del self._held[room]
        self._floors[room] = holding.record.epoch
        return [] if whose == "nobody's" else [Lose(room, TAKEN)]


def _answers(question: _Question, found: Place) -> list[Action]:
    return [] if question.request is None else [Reply(question.request, found)]


def _fail(work: _Work, why: str) -> list[Action]:
    """Answer all who wait."""
    waiting = [*([work.by] if work.by else []), *work.waiting]
    work.by = None
    work.waiting.clear()
    return [a for question in waiting for a in _answers(question, Nobody(why, RETRY_S))]

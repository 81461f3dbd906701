"""A cluster of any size in virtual time: nodes, rooms and people as numbers, placement as it ships.

Nodes report once a second, in ten groups. Any living node may be asked for a room; each places by
itself (``mixer_core.cluster.placement``). People of a node that dies notice it by its silence and
come again as the page does; a room is taken over by whoever is asked first after the lease was
found lost. What a join costs in time is a constant here: this is no measurement of it.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from mixer_core.cluster.placement import Board, NoNode, Placement
from mixer_core.cluster.records import NodeRecord
from mixer_core.runtime.units import MS_NS

TICK_MS = 100
TICKS_S = 1_000 // TICK_MS
CAPACITIES = (240, 480, 720)
"""Browsers that a node takes: small, middle and large machines, in turn."""
MOST_PEOPLE = 60
"""Rooms of n people, up to so many, are as frequent as 1/n²."""
ARRIVE_S = 60
"""The people of a room come within this time."""
ROOM_S = 1_200
"""A room lasts so long in the mean (exponential)."""
NOTICE_S = (3.0, 4.5)
"""A page finds its connection dead after this time."""
AGAIN_S = (0.0, 0.3, 0.6, 1.2, 2.0, 3.0, 5.0)
"""Waits of the page between its attempts (``ReconnectPolicy.DELAYS_MS``)."""
REFUSED_S = 1.0
"""Least wait after a 503."""
LOST_S = 3.6
"""From a node's last report until its record says that it is gone: lease, margin, a write."""
JOIN_S = 0.7
"""From an accepted offer to sound."""
DRAIN_AT_ONCE, DRAIN_S = 4, 11.0
"""Rooms that a draining node moves at a time, and how long each waits for its pause."""


@dataclass
class Nodes:
    """The nodes by number."""

    capacity: list[int] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    rooms: list[set[int]] = field(default_factory=list)
    alive: list[bool] = field(default_factory=list)
    draining: list[bool] = field(default_factory=list)
    reported: list[int] = field(default_factory=list)
    """Tick of the last report."""

    def fills(self) -> list[float]:
        """How full the living ones that take rooms are."""
        numbers = zip(self.people, self.capacity, self.alive, self.draining, strict=True)
        return [n / most for n, most, alive, drains in numbers if alive and not drains]


class World:
    """The whole cluster; ``step`` is a tenth of a second."""

    def __init__(self, nodes: int, rooms: int, choices: int, seed: int = 1) -> None:
        """``rooms`` are there at once; ``choices``: nodes that are drawn for each."""
        self.rng = random.Random(seed)
        self.tick = 0
        self.nodes = Nodes()
        self.counts: Counter[str] = Counter()
        self.heal_s: list[float] = []
        self._choices = choices
        self._board = Board()
        self._placements: dict[int, Placement] = {}
        self._sizes = [1 / size**2 for size in range(1, MOST_PEOPLE + 1)]
        self._owner: list[int] = []
        """Per room: its node; -1: none at the moment, -2: it has ended."""
        self._there: list[int] = []
        """Per room: its people."""
        self._arrivals: defaultdict[int, list[int]] = defaultdict(list)
        self._ends: defaultdict[int, list[int]] = defaultdict(list)
        self._attempts: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
        """Room, number of the attempt, tick of the failure."""
        self._moves: defaultdict[int, list[int]] = defaultdict(list)
        self._lost: dict[int, int] = {}
        """Per room without a node: tick from which it may be taken over."""
        self._per_tick = rooms / ROOM_S / TICKS_S
        self._owed = 0.0
        self.add_nodes(nodes)
        self._fill(rooms)

    @property
    def now_ns(self) -> int:
        return self.tick * TICK_MS * MS_NS

    @property
    def rooms(self) -> int:
        """Rooms that have a node."""
        return sum(len(rooms) for rooms in self.nodes.rooms)

    # -- what a run does ------------------------------------------------------------------------

    def add_nodes(self, count: int) -> range:
        """Empty nodes come; their numbers."""
        nodes = self.nodes
        first = len(nodes.capacity)
        for number in range(first, first + count):
            nodes.capacity.append(CAPACITIES[number % len(CAPACITIES)])
            nodes.people.append(0)
            nodes.rooms.append(set())
            nodes.alive.append(True)
            nodes.draining.append(False)
            nodes.reported.append(self.tick)
            self._report(number)
        return range(first, first + count)

    def kill(self, numbers: Sequence[int]) -> None:
        """Nodes die at once, with everything on them."""
        nodes = self.nodes
        for number in numbers:
            nodes.alive[number] = False
            lost = nodes.reported[number] + round(LOST_S * TICKS_S)
            self._ends[lost].append(-1 - number)
            for room in nodes.rooms[number]:
                self._owner[room], self._lost[room] = -1, lost
                for _ in range(self._there[room]):
                    self._again(room, 0, self.tick, self.rng.uniform(*NOTICE_S))
                self._there[room] = 0
            nodes.rooms[number] = set()
            nodes.people[number] = 0

    def drain(self, numbers: Sequence[int]) -> None:
        """Nodes take no rooms any more, and move theirs."""
        for number in numbers:
            self.nodes.draining[number] = True
            self._report(number)
            for place, room in enumerate(list(self.nodes.rooms[number])):
                due_s = (1 + place // DRAIN_AT_ONCE) * DRAIN_S
                self._moves[self.tick + round(due_s * TICKS_S)].append(room)

    def step(self) -> None:
        """The next tenth of a second."""
        self.tick += 1
        nodes = self.nodes
        for number in range(self.tick % TICKS_S, len(nodes.capacity), TICKS_S):
            if nodes.alive[number]:
                self._report(number)
                self.counts["renewals"] += 1
        for room in self._ends.pop(self.tick, ()):
            self._end(room) if room >= 0 else self._board.gone(_name(-1 - room))
        self._owed += self._per_tick
        while self._owed >= 1:
            self._owed -= 1
            self._create()
        for room in self._arrivals.pop(self.tick, ()):
            self._arrive(room)
        for room, number, failed in self._attempts.pop(self.tick, ()):
            self._attempt(room, number, failed)
        for room in self._moves.pop(self.tick, ()):
            self._move(room)

    # -- inside ---------------------------------------------------------------------------------

    def _fill(self, rooms: int) -> None:
        """The rooms that are there at the beginning, with all their people."""
        for room in range(rooms):
            self._create(at_beginning=True)
            self._placements.clear()
            if self._owner[room] >= 0:
                self._report(self._owner[room])
        self.counts.clear()

    def _report(self, number: int) -> None:
        nodes = self.nodes
        nodes.reported[number] = self.tick
        record = NodeRecord(
            node=_name(number),
            incarnation="1",
            capacity=nodes.capacity[number],
            sessions=nodes.people[number],
            draining=nodes.draining[number],
        )
        self._board.reported(record, self.now_ns)

    def _place(self, room: int) -> int | None:
        """Some living node is asked, and chooses; None: no node has a place."""
        nodes = self.nodes
        entry = self._entry()
        placement = self._placements.get(entry)
        if placement is None:
            placement = Placement(self._board, _name(entry), self._choices)
            self._placements[entry] = placement
        avoid: list[str] = []
        while True:
            found = placement.choose(self._number, self.now_ns, avoid=avoid)
            if isinstance(found, NoNode):
                self.counts["found no node"] += 1
                return None
            placement.placed(found, self.now_ns)
            number = int(found[1:])
            self.counts["record reads"] += 1 if number == entry else 2
            self.counts["record writes"] += 1 if number == entry else 2
            if nodes.alive[number]:
                break
            self.counts["placed at a dead node"] += 1
            avoid.append(found)
        self._owner[room] = number
        nodes.rooms[number].add(room)
        return number

    def _entry(self) -> int:
        while True:
            entry = self.rng.randrange(len(self.nodes.capacity))
            if self.nodes.alive[entry]:
                return entry

    def _number(self) -> int:
        return self.rng.getrandbits(32)

    def _create(self, at_beginning: bool = False) -> None:
        room = len(self._owner)
        self._owner.append(-1)
        self._there.append(0)
        if self._place(room) is None:
            self._owner[room] = -2
            return
        self.counts["rooms created"] += 1
        size = self.rng.choices(range(1, MOST_PEOPLE + 1), self._sizes)[0]
        end = self.tick + 1 + round(self.rng.expovariate(1 / ROOM_S) * TICKS_S)
        self._ends[end].append(room)
        self._come_in(room)
        for _ in range(size - 1):
            due = self.tick + 1 + int(self.rng.random() * ARRIVE_S * TICKS_S)
            if at_beginning:
                self._come_in(room)
            elif due < end:
                self._arrivals[due].append(room)

    def _come_in(self, room: int) -> bool:
        node = self._owner[room]
        if self.nodes.people[node] >= self.nodes.capacity[node]:
            self.counts["people refused"] += 1
            return False
        self.nodes.people[node] += 1
        self._there[room] += 1
        self.counts["people came"] += 1
        return True

    def _arrive(self, room: int) -> None:
        """Somebody comes to a room that is there, through any node."""
        if self._owner[room] == -1:
            self._again(room, 0, self._lost[room] - round(LOST_S * TICKS_S), 0.0)
        elif self._owner[room] >= 0:
            self.counts["record reads"] += 1
            self._come_in(room)

    def _again(self, room: int, number: int, failed: int, wait_s: float) -> None:
        due = self.tick + max(1, round(wait_s * TICKS_S))
        self._attempts[due].append((room, number, failed))

    def _attempt(self, room: int, number: int, failed: int) -> None:
        """Somebody comes again to a room that was lost."""
        if self._owner[room] == -2:
            return
        if self._owner[room] == -1:
            taken = self.tick >= self._lost[room] and self._place(room) is not None
            self.counts["record reads"] += 1
            if not taken:
                wait_s = max(AGAIN_S[min(number, len(AGAIN_S) - 1)], REFUSED_S)
                self._again(room, number + 1, failed, wait_s * self.rng.uniform(1.0, 1.2))
                return
            self.counts["rooms taken over"] += 1
            self.heal_s.append((self.tick - failed) / TICKS_S + JOIN_S)
        self._come_in(room)

    def _move(self, room: int) -> None:
        """A room leaves a node that drains."""
        old = self._owner[room]
        if old < 0 or not self.nodes.alive[old] or not self.nodes.draining[old]:
            return
        people = self._there[room]
        if self._place(room) is None:
            self._moves[self.tick + TICKS_S * 2].append(room)
            return
        self.counts["rooms moved"] += 1
        self.nodes.rooms[old].discard(room)
        self.nodes.people[old] -= people
        self._there[room] = 0
        for _ in range(people):
            self._come_in(room)

    def _end(self, room: int) -> None:
        node, self._owner[room] = self._owner[room], -2
        if node >= 0:
            self.counts["record writes"] += 1
            self.nodes.rooms[node].discard(room)
            self.nodes.people[node] -= self._there[room]


def _name(number: int) -> str:
    return f"n{number}"

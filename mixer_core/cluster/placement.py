"""Which node gets a room that no node has. Sans-I/O.

Any node may place a room, and asks nobody: it draws ``CHOICES`` nodes of those that may take it,
and chooses the one with the least in proportion to what it bears. Two draws are enough, and better
than the least of all: what nodes report is up to a second old, and all who place at that moment
would send everybody to the same one (M. Mitzenmacher, "How useful is old information?", IEEE
Transactions on Parallel and Distributed Systems 11/1, 2000). What this node has placed somewhere
and cannot be in that one's report yet is added.

The rooms of a node that is lost are placed in the same way, by whichever node is asked for them
first. Nothing is moved ahead of people: a room that nobody comes back to costs nothing, those with
people spread like new ones, and no node needs to know which rooms there were.

Rooms do not move for the sake of balance alone. A move costs a new session and a gap, and rooms end
by themselves: what is uneven is even again after the time that a room lasts (docs/cluster-scale.md
has the figures). They move when a node is drained.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from mixer_core.runtime.units import MS_NS, S_NS

from .records import NodeRecord

CHOICES = 2
"""Nodes that are drawn; the better one gets the room."""
TRIES = 8
"""Draws after which all nodes are looked at: most are full, or few have the labels."""
ROOM_PEOPLE = 2
"""People whom a room is expected to bring while its node does not report them yet."""
REPORT_NS = 1_500 * MS_NS
"""What was placed so long before a report came is in it: an offer is answered, and the node reports
once a second."""
MOST_NS = 10 * S_NS
"""What was placed counts no longer than this, whatever is reported."""
STALE_NS = 2_500 * MS_NS
"""A node whose last report is older may be lost: it gets no rooms."""
RETRY_S = 5


@dataclass(frozen=True, slots=True)
class NoNode:
    """No node may take the room."""

    why: str
    retry_after_s: int = RETRY_S


class Board:
    """What the nodes that are alive have reported last."""

    def __init__(self) -> None:
        self._records: dict[str, NodeRecord] = {}
        self._heard_ns: dict[str, int] = {}
        self._open: list[str] = []
        """Nodes that take rooms, in no order."""
        self._at: dict[str, int] = {}
        """Where each of them stands in ``_open``."""

    def __len__(self) -> int:
        return len(self._records)

    def reported(self, record: NodeRecord, now_ns: int) -> None:
        """A node has reported."""
        self._records[record.node] = record
        self._heard_ns[record.node] = now_ns
        if record.draining or record.capacity <= 0:
            self._shut(record.node)
        elif record.node not in self._at:
            self._at[record.node] = len(self._open)
            self._open.append(record.node)

    def gone(self, node: str) -> None:
        """A node is not alive any more."""
        self._records.pop(node, None)
        self._heard_ns.pop(node, None)
        self._shut(node)

    def get(self, node: str) -> NodeRecord | None:
        """The last report of a node that is alive."""
        return self._records.get(node)

    def heard_ns(self, node: str) -> int:
        """When it came."""
        return self._heard_ns[node]

    def open(self) -> list[str]:
        """Nodes that take rooms; not to be changed."""
        return self._open

    def _shut(self, node: str) -> None:
        place = self._at.pop(node, None)
        if place is None:
            return
        last = self._open.pop()
        if last != node:
            self._open[place] = last
            self._at[last] = place


class Placement:
    """Chooses nodes; one for each node that places rooms."""

    def __init__(self, board: Board, own: str = "", choices: int = CHOICES) -> None:
        """``own``: the node that places; of equals it gets the room, which saves a relay."""
        self._board = board
        self._own = own
        self._choices = choices
        self._placed: dict[str, deque[int]] = {}
        """When this node placed rooms, by where; those that may not be reported yet."""

    def choose(
        self,
        numbers: Callable[[], int],
        now_ns: int,
        *,
        needs: Collection[str] = (),
        avoid: Collection[str] = (),
    ) -> str | NoNode:
        """The node for a room that comes now; ``placed`` says that it went there.

        Args:
            numbers: returns a random integer of at least 32 bits at each call.
            needs: labels that the node must have.
            avoid: nodes that have refused this room.
        """
        drawn = self._draw(numbers, now_ns, needs, avoid)
        if not drawn:
            nodes = self._board.open()
            usable = [node for node in nodes if self._may(node, needs, avoid, now_ns)]
            drawn = [node for node in usable if self._has_room(node, now_ns)]
            if not drawn:
                return _none(needs, bool(nodes), bool(usable))
        return min(drawn, key=lambda node: (self.fill(node, now_ns), node != self._own))

    def placed(self, node: str, now_ns: int) -> None:
        """A room was placed at a node."""
        self._placed.setdefault(node, deque()).append(now_ns)

    def fill(self, node: str, now_ns: int) -> float:
        """How full a node of the board is, with what is on its way there; 1.0: it bears no more.

        People count, or the measured load where that says more: people do not all cost the same.
        """
        record = self._board.get(node)
        assert record is not None, node
        return self._people(record, now_ns) / record.capacity

    def expected(self, node: str, now_ns: int) -> int:
        """People whom this node has sent there, and whom no report can contain yet."""
        placed = self._placed.get(node)
        if placed is None:
            return 0
        seen_ns = max(self._board.heard_ns(node) - REPORT_NS, now_ns - MOST_NS)
        while placed and placed[0] <= seen_ns:
            placed.popleft()
        if not placed:
            del self._placed[node]
            return 0
        return ROOM_PEOPLE * len(placed)

    def _draw(
        self,
        numbers: Callable[[], int],
        now_ns: int,
        needs: Collection[str],
        avoid: Collection[str],
    ) -> list[str]:
        """Some nodes that may take the room; none where they are hard to find."""
        drawn: list[str] = []
        for node in _at_random(self._board.open(), numbers):
            if node in drawn or not self._may(node, needs, avoid, now_ns):
                continue
            if self._has_room(node, now_ns):
                drawn.append(node)
                if len(drawn) == self._choices:
                    break
        return drawn

    def _may(self, node: str, needs: Collection[str], avoid: Collection[str], now_ns: int) -> bool:
        if node in avoid or now_ns - self._board.heard_ns(node) > STALE_NS:
            return False
        if not needs:
            return True
        record = self._board.get(node)
        return record is not None and set(needs) <= set(record.labels)

    def _has_room(self, node: str, now_ns: int) -> bool:
        record = self._board.get(node)
        return record is not None and self._people(record, now_ns) + 1 <= record.capacity

    def _people(self, record: NodeRecord, now_ns: int) -> float:
        """Those who are there and on their way, or as many as the measured load amounts to."""
        people = max(record.sessions, record.load * record.capacity)
        return people + self.expected(record.node, now_ns)


def _at_random(nodes: Sequence[str], numbers: Callable[[], int]) -> Iterator[str]:
    """Some of many nodes, or all of few, in any order."""
    if len(nodes) > TRIES:
        for _ in range(TRIES):
            yield nodes[numbers() % len(nodes)]
        return
    left = list(nodes)
    while left:
        yield left.pop(numbers() % len(left))


def _none(needs: Collection[str], any_open: bool, any_usable: bool) -> NoNode:
    """Why there is no node, for the person."""
    if not any_open:
        return NoNode("no machine of this cluster takes rooms at the moment")
    if not any_usable:
        labels = ", ".join(sorted(needs))
        words = f" with what this room needs ({labels})" if labels else " that has not refused it"
        return NoNode(f"the cluster has no machine{words}")
    return NoNode("every machine of this cluster is full")

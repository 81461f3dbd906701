"""What ownership asks about the nodes, answered from their reports and leases. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mixer_core.cluster.placement import Board, NoNode, Placement
from mixer_core.cluster.records import NodeRecord

from .owner_actions import Verdict

Liveness = Callable[[str, str, int], Verdict]
"""Takes a node, its incarnation and ``now_ns``; see ``Nodes.verdict``."""


class Placer:
    """The nodes, for one of them."""

    def __init__(self, node: str, numbers: Callable[[], int], verdict: Liveness) -> None:
        """``numbers``: returns a random integer of at least 32 bits at each call."""
        self._board = Board()
        self._placement = Placement(self._board, node)
        self._numbers = numbers
        self._verdict = verdict

    def seen(self, record: NodeRecord, now_ns: int) -> None:
        """A node's record has come."""
        if record.gone:
            self._board.gone(record.node)
        else:
            self._board.reported(record, now_ns)

    def gone(self, node: str) -> None:
        """A node has no record any more."""
        self._board.gone(node)

    def choose(self, needs: Collection[str], avoid: Collection[str], now_ns: int) -> str | NoNode:
        """The node for a room that comes now; it counts as placed there."""
        found = self.target(needs, avoid, now_ns)
        if not isinstance(found, NoNode):
            self._placement.placed(found, now_ns)
        return found

    def target(self, needs: Collection[str], avoid: Collection[str], now_ns: int) -> str | NoNode:
        """The node that a room would get now; nothing is counted."""
        return self._placement.choose(self._numbers, now_ns, needs=needs, avoid=avoid)

    def is_there(self, node: str) -> bool:
        """Whether a node is known to be alive."""
        return self._board.get(node) is not None

    def verdict(self, node: str, incarnation: str, now_ns: int) -> Verdict:
        """What is known of a lease."""
        return self._verdict(node, incarnation, now_ns)

"""A node's membership in the cluster: its lease and its watch over the others, joined. Sans-I/O.

The shell (``signaling/cluster/node.py``) feeds it what the store and other nodes say, carries out
the actions, and calls ``tick`` at ``next_timeout_ns``. All times are boot time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..runtime.earliest import earliest
from .lease import NodeLease
from .lease_actions import Action as LeaseAction
from .lease_actions import Claim, Terms
from .watch import Evict, NodeWatch, Verdict

Action = LeaseAction | Evict


class Member:
    """One node of the cluster."""

    def __init__(
        self,
        node: str,
        terms: Terms,
        noted: Sequence[str],
        proposed: Callable[[], int],
        now_ns: int,
    ) -> None:
        """Prepare.

        Args:
            node: its name.
            terms: the same on all nodes.
            noted: the incarnations that this machine has noted on disk, the newest one last.
            proposed: a number for the next incarnation, such as the Unix time in ms.
            now_ns: boot time.
        """
        self.node = node
        self.lease = NodeLease(node, terms, noted, now_ns)
        self.watch = NodeWatch(node, terms)
        self._proposed = proposed
        self._fresh_ns = 0

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        lease = self.lease
        lost_ns = self.watch.next_timeout_ns(lease.incarnation) if lease.incarnation else None
        return earliest(lease.next_timeout_ns(), lost_ns)

    def tick(self, now_ns: int) -> list[Action]:
        """The time-out was reached, perhaps."""
        lease = self.lease
        lease.known = self.watch.neighbours(now_ns)
        actions: list[Action] = [*lease.tick(self._proposed(), now_ns)]
        if lease.holds(now_ns) and lease.reaches_store(now_ns):
            actions += self.watch.due(lease.incarnation, now_ns)
        return actions

    # -- what the store says ----------------------------------------------------------------------

    def seen(self, node: str, claim: Claim, revision: int, now_ns: int) -> None:
        """A record has come (the own one, too); ``now_ns``: read after that."""
        self.watch.seen(node, claim, revision, now_ns)
        if node == self.node and self.lease.is_newest(claim):
            self._fresh_ns = self.lease.sent_ns

    def found(self, claim: Claim | None, revision: int, now_ns: int) -> list[Action]:
        """The answer to ``ReadOwn``: the own record, or that there is none."""
        return [*self.lease.found(claim, revision, self._proposed(), now_ns)]

    def written(self, claim: Claim, revision: int, now_ns: int) -> list[Action]:
        """The answer to ``WriteOwn``: it is stored as ``revision``."""
        return [*self.lease.written(claim, revision, now_ns)]

    def refused(self, claim: Claim, now_ns: int) -> list[Action]:
        """The answer to ``WriteOwn``: the store has another revision."""
        return [*self.lease.refused(claim, now_ns)]

    def unanswered(self, claim: Claim | None, now_ns: int) -> list[Action]:
        """No answer to ``WriteOwn`` of this claim, or to ``ReadOwn`` (None)."""
        return [*self.lease.unanswered(claim, now_ns)]

    def lost_store(self) -> None:
        """The way to the store is lost; call ``tick`` then."""
        self.lease.lost_store()

    # -- other nodes ------------------------------------------------------------------------------

    def asked(self, node: str, incarnation: str, own: str, now_ns: int) -> bool:
        """Another node asks for a pledge, of the incarnation ``own`` of this node.

        A process that has not been that incarnation cannot know what it has sent.
        """
        if not self.lease.has_been(own):
            return False
        return self.watch.pledge(node, incarnation, self.lease.reaches_store(now_ns), now_ns)

    def pledged(self, asked_ns: int, incarnation: str, now_ns: int) -> list[Action]:
        """All nodes of an ``AskPledges`` have said yes."""
        return [*self.lease.pledged(asked_ns, incarnation, now_ns)]

    def verdict(self, node: str, incarnation: str, now_ns: int) -> Verdict:
        """Whether an incarnation of a node has its lease; rooms of a lost one may be taken."""
        if node == self.node and incarnation == self.lease.incarnation:
            return "live" if self.lease.holds(now_ns) else "unsure"
        return self.watch.verdict(node, incarnation, now_ns, self._fresh_ns)

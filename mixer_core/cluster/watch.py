"""What a node of the cluster knows of the others' leases, and what it has promised. Sans-I/O.

A lease is lost when its record says ``gone``. Who has seen a record unchanged for long enough
writes that into it, on condition that it is still the same; the holder's next renewal is then
refused, or comes first and makes the write void. ``docs/cluster-fencing.md`` has the argument.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from .lease_actions import MAX_KNOWN, NEVER_NS, Claim, Known, Terms

Verdict = Literal["live", "lost", "unsure"]
MAX_STRANGERS = 1_000
"""Nodes without a record that are remembered."""


@dataclass(frozen=True, slots=True)
class Evict:
    """Write that a node is gone, if its record is still of ``revision``; then ``evicted``,
    ``kept`` or nothing, where there is no answer."""

    node: str
    claim: Claim
    """As it has to be written."""
    revision: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """The record of a node, as it was seen last."""

    claim: Claim
    revision: int
    seen_ns: int
    """After it had come."""
    since_ns: int
    """The same of the first record of this incarnation."""
    pledged_ns: int = 0
    """Until then this node leaves it alone."""
    evicted_ns: int | None = None
    """When this node last wrote that it is gone; None: it has not, or that has failed for sure."""


class NodeWatch:
    """What this node knows of the others."""

    def __init__(self, node: str, terms: Terms) -> None:
        self._node = node
        self._terms = terms
        self._seen: dict[str, _Seen] = {}
        self._called: dict[str, Claim] = {}
        """Claims of before ``forget`` that are lost, or may be, by whoever has written so."""
        self._strangers: dict[str, int] = {}
        """Names without a record, and when each was first asked about."""

    # -- what the store tells ---------------------------------------------------------------------

    def seen(self, node: str, claim: Claim, revision: int, now_ns: int) -> None:
        """A node's record has come; ``now_ns``: read after that."""
        known = self._seen.get(node)
        if known is not None and revision <= known.revision:
            return
        since_ns, pledged_ns = now_ns, 0
        if known is not None and known.claim.incarnation == claim.incarnation:
            since_ns, pledged_ns = known.since_ns, known.pledged_ns
        fresh = _Seen(claim, revision, now_ns, since_ns, pledged_ns)
        self._seen[node] = fresh
        self._strangers.pop(node, None)
        called = self._called.get(node)
        if called is not None and _is_after(claim, called):
            del self._called[node]

    def forget(self) -> None:
        """The store begins anew, or seems to: its revisions are not those of before.

        What was promised ends no later than the wait for a record that is seen again. A claim that
        is lost, or may be, stays so for ``pledge``, although an older record may be seen next.
        """
        for node, seen in self._seen.items():
            before = self._called.get(node, seen.claim)
            is_called = seen.claim.gone or seen.evicted_ns is not None
            if is_called and _age(seen.claim) >= _age(before):
                self._called[node] = seen.claim
        self._seen.clear()
        self._strangers.clear()

    def evicted(self, act: Evict, revision: int, now_ns: int) -> None:
        """A node is gone: this one has written so."""
        self.seen(act.node, act.claim, revision, now_ns)

    def kept(self, act: Evict) -> None:
        """The record was of another revision: all that was written on condition of this one is
        void, and the new one will come."""
        known = self._seen.get(act.node)
        if known is not None and known.revision == act.revision:
            self._seen[act.node] = replace(known, evicted_ns=None, seen_ns=NEVER_NS)

    # -- what follows -----------------------------------------------------------------------------

    def due(self, incarnation: str, now_ns: int) -> list[Evict]:
        """The nodes whose leases are lost. ``incarnation``: of this node, which has a lease."""
        found = []
        for node, seen in self._seen.items():
            if now_ns >= self._lost_ns(node, seen, incarnation):
                found.append(Evict(node, replace(seen.claim, gone=True), seen.revision))
        for act in found:
            self._seen[act.node] = replace(self._seen[act.node], evicted_ns=now_ns)
        return found

    def next_timeout_ns(self, incarnation: str) -> int | None:
        """When to call ``due``."""
        times = [self._lost_ns(node, seen, incarnation) for node, seen in self._seen.items()]
        return min((ns for ns in times if ns < NEVER_NS), default=None)

    def _lost_ns(self, node: str, seen: _Seen, incarnation: str) -> int:
        """When this node may call another one lost."""
        if node == self._node or seen.claim.gone:
            return NEVER_NS
        terms = self._terms
        is_known = any(
            name == self._node and held <= incarnation for name, held in seen.claim.known
        )
        wait_ns = terms.wait_ns(terms.lease_ns if is_known else terms.autonomy_ns)
        again_ns = 0 if seen.evicted_ns is None else seen.evicted_ns + terms.renew_ns
        return max(seen.seen_ns + wait_ns, seen.pledged_ns, again_ns)

    def pledge(self, node: str, incarnation: str, reaches_store: bool, now_ns: int) -> bool:
        """A node asks not to be called lost for a lease more; ``reaches_store``: this one does.

        No, where the store is there to decide, and as long as this node has written that the other
        one is gone and cannot know whether that will arrive.
        """
        seen = self._seen.get(node)
        if seen is None or seen.claim.incarnation != incarnation or seen.claim.gone:
            return False
        if reaches_store or seen.evicted_ns is not None:
            return False
        if node in self._called and incarnation <= self._called[node].incarnation:
            return False
        until_ns = now_ns + self._terms.wait_ns(self._terms.lease_ns)
        self._seen[node] = replace(seen, pledged_ns=max(seen.pledged_ns, until_ns))
        return True

    def verdict(self, node: str, incarnation: str, now_ns: int, fresh_ns: int = 0) -> Verdict:
        """Whether an incarnation of a node has its lease.

        Args:
            node: its name.
            incarnation: as in a room's record.
            now_ns: boot time.
            fresh_ns: all that was written before then has been seen.
        """
        seen, terms = self._seen.get(node), self._terms
        if seen is None:
            return self._stranger(node, now_ns, fresh_ns)
        held = seen.claim.incarnation
        if held == incarnation:
            if seen.claim.gone:
                return "lost"
            is_late = now_ns - seen.seen_ns >= terms.wait_ns(terms.lease_ns)
            return "unsure" if is_late else "live"
        if held > incarnation and now_ns >= seen.since_ns + terms.wait_ns(terms.lease_ns):
            return "lost"
        return "unsure"

    def _stranger(self, node: str, now_ns: int, fresh_ns: int) -> Verdict:
        """A node without a record: the store has lost it, or this node has not seen it yet."""
        asked_ns = self._strangers.setdefault(node, now_ns)
        if len(self._strangers) > MAX_STRANGERS:
            del self._strangers[next(iter(self._strangers))]
        wait_ns = self._terms.wait_ns(self._terms.autonomy_ns)
        return "lost" if fresh_ns >= asked_ns + wait_ns else "unsure"

    def neighbours(self, now_ns: int) -> Known:
        """The nodes after this one in the ring of names that are alive, for the own record."""
        wait_ns = self._terms.wait_ns(self._terms.lease_ns)
        alive = {
            node: seen.claim.incarnation
            for node, seen in self._seen.items()
            if node != self._node and not seen.claim.gone and now_ns - seen.seen_ns < wait_ns
        }
        ring = sorted(alive, key=lambda node: (node < self._node, node))
        return tuple(sorted((node, alive[node]) for node in ring[:MAX_KNOWN]))


def _age(claim: Claim) -> tuple[str, int]:
    """Greater for a newer claim of the same node."""
    return claim.incarnation, claim.beat


def _is_after(claim: Claim, called: Claim) -> bool:
    """Whether a claim shows that ``called`` is not lost, or has taken its place.

    That it is gone was written on condition of its record, so no newer one of the same incarnation
    comes after that, and after a newer one nothing of that is written.
    """
    if claim.incarnation == called.incarnation:
        return claim.beat > called.beat and not claim.gone
    return claim.incarnation > called.incarnation

"""When a node may make the bucket of rooms anew. Sans-I/O.

Whoever writes a room's first record owns the room; so nobody may own one by a record of before when
the bucket is made. Leases say so, and these stand in the bucket of nodes:

- A running node makes the bucket of rooms only where NATS has lost that of nodes as well, and only
  once the lease that the node has begun in the new one is ``wait_ns`` old. Every node that reaches
  NATS has found its own lease lost by then, and of this node nobody has had a promise for so long.
- A node that starts makes it once nothing was written to the bucket of nodes for ``wait_ns``.
- Else leases hold, and so does what was owned under them: all nodes have to be stopped first.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Joined:
    """A lease that holds by NATS, and the bucket of nodes in which it began."""

    made: str
    """When that bucket was made, as NATS tells it."""
    since_ns: int
    """When this was known (boot time)."""


class Remaking:
    """Of one node."""

    def __init__(self, wait_ns: int) -> None:
        """``wait_ns``: in this time each lease has ended that nobody renews."""
        self._wait_ns = wait_ns
        self._known_with = ""
        """The bucket of nodes beside which that of rooms was last there."""
        self._still: tuple[str, int, int] | None = None
        """The bucket of nodes while this node starts, its revision, and since when it is that."""

    def found(self, made: str) -> None:
        """The bucket of rooms is there, beside the bucket of nodes that was ``made`` then."""
        self._known_with = made

    def is_open(self, joined: Joined | None) -> bool:
        """Whether to look for it: there is another bucket of nodes."""
        return joined is not None and joined.made != self._known_with

    def may_start(self, made: str, revision: int, now_ns: int) -> bool:
        """It is missing while this node starts: whether to make it.

        ``made`` and ``revision``: of the bucket of nodes; empty and 0: there is none.
        """
        if self._still is None or self._still[:2] != (made, revision):
            self._still = made, revision, now_ns
        return now_ns - self._still[2] >= self._wait_ns

    def wait_ns(self, joined: Joined | None, made: str, now_ns: int) -> int | None:
        """It is missing: how long to wait before it is made; None: it must not be.

        ``made``: when the bucket of nodes was, as it is there now.
        """
        if joined is None or joined.made != made or self.has_leases(made):
            return None
        return max(0, joined.since_ns + self._wait_ns - now_ns)

    def has_leases(self, made: str) -> bool:
        """Whether leases of before still hold: the bucket of nodes is the same."""
        return made == self._known_with

"""Which records of lost nodes nobody needs any more. Sans-I/O.

Machines come and go, and so do their names; a record that stayed would be read and shown for ever.
That a node is gone has to be known for as long as the record of a room may name it: without it the
others wait out ten minutes before they take the room. Ages are by the times that NATS gave to
messages of the same bucket, so no clock of a node counts.
"""

from __future__ import annotations

from mixer_core.runtime.units import S_NS

from .owners import KEEP_S

KEPT_NS = 2 * KEEP_S * S_NS
"""Twice as long as the bucket of rooms remembers a room that nobody has written."""


class Bygone:
    """As one node sees them."""

    def __init__(self) -> None:
        self._now_ns = 0
        """The latest time that NATS gave."""
        self._gone: dict[str, tuple[int, int]] = {}
        """By node that is gone: revision of its record, and when it was written."""

    def heard(self, node: str, revision: int, gone: bool, at_ns: int) -> None:
        """A node's record has come; ``at_ns``: when it was written, by NATS; 0: not known."""
        if not at_ns:
            return
        self._now_ns = max(self._now_ns, at_ns)
        if gone:
            self._gone[node] = revision, at_ns
        else:
            self._gone.pop(node, None)

    def removed(self, node: str) -> None:
        """A node has no record any more."""
        self._gone.pop(node, None)

    def due(self) -> tuple[str, int] | None:
        """A node whose record is to be removed if it is still of that revision; None: there is
        none."""
        for node, (revision, at_ns) in self._gone.items():
            if self._now_ns - at_ns >= KEPT_NS:
                return node, revision
        return None

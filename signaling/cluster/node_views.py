"""What a node of the cluster tells of itself and the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mixer_core.cluster.records import NodeRecord


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told of what follows."""

    lease_begins: Callable[[str], object] = lambda incarnation: None
    """A lease, under a new incarnation: no room is held under it yet."""
    lease_renewed: Callable[[int], object] = lambda until_ns: None
    """It holds until then (boot time)."""
    lease_pauses: Callable[[str], object] = lambda why: None
    """It has run out: this node holds nothing, unless it is resumed."""
    lease_resumes: Callable[[str], object] = lambda incarnation: None
    """The one that has run out holds again, and with it what this node held; how long follows."""
    lease_ends: Callable[[str], object] = lambda why: None
    """This node holds nothing any more."""
    reported: Callable[[NodeRecord], object] = lambda record: None
    """A node has reported."""
    lost: Callable[[str], object] = lambda node: None
    """A node's lease is lost, or it has left."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """What is known of a node."""

    record: NodeRecord
    is_live: bool

    @property
    def node(self) -> str:
        """Its name."""
        return self.record.node


@dataclass(frozen=True, slots=True)
class LeaseView:
    """How this node's lease is."""

    held: bool
    left_ms: int
    pledged: bool
    """It holds by the word of the other nodes, while NATS is away."""
    why_not: str = ""
    """Why there is none, in words."""

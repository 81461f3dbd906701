"""What a node says of itself and its cluster: on ``/readyz``, to a person, in metrics. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mixer_core.cluster.records import NodeRecord

from .node_views import NodeView

LEFT_SHOWN_MS = 3_600_000
"""A node that was stopped on purpose is shown for so long."""
Nodes = tuple[tuple[NodeRecord, bool], ...]
"""Records, and whether each one's node is known to live."""


def shown(views: Iterable[NodeView], wall_ms: int) -> Nodes:
    """The nodes that people should see; ``wall_ms``: Unix time.

    A clock of another machine that is far ahead must not make it stay.
    """
    return tuple(
        (view.record, view.is_live)
        for view in views
        if view.is_live
        or not view.record.left_ms
        or abs(wall_ms - view.record.left_ms) < LEFT_SHOWN_MS
    )


@dataclass(frozen=True, slots=True)
class Report:
    """A node at one moment."""

    node: str
    connected: bool
    """NATS answers."""
    server: str = ""
    """Of NATS: host and port; empty: none."""
    held: bool = False
    """This node has its lease."""
    left_ms: int = 0
    """How long that holds, if it is not renewed."""
    pledged: bool = False
    """It holds by the word of other nodes."""
    why_not: str = ""
    """Why there is no lease, in words."""
    nodes: Nodes = ()
    """Of ``shown``."""
    rooms: int = 0
    """That this node owns."""
    drain: Mapping[str, Any] | None = field(default=None)
    """How far a drain is; None: there is none."""

    def as_json(self) -> dict[str, Any]:
        """For ``/readyz``."""
        return {
            "node": self.node,
            "nats": {"connected": self.connected, "server": self.server},
            "lease": {
                "held": self.held,
                "left_ms": self.left_ms,
                "pledged": self.pledged,
                "why_not": self.why_not,
            },
            "nodes": [_node(record, lives) for record, lives in _sorted(self.nodes)],
            "owned_rooms": self.rooms,
            "drain": None if self.drain is None else dict(self.drain),
        }

    def warnings(self) -> list[str]:
        """What a person should look at."""
        found = []
        if not self.connected:
            found.append(
                "the cluster's NATS cannot be reached: running rooms go on, new ones are refused"
            )
        if not self.held:
            why = self.why_not or "it has no lease"
            found.append(f"this node's assistants are silent: {why}")
        for record, lives in _sorted(self.nodes):
            is_missing = not (lives or record.gone or record.left_ms)
            if is_missing and record.node != self.node:
                found.append(f"node {record.node} of the cluster is not heard")
        return found

    def gauges(self) -> dict[str, int]:
        """Metrics that go up and down."""
        return {
            "cluster_connected": int(self.connected),
            "cluster_lease_held": int(self.held),
            "cluster_lease_left_seconds": self.left_ms // 1_000,
            "cluster_lease_pledged": int(self.held and self.pledged),
            "cluster_nodes_live": sum(lives for _, lives in self.nodes),
            "cluster_rooms_owned": self.rooms,
            "cluster_draining": int(self.drain is not None),
        }


def _sorted(nodes: Iterable[tuple[NodeRecord, bool]]) -> list[tuple[NodeRecord, bool]]:
    return sorted(nodes, key=lambda found: found[0].node)


def _node(record: NodeRecord, lives: bool) -> dict[str, Any]:
    state = "draining" if record.draining or record.left_ms else "live"
    if not lives:
        state = "left" if record.left_ms else "lost" if record.gone else "unsure"
    return {
        "node": record.node,
        "state": state,
        "public_url": record.public_url,
        "labels": list(record.labels),
        "capacity": record.capacity,
        "sessions": record.sessions,
        "load": round(record.load, 3),
        "release": record.release,
    }

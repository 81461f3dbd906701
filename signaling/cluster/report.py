"""What a node says of itself and its cluster: on ``/readyz``, to a person, in metrics. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mixer_core.cluster.records import NodeRecord


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
    nodes: tuple[tuple[NodeRecord, bool], ...] = ()
    """Every node, and whether it is known to live."""
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
            if not lives and not record.gone and record.node != self.node:
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
    state = "draining" if record.draining else "live"
    if not lives:
        state = "lost" if record.gone else "unsure"
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

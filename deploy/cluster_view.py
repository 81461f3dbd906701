"""What ``mixminus status --cluster`` and ``drain`` show of a node's state: that of ``cluster`` in
``/readyz``, with the ``rooms`` of ``/rooms``. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .status_view import MAX_ROWS, Table

MOST_ROOMS = 40
STATES = {
    "live": "live",
    "draining": "drains",
    "left": "has left",
    "unsure": "NOT HEARD",
    "lost": "LOST",
}


def headline(state: Mapping[str, Any]) -> str:
    """The node that was asked, and what it holds on to."""
    lease, nats = _map(state.get("lease")), _map(state.get("nats"))
    words = [f"node {state.get('node', '?')}"]
    if nats.get("connected"):
        words.append(f"NATS at {nats.get('server', '?')}")
    else:
        words.append("NATS IS AWAY")
    if not lease.get("held"):
        words.append("NO LEASE: its assistants are silent")
    elif lease.get("pledged"):
        words.append("its lease holds by the word of the other nodes")
    return "; ".join(words)


def tables(state: Mapping[str, Any]) -> list[Table]:
    """Everything else."""
    found = [_nodes(state), _rooms(state), _drain(state)]
    return [table for table in found if table.rows]


def left(drain: Mapping[str, Any]) -> list[str]:
    """Of a drain: what each room that is still here waits for."""
    rooms = _map(drain.get("left"))
    return [f"{room}: {why}" for room, why in sorted(rooms.items())]


def _nodes(state: Mapping[str, Any]) -> Table:
    rows = []
    for node in _maps(state.get("nodes")):
        capacity = _number(node.get("capacity"))
        sessions = f"{_number(node.get('sessions')):.0f}"
        rows.append(
            (
                str(node.get("node", "?")),
                STATES.get(str(node.get("state")), str(node.get("state", "?"))),
                f"{sessions} of {capacity:.0f}" if capacity else sessions,
                f"{100 * _number(node.get('load')):.0f} %",
                ", ".join(map(str, node.get("labels") or ())),
                str(node.get("release", "")),
                str(node.get("public_url", "")),
            )
        )
    columns = ("node", "lease", "browsers", "load", "labels", "release", "URL")
    return Table("Nodes", columns, tuple(rows))


def _rooms(state: Mapping[str, Any]) -> Table:
    rooms = _maps(state.get("rooms"))
    rows = [
        (
            str(room.get("room", "?")),
            str(room.get("node", "?")),
            str(len(_maps(room.get("participants")))),
            str(_map(room.get("link")).get("status", "")),
        )
        for room in rooms[:MOST_ROOMS]
    ]
    if len(rooms) > MOST_ROOMS:
        rows.append((f"and {len(rooms) - MOST_ROOMS} more", "", "", ""))
    return Table("Rooms", ("room", "node", "people", "assistant"), tuple(rows))


def _drain(state: Mapping[str, Any]) -> Table:
    drain = _map(state.get("drain"))
    rows = [tuple(words.split(": ", 1)) for words in left(drain)[:MAX_ROWS]]
    return Table("This node drains", ("room", "what it waits for"), tuple(rows))


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _maps(value: Any) -> Sequence[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0

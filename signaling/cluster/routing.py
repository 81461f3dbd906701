"""Which node serves a request, as far as the request says it, and how long it may take. Sans-I/O.

Whatever lies on one node names it at its end (``~NODE``), so that any node knows where to ask. All
else about a room is its owner's. The rest any node does by itself: pages, sessions, invitations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from mixer_core.cluster.settings import NODE_NAME
from mixer_core.runtime.room_rules import ROOM_NAME

from ..access.owners import NODE_MARK

ROOM = "/rooms/{room}"
LISTEN_PREFIX = "/listen"
"""Of the plain port of the local network, which serves these routes by itself."""
Kind = Literal["usual", "offer", "wait", "picture"]

LIMITS_S: Mapping[Kind, float] = {"usual": 9.0, "offer": 9.0, "wait": 50.0, "picture": 38.0}
"""How long an answer may take: one or two seconds less than a page waits for it, and more than the
owner takes for a request that it holds open (``Ends``)."""
_KINDS: Mapping[tuple[str, str], Kind] = {
    ("POST", "/participants"): "offer",
    ("GET", "/participants/{participant}/end"): "wait",
    ("POST", "/participants/{participant}/pictures"): "picture",
}
_ANYWHERE = ("/invitations",)
"""What is the whole cluster's, below a room."""
_GATHERED = ("/recordings",)
"""What the handlers gather of all nodes by themselves."""
_ON_A_NODE = ("participant", "recording")


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request belongs."""

    kind: Kind = "usual"
    node: str = ""
    """That of the thing that it is about; empty: see ``room``."""
    room: str = ""
    """Its owner serves it; both empty: whoever is asked does."""


HERE = Route()


def route(method: str, canonical: str, parts: Mapping[str, str], node: str) -> Route:
    """Where a request belongs.

    Args:
        method: of HTTP; that of a request for the head only is ``GET``, too.
        canonical: the path of its route, with names in braces; empty: it has none.
        parts: what stands in their place.
        node: this one.
    """
    _, found, below = canonical.partition(ROOM)
    room = parts.get("room", "")
    if not found or not ROOM_NAME.fullmatch(room):
        return HERE
    kind = _KINDS.get(("GET" if method == "HEAD" else method, below), "usual")
    for name in _ON_A_NODE:
        other = node_of(parts.get(name, ""))
        if other:
            return HERE if other == node else Route(kind, node=other)
    if below in _GATHERED or below.startswith(_ANYWHERE):
        return HERE
    return Route(kind, room=room)


def node_of(name: str) -> str:
    """The node behind a name; empty: there is none."""
    _, _, node = name.rpartition(NODE_MARK)
    return node if node != name and NODE_NAME.fullmatch(node) else ""


def own_path(canonical: str, parts: Mapping[str, str]) -> str:
    """The path of a request as another node has it at its root; the plain port keeps its own."""
    before, found, below = canonical.partition(ROOM)
    prefix = LISTEN_PREFIX if before.endswith(LISTEN_PREFIX) else ""
    path = f"{prefix}{found}{below}" if found else canonical[canonical.rindex("/") :]
    for name, value in parts.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=NODE_MARK))
    return path

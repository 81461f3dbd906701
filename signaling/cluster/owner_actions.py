"""What is asked of the policy of ownership, and what it decides: frozen dataclasses. Sans-I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from mixer_core.cluster.placement import NoNode
from mixer_core.cluster.records import RoomRecord

Verdict = Literal["live", "lost", "unsure"]


class Nodes(Protocol):
    """What ownership has to know of the nodes."""

    def choose(self, needs: Collection[str], avoid: Collection[str], now_ns: int) -> str | NoNode:
        """The node for a room that comes now; it counts as placed there."""

    def is_there(self, node: str) -> bool:
        """Whether a node is known to be alive."""

    def verdict(self, node: str, incarnation: str, now_ns: int) -> Verdict:
        """What is known of a lease.

        ``lost``: that incarnation holds none any more, never will again, and this node may take
        over its rooms.
        """


@dataclass(frozen=True, slots=True)
class Here:
    """This node has the room, or a look at it is answered here."""

    epoch: int


@dataclass(frozen=True, slots=True)
class There:
    """Another node has it."""

    node: str


@dataclass(frozen=True, slots=True)
class Nobody:
    """No node has it, or it is not known which."""

    why: str = ""
    """Why nobody can say, or no node takes it, as a sentence; empty: no node has it."""
    retry_after_s: int = 0


Place = Here | There | Nobody


@dataclass(frozen=True, slots=True)
class Where:
    """Which node has a room?"""


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody comes to a room: it has to have a node afterwards."""

    needs: frozenset[str] = frozenset()
    """Labels that its node must have."""
    avoid: frozenset[str] = frozenset()
    """Nodes that have refused it just now."""
    here: bool = False
    """This node was chosen already: it takes the room unless another one has it."""


@dataclass(frozen=True, slots=True)
class Give:
    """This node gives the room to another one; nothing of it runs here any more."""

    target: str


@dataclass(frozen=True, slots=True)
class Announce:
    """This node will give the room to ``target``; empty: it will not."""

    target: str


@dataclass(frozen=True, slots=True)
class Release:
    """Nobody is in the room any more."""


@dataclass(frozen=True, slots=True)
class Reclaim:
    """Somebody is in the room, and this node does not have it (any more)."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """The record of a room that this node has gets old."""


Wish = Where | Claim | Give | Announce | Release | Reclaim | Refresh


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as the bucket holds it; no record has revision 0."""

    record: RoomRecord | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """Read a room's record; ``got`` or ``failed`` follows."""

    room: str


@dataclass(frozen=True, slots=True)
class Write:
    """Write a room's record if it is still of ``revision``; 0: if there is none.

    ``written``, ``refused`` or ``failed`` follows.
    """

    record: RoomRecord
    revision: int


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to ``Owners.ask``."""

    request: int
    place: Place


@dataclass(frozen=True, slots=True)
class Own:
    """This node has the room from now on: its assistant may talk, under this epoch."""

    room: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Lose:
    """Another node has the room: whoever is in it here has to join again."""

    room: str
    why: str


Action = Read | Write | Reply | Own | Lose

"""What nodes say to each other about a room that moves: JSON, as records are. Sans-I/O.

As with records, a field that is unknown is passed over, and one that is absent has its default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from mixer_core.cluster.records import MAX_EPOCH, VERSION, Node, Version, Words

from ..registry.moves import Moved

SUBJECT = "move"
"""The last part of a node's subject for this."""
Op = Literal["prepare", "expect", "take", "abandon"]


@dataclass(frozen=True, slots=True)
class MoveOrder:
    """Owner → the next one.

    ==========  ==================================================================================
    prepare     have a session that knows the conversation; answered once it does
    expect      the record is about to be written for you: who was there may come back
    take        it is written: make the room yours, and let its assistant talk
    abandon     the room does not come
    ==========  ==================================================================================
    """

    op: Op
    room: str
    node: Node
    """Who asks."""
    moved: Moved = field(default_factory=Moved)
    epoch: Annotated[int, msgspec.Meta(ge=0, le=MAX_EPOCH)] = 0
    """Under which the owner has the room."""
    owed: bool = False
    """People wait for an answer."""
    v: Version = VERSION


@dataclass(frozen=True, slots=True)
class MoveAnswer:
    """The next owner → the one that asked."""

    ok: bool = False
    why: Words = ""
    """Why not, as a sentence for the log."""
    v: Version = VERSION

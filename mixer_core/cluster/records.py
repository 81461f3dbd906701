"""What nodes tell each other through buckets: JSON, so that the tools of NATS show it. Sans-I/O.

Nodes of two releases that follow each other may be in one cluster: fields that are unknown here are
passed over, and those that are absent have their defaults. So a new field has a default that is
right for a node that has never heard of it, and no field ever changes its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import msgspec

from mixer_core.runtime.errors import RecordError, UnreadableError
from mixer_core.runtime.foreign_data import read_json_by

VERSION = 1
"""Of all records; goes up with a release that the one before last could not live with."""
MAX_RECORD_BYTES = 262_144
"""A longer record is damaged."""
MAX_EPOCH = 2**32 - 1

Node = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
Words = Annotated[str, msgspec.Meta(max_length=512)]
Amount = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Version = Annotated[int, msgspec.Meta(ge=1, le=VERSION + 1)]


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One node, as it says of itself with each renewal of its lease."""

    node: Node
    incarnation: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """Random, new with each start of the node's signaling."""
    beat: Amount = 0
    """How often this incarnation has renewed its lease."""
    public_url: Words = ""
    labels: tuple[Words, ...] = ()
    capacity: Amount = 0
    """Browsers that it takes."""
    load: Annotated[float, msgspec.Meta(ge=0.0, le=1e6)] = 0.0
    """Measured share of what the machine can do: 1.0 is all."""
    sessions: Amount = 0
    """Browsers that it has."""
    draining: bool = False
    """Whether it takes no new rooms, and gives away those that it has."""
    release: Words = ""
    known: dict[Node, Words] = field(default_factory=dict)
    """Nodes that it asks for pledges while NATS is away, and their incarnations."""
    gone: bool = False
    """Its lease has ended: it left, or another node found it lost. Its rooms may be taken."""
    left_ms: Amount = 0
    """When it was stopped on purpose, as Unix time; 0: it was not. For people only: what may be
    taken follows from ``gone``."""
    v: Version = VERSION


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """Who owns a room."""

    room: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    node: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{0,32}\Z")] = ""
    """Its owner; empty: nobody, any more."""
    incarnation: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """Of the owner; empty: chosen for the room, and has not taken it up."""
    epoch: Annotated[int, msgspec.Meta(ge=0, le=MAX_EPOCH)] = 0
    """Greater with each new owner: made of the Unix time in s (``signaling/cluster/owners.py``)."""
    next: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{0,32}\Z")] = ""
    """The node that takes the room over, while the owner drains."""
    v: Version = VERSION


R = TypeVar("R")


def encode_record(record: Any) -> bytes:
    """A record as it is stored."""
    return msgspec.json.encode(record)


def decode_record(data: bytes, kind: type[R]) -> R:
    """The record of a ``kind``, which is a dataclass, in a stored value.

    Raises:
        RecordError: it is damaged, or of a release that is too new.
    """
    if len(data) > MAX_RECORD_BYTES:
        raise RecordError(f"a {kind.__name__} of {len(data)} bytes: it is damaged")
    try:
        return read_json_by(data, msgspec.json.Decoder(kind))
    except UnreadableError as error:
        raise RecordError(f"a {kind.__name__} cannot be read: it is {error}") from error

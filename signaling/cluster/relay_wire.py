"""What two nodes say to each other about a relayed request: MessagePack. Sans-I/O.

A body that is longer than a piece is fetched by the other side, piece by piece: so nobody is sent
more than they ask for, and no message is longer than NATS takes. Fields that are unknown are passed
over and those that are absent have defaults, so nodes of two releases understand each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec

from mixer_core.cluster.records import Node
from mixer_core.runtime.errors import RecordError, UnreadableError
from mixer_core.runtime.foreign_data import read_packed

from ..access.identity import Vouch
from .routing import Kind

PIECE_BYTES = 131_072
"""NATS takes 1 MiB in a message, and advises less."""
ENVELOPE_BYTES = 49_152
"""What a message may have beside a piece: path, headers."""
MAX_HEADERS = 32
MAX_BODY_BYTES = 16 << 20

Text = Annotated[str, msgspec.Meta(max_length=16_384)]
Name = Annotated[str, msgspec.Meta(max_length=64)]
Path = Annotated[str, msgspec.Meta(max_length=16_384, pattern=r"^/(?!/)[!-~]*\Z")]
Headers = Annotated[dict[Name, Text], msgspec.Meta(max_length=MAX_HEADERS)]
Size = Annotated[int, msgspec.Meta(ge=0, le=MAX_BODY_BYTES)]

REQUEST_HEADERS = (
    "Accept",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "Mixminus-Replaces",
    "Range",
)
"""What is handed on of a request. Where it came from is said by ``vouch``."""
REPLY_HEADERS = (
    "Accept-Ranges",
    "Allow",
    "Cache-Control",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "Content-Type",
    "ETag",
    "Last-Modified",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
)


class Relayed(msgspec.Struct, frozen=True):
    """A request."""

    node: Node
    """Where it came in, and where the rest of its body is."""
    method: Name
    path: Path
    """As it came, below the public path, with its query."""
    vouch: Vouch
    kind: Kind = "usual"
    headers: Headers = {}
    body: bytes = b""
    """Its first piece."""
    size: Size = 0
    """Bytes of the whole body."""
    parcel: Name = ""
    """Name of the rest; empty: there is none."""
    limit_ms: Annotated[int, msgspec.Meta(ge=1, le=120_000)] = 9_000
    """How long the node that relays it waits for the answer from now on."""
    v: int = 1


class Replied(msgspec.Struct, frozen=True):
    """The answer."""

    status: Annotated[int, msgspec.Meta(ge=200, le=599)]
    headers: Headers = {}
    body: bytes = b""
    """Its first piece."""
    parcel: Name = ""
    """Name of the rest; empty: there is none."""
    let_go: bool = False
    """The node does not take this first person of the room, and has given the room away."""
    v: int = 1


class Wanted(msgspec.Struct, frozen=True):
    """A piece of a parcel is asked for, one after the other."""

    parcel: Name
    index: Annotated[int, msgspec.Meta(ge=0)]
    v: int = 1


class Piece(msgspec.Struct, frozen=True):
    """A piece."""

    data: bytes
    is_last: bool
    v: int = 1


M = TypeVar("M", Relayed, Replied, Wanted, Piece)


def encode(message: Relayed | Replied | Wanted | Piece) -> bytes:
    """A message."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes, kind: type[M]) -> M:
    """Raises RecordError: it is damaged, or of a release that is too new."""
    try:
        return msgspec.convert(read_packed(data), kind)
    except (UnreadableError, msgspec.ValidationError) as error:
        raise RecordError(f"a {kind.__name__} cannot be read: it is {error}") from error


def chosen(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """Those of ``names`` that are there, as text that can be written."""
    return {
        name: headers[name].encode("utf-8", "replace").decode() for name in names if name in headers
    }

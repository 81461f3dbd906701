"""What a host says to its children and its fork server, and they to it. Sans-I/O.

Each message is one packet of a local ``SOCK_SEQPACKET`` socket, a small JSON object. A child of
another release may stay in its call under a new host, so unknown members are ignored and none that
is here ever changes its meaning.

=============  ==================================================================
way            messages
=============  ==================================================================
child → host   ``State`` when it connects, changes, and every second; ``Bye``
host → child   ``Welcome`` with the host's build and standard error; ``Order``: ``retire`` (end if
               you are idle), ``end``
server → host  ``Ready``, ``Forked``, ``NotForked``, ``Reaped``
host → server  the identity of the child to fork, as text
=============  ==================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from .errors import WireError

MAX_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class State:
    """A child is there."""

    identity: str
    idle: bool
    build: str
    """Digest of its release and settings."""


@dataclass(frozen=True, slots=True)
class Bye:
    """A child ends by itself."""

    exit_code: int


@dataclass(frozen=True, slots=True)
class Welcome:
    """The host knows the child; a descriptor comes with it."""

    build: str = ""
    """Digest of the host's release and settings; empty: an earlier release, which does not say."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a child has to do."""

    what: Literal["retire", "end"]
    reason: str = ""
    """Why, in words."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The fork server has imported everything."""


@dataclass(frozen=True, slots=True)
class Forked:
    """A child exists."""

    identity: str
    pid: int


@dataclass(frozen=True, slots=True)
class NotForked:
    """A child could not be made."""

    identity: str
    words: str


@dataclass(frozen=True, slots=True)
class Reaped:
    """A child has ended."""

    identity: str
    exit_code: int
    """Negative: the signal that killed it."""


Message = State | Bye | Welcome | Order | Ready | Forked | NotForked | Reaped
_KINDS: dict[str, type[Message]] = {
    kind.__name__.lower(): kind
    for kind in (State, Bye, Welcome, Order, Ready, Forked, NotForked, Reaped)
}


def encode(message: Message) -> bytes:
    """One packet."""
    content = {"is": type(message).__name__.lower(), **msgspec.to_builtins(message)}
    return msgspec.json.encode(content)


def decode(packet: bytes) -> Message:
    """Read one packet. Raises WireError."""
    try:
        content = msgspec.json.decode(packet)
        return msgspec.convert(content, _KINDS[content["is"]])
    except (msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"a message of a child or fork server cannot be read: {error}") from error

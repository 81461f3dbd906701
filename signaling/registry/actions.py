"""What goes into the registry and what comes out of it: small frozen values, no I/O.

Every ``request`` is a number that the shell chose; the registry answers each exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mixer_core.bus.control import Message, Metrics
from mixer_core.bus.events import Mode
from mixer_core.runtime.errors import ProblemError

MS_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds and patience of the registry."""

    max_participants: int = 20
    """Browsers at once over all rooms, those that still connect included."""
    max_rooms: int = 10
    """Rooms with somebody in them at once."""
    default_mode: Mode = "assistant"
    """Mode of a room whose first participant asks for none."""
    answer_timeout_ns: int = 5_000 * MS_NS
    """An offer that has no answer by then gets 503."""
    offer_timeout_ns: int = 1_500 * MS_NS
    """A child that has not reacted by then is passed over for another one."""
    max_offers: int = 3
    """Children that one offer may be given to: an offer that kills them must not kill all."""
    silence_ns: int = 3_000 * MS_NS
    """A child that says nothing for so long is gone."""
    distrust_ns: int = 5_000 * MS_NS
    """A child that was passed over may be used again if it still reports idle after so long."""
    rebuild_ns: int = 1_500 * MS_NS
    """After a start, children that already run need so long to announce themselves."""
    tombstone_ns: int = 10_000 * MS_NS
    """A participant that left is told to end again while its child goes on within this time."""


@dataclass(frozen=True, slots=True)
class Join:
    """A browser's offer."""

    request: int
    """Whom to answer."""
    room: str
    """As it came in the URL; not checked yet."""
    name: str
    """What people call the participant; not checked yet."""
    mode: Mode | None
    """Asked for; counts for a room's first participant only."""
    sdp: str
    """The offer."""


@dataclass(frozen=True, slots=True)
class Remove:
    """DELETE of a participant's location."""

    request: int
    room: str
    participant: str


@dataclass(frozen=True, slots=True)
class Look:
    """GET of one room."""

    request: int
    room: str


@dataclass(frozen=True, slots=True)
class PersonView:
    """One participant as ``GET /rooms/{room}`` shows it."""

    participant: str
    name: str
    muted: bool
    status: str
    """``waiting`` (for a worker), ``connecting`` or ``connected``."""


@dataclass(frozen=True, slots=True)
class LinkView:
    """A room's link as ``GET /rooms/{room}`` shows it."""

    status: str
    """Status of ``LinkState``, or ``waiting`` while there is none."""
    upstream: str = ""
    detail: str = ""
    usage: Metrics | None = None
    """The link's metrics that count tokens."""


@dataclass(frozen=True, slots=True)
class RoomView:
    """One room as ``GET /rooms/{room}`` shows it."""

    room: str
    mode: Mode
    participants: tuple[PersonView, ...]
    link: LinkView


@dataclass(frozen=True, slots=True)
class SendToChild:
    """Send a control message to the child with that DEALER identity."""

    identity: str
    message: Message


@dataclass(frozen=True, slots=True)
class ReplyAnswer:
    """The offer is answered: 201."""

    request: int
    room: str
    participant: str
    sdp: str

    @property
    def location(self) -> str:
        """Path of the participant, for ``Location``."""
        return f"/rooms/{self.room}/participants/{self.participant}"


@dataclass(frozen=True, slots=True)
class ReplyLeft:
    """The participant is gone: 200."""

    request: int
    room: str
    participant: str


@dataclass(frozen=True, slots=True)
class ReplyRoom:
    """What a room is like: 200."""

    request: int
    view: RoomView


@dataclass(frozen=True, slots=True)
class ReplyProblem:
    """The request failed."""

    request: int
    status: int
    title: str
    detail: str
    retry_after_s: int | None = None

    def error(self) -> ProblemError:
        """The same as an exception."""
        return ProblemError(self.status, self.title, self.detail, self.retry_after_s)


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody's audio connection stands (for the log)."""

    room: str
    participant: str
    name: str


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody is gone (for the log)."""

    room: str
    participant: str
    reason: str


@dataclass(frozen=True, slots=True)
class LinkLost:
    """A room's link is gone while somebody is in the room (for the log)."""

    room: str
    reason: str


Reply = ReplyAnswer | ReplyLeft | ReplyRoom | ReplyProblem
Action = SendToChild | Reply | Joined | Left | LinkLost
Json = dict[str, Any]

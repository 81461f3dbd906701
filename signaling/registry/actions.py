"""The registry's events and actions: frozen dataclasses. Sans-I/O.

``request`` is a number that the shell chose; the registry replies to each exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mixer_core.bus.control import Message, Metrics, RuledMode
from mixer_core.bus.events import Mode
from mixer_core.bus.roles import Role
from mixer_core.bus.rules import AdminRules
from mixer_core.runtime.errors import ProblemError
from mixer_core.runtime.room_rules import Rooms
from mixer_core.runtime.units import MS_NS, S_NS


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits and timeouts of the registry."""

    max_participants: int = 20
    """Browsers at once in all rooms, including those that are connecting."""
    max_rooms: int = 10
    """Rooms at once; a room exists while somebody is in it."""
    max_pending_per_client: int = 0
    """Browsers of one client that are connecting, beyond those that have connected before; 0: any
    number."""
    max_places_per_client: int = 0
    """Browsers of one client at once; 0: any number."""
    default_mode: Mode = "assistant"
    """Mode of a room whose first participant does not ask for one."""
    rooms: Rooms = field(default_factory=Rooms)
    """What the settings say of single rooms."""
    answer_timeout_ns: int = 5 * S_NS
    """Timeout after which an offer without an answer gets 503."""
    offer_timeout_ns: int = 1_500 * MS_NS
    """Timeout after which a child that has not reacted is passed over for another one."""
    max_offers: int = 3
    """Children that get the same offer; an offer that crashes its child must not crash them all."""
    silence_ns: int = 3 * S_NS
    """Timeout after which a child that reports nothing is gone."""
    distrust_ns: int = 5 * S_NS
    """A child that was passed over may get work again if it still reports idle after this time."""
    rebuild_ns: int = 1_500 * MS_NS
    """After a start, the time in which running children announce themselves."""
    tombstone_ns: int = 30 * S_NS
    """How long those who left are remembered: a late state does not bring them back, and a browser
    whose network was away for ten seconds or more comes back as one that was there."""
    verify: bool = False
    """People come by invitation: links count verified names only."""

    def ruled_mode(self, room: str) -> RuledMode:
        """The mode that the settings of a room want; empty: any."""
        mode: RuledMode = self.rooms.said(room).get("mode", "")
        return mode


@dataclass(frozen=True, slots=True)
class Join:
    """A browser's offer."""

    request: int
    room: str
    """From the URL, unchecked."""
    name: str
    """The participant's display name, unchecked."""
    mode: Mode | None
    """Requested mode; it counts only for the first participant of a room whose settings say
    nothing of it."""
    sdp: str
    role: Role = "admin"
    verified: bool = False
    """``name`` comes from an invitation."""
    subject: str = ""
    """Whose invitation and browser it is; empty: nobody's."""
    replaces: str = ""
    """Participant whose place it takes: the same browser, which has lost its connection."""
    reserved: frozenset[str] = frozenset()
    """Names in invitations, which nobody else may take."""
    client: str = ""
    """Whose address it comes from, see ``limits.clients``; empty: not known."""
    ticket: str = ""
    """From an earlier refusal, for the line in front of a full gateway."""
    place: str = ""
    """In whose physical room the device is, unchecked; empty: in none of the others'."""


@dataclass(frozen=True, slots=True)
class Remove:
    """DELETE of a participant."""

    request: int
    room: str
    participant: str
    code: str = ""
    """Why, if somebody else does it: see ``control.Leave``."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Mute:
    """An admin mutes a participant, or lets them speak again."""

    request: int
    room: str
    participant: str
    muted: bool
    locked: bool


@dataclass(frozen=True, slots=True)
class Show:
    """A participant shows the assistant a picture."""

    request: int
    room: str
    participant: str
    image: bytes
    """The file, checked."""
    text: str = ""
    """What was typed with it."""
    thumbnail: bytes = b""
    """A small JPEG of it."""


@dataclass(frozen=True, slots=True)
class ChangeRoom:
    """An admin changes a room."""

    request: int
    room: str
    mode: Mode | None = None
    """Who hears whom; None: as it is."""
    rules: Mapping[str, Any] = field(default_factory=dict)
    """Fields of ``AdminRules`` and their new values."""


@dataclass(frozen=True, slots=True)
class CloseRoom:
    """An admin ends a room: everybody has to leave."""

    request: int
    room: str


@dataclass(frozen=True, slots=True)
class Forget:
    """An admin deletes a conversation: the room's link has to forget it."""

    request: int
    room: str
    conversation: int
    """Its id in the journal; 0: whichever goes on."""
    name: str = ""
    """Of who deletes it; empty: not known."""


@dataclass(frozen=True, slots=True)
class Look:
    """GET of one room."""

    request: int
    room: str


@dataclass(frozen=True, slots=True)
class ParticipantView:
    """One participant as ``GET /rooms/{room}`` shows it."""

    participant: str
    name: str
    muted: bool
    status: str
    """``waiting`` (for a worker), ``connecting`` or ``connected``."""
    role: Role = "admin"
    verified: bool = False
    """The name comes from an invitation."""
    silenced: bool = False
    """Only an admin can unmute it."""
    place: str = ""
    """Where the device is, with others; empty: a place of its own."""


@dataclass(frozen=True, slots=True)
class LinkView:
    """A room's link to the assistant as ``GET /rooms/{room}`` shows it."""

    status: str
    """Status of ``LinkState``, or ``waiting`` (for a link)."""
    upstream: str = ""
    detail: str = ""
    usage: Metrics | None = None
    """The link's metrics that count tokens."""


@dataclass(frozen=True, slots=True)
class RoomView:
    """One room as ``GET /rooms/{room}`` shows it."""

    room: str
    mode: Mode
    participants: tuple[ParticipantView, ...]
    link: LinkView
    rules: AdminRules = field(default_factory=AdminRules)


@dataclass(frozen=True, slots=True)
class SendToChild:
    """Send a control message to a child."""

    identity: str
    """Its DEALER identity."""
    message: Message


@dataclass(frozen=True, slots=True)
class ReplyAnswer:
    """201: the answer to an offer."""

    request: int
    room: str
    participant: str
    sdp: str


@dataclass(frozen=True, slots=True)
class ReplyLeft:
    """200: the participant has left."""

    request: int
    room: str
    participant: str
    subject: str = ""
    """Whose invitation and browser it was."""


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """200: it is done."""

    request: int


@dataclass(frozen=True, slots=True)
class ReplyRoom:
    """200: the state of a room."""

    request: int
    view: RoomView


@dataclass(frozen=True, slots=True)
class ReplyProblem:
    """An error, as problem details."""

    request: int
    status: int
    title: str
    detail: str
    retry_after_s: int | None = None
    extra: Mapping[str, Any] | None = None
    """Further members of the problem."""

    def error(self) -> ProblemError:
        """The exception with the same content."""
        return ProblemError(self.status, self.title, self.detail, self.retry_after_s, self.extra)


def problem(request: int, error: ProblemError) -> ReplyProblem:
    """The reply for ``error``."""
    return ReplyProblem(
        request, error.status, error.title, error.detail, error.retry_after_s, error.extra
    )


@dataclass(frozen=True, slots=True)
class Joined:
    """A participant's audio connection is open (for the log)."""

    room: str
    participant: str
    name: str
    client: str = ""
    """As in ``Join``."""


@dataclass(frozen=True, slots=True)
class Left:
    """A participant is gone (for the log)."""

    room: str
    participant: str
    reason: str
    lost: bool = False
    """Its worker died: nobody has told its browser."""


@dataclass(frozen=True, slots=True)
class LinkLost:
    """A room with somebody in it has lost its link (for the log)."""

    room: str
    reason: str


AboutRoom = Look | ChangeRoom | CloseRoom | Forget
AboutPerson = Remove | Mute | Show
Question = Join | AboutRoom | AboutPerson
"""What gets a reply."""
Answered = ReplyAnswer | ReplyLeft | ReplyDone | ReplyRoom
Reply = Answered | ReplyProblem
Action = SendToChild | Reply | Joined | Left | LinkLost

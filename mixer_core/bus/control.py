"""The control messages between processes: one dataclass each, one table of all.

On the wire a message is one MessagePack map ``{"v": 1, "type": …, fields…}`` in one ZeroMQ part
(behind the identity that a ROUTER adds). See ``README.md``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal

import msgpack
import msgspec

from ..runtime.errors import ControlError, UnreadableError
from ..runtime.foreign_data import read_packed
from ..runtime.ice_servers import IceServer
from .events import Mode
from .place import Place
from .roles import Role
from .rules import AdminRules

VERSION = 1
MAX_BYTES = 512 * 1024
MAX_PIECE_BYTES = 64 * 1024
"""Of a picture in one message: nothing else waits long behind it."""

Metrics = dict[str, int | float | list[int]]
"""Name → a counter, a gauge, or the report of a histogram (``metrics.Histogram.report``)."""

RuledMode = Mode | Literal[""]
"""What the settings say of a room's mode; empty: nothing."""
WorkerStatus = Literal["idle", "connecting", "connected", "closed"]
LinkStatus = Literal["idle", "connecting", "ready", "reconnecting", "failed", "closed"]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A program is alive. From mixer_core, the hosts and the simulator, once a second."""

    program: str
    pid: int
    ready: bool
    """It can do its work."""
    detail: str = ""
    """What it is doing, in words."""
    metrics: Metrics = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    """Programs without which it cannot work, beyond those that every gateway has."""
    wants: tuple[str, ...] = ()
    """Programs without which it works, but less surely."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """State of a media worker child. On every change and once a second."""

    worker: str
    """Its DEALER identity."""
    pid: int
    status: WorkerStatus
    room: str = ""
    participant: str = ""
    stream: int = 0
    name: str = ""
    muted: bool = False
    mode: Mode = "assistant"
    detail: str = ""
    """Why it closed, in words."""
    metrics: Metrics = field(default_factory=dict)
    role: Role = "admin"
    verified: bool = False
    subject: str = ""
    """As in ``Offer``."""
    silenced: bool = False
    """Only an admin can unmute the participant."""
    rules: AdminRules = field(default_factory=AdminRules)
    place: Place = field(default_factory=Place)
    ruled_mode: RuledMode = ""
    """As in ``Offer``."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """State of a link child. On every change and once a second."""

    link: str
    """Its DEALER identity."""
    pid: int
    status: LinkStatus
    room: str = ""
    stream: int = 0
    upstream: str = ""
    """``openai``, ``simulator`` or the base URL's host."""
    detail: str = ""
    metrics: Metrics = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """Signaling → an idle worker child: answer this browser."""

    participant: str
    room: str
    stream: int
    mode: Mode
    name: str
    sdp: str
    role: Role = "admin"
    """What the participant may do."""
    verified: bool = False
    """The name comes from an invitation."""
    subject: str = ""
    """Whose invitation and browser it is; empty: nobody's, and the name may change."""
    ice_servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers, with credentials for this connection."""
    announced: tuple[str, ...] = ()
    """Outer addresses of this host that were found by name, beside those of the settings."""
    silenced: bool = False
    """The participant comes muted, and only an admin can unmute them."""
    rules: AdminRules = field(default_factory=AdminRules)
    """Of the room."""
    place: Place = field(default_factory=Place)
    """Where the device is; without times where it has not been there before."""
    ruled_mode: RuledMode = ""
    """The mode that the settings of the room wanted when it got its mode."""
    by_button: bool = False
    """The settings of the room say that the assistant hears it only while somebody holds a button,
    as long as no admin says otherwise."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Worker child → signaling: the SDP answer."""

    participant: str
    sdp: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Worker child → signaling: the offer cannot be answered. The child is idle again or ends."""

    participant: str
    status: int
    """HTTP status to answer with."""
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Signaling → worker child: end this participant's session."""

    participant: str
    code: str = ""
    """Why, for the page: ``removed``, ``closed``, ``revoked`` or ``expired``; empty: the browser
    has left."""
    message: str = ""
    """Why, as a sentence for the person."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Signaling → worker child: an admin mutes this participant, or lets them speak again."""

    participant: str
    muted: bool
    locked: bool
    """Only an admin can unmute."""


@dataclass(frozen=True, slots=True)
class SetRoom:
    """Signaling → worker child: an admin, or its settings, have changed the participant's room."""

    participant: str
    mode: Mode
    rules: AdminRules = field(default_factory=AdminRules)
    ruled_mode: RuledMode = ""
    """As in ``Offer``."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Signaling → worker child: what this participant has to know of the gateway."""

    participant: str
    code: str
    """``stopping`` or ``given_up``."""
    message: str
    """A sentence for the person; empty: it is over."""
    in_ms: int = 0
    """Time until it happens; 0: now."""


@dataclass(frozen=True, slots=True)
class OpenLink:
    """Signaling → an idle link child: connect this room to the assistant."""

    room: str
    stream: int
    mode: Mode
    verify: bool = False
    """People come by invitation: who may use a tool counts by verified names only."""
    standby: bool = False
    """Another machine has the room, and will hand it over: prepare a session, and wait."""
    epoch: int = 0
    """Under which this machine has the room in its cluster; 0: there is no cluster. In standby,
    that of the machine that has it."""
    until_ns: int = 0
    """In a cluster, until when the room is this machine's, if no ``Grant`` follows (boot time)."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Signaling → link child: the room is this machine's until then. With each renewal."""

    room: str
    epoch: int
    until_ns: int
    """Boot time (CLOCK_BOOTTIME); 0: no longer."""


@dataclass(frozen=True, slots=True)
class Yield:
    """Signaling → link child: leave the room in its next pause, for another machine."""

    room: str
    order: int
    """For the answer."""
    within_ms: int
    """Longest wait for a pause."""


@dataclass(frozen=True, slots=True)
class Yielded:
    """Link child → signaling: its session is closed, and what was said is in the journal."""

    room: str
    order: int
    owed: bool = False
    """People wait for an answer."""


@dataclass(frozen=True, slots=True)
class Stay:
    """Signaling → link child: the room stays here after all; it may have left it already."""

    room: str


@dataclass(frozen=True, slots=True)
class OwesAnswer:
    """Signaling → link child: the machine that had the room before owes people an answer."""

    room: str


@dataclass(frozen=True, slots=True)
class DrainNode:
    """The command line → signaling: move this machine's rooms to others of the cluster."""

    limit_ms: int
    """What has not moved by then stays."""


@dataclass(frozen=True, slots=True)
class LoadLevel:
    """Signaling → mixer_core and link children: how loaded the gateway is, when it changes."""

    level: int
    """From 0 to 3: what is to be done less often, see ``signaling/registry/load.py``."""


@dataclass(frozen=True, slots=True)
class SpentElsewhere:
    """Signaling → link child: what the other nodes of the cluster have spent on a day, in US
    dollars; when it changes, and to a link that is new."""

    day: str
    """Local, as 2026-11-22."""
    usd: float
    simulated_usd: float = 0.0
    """What the other nodes' simulators have counted, an account of its own."""


@dataclass(frozen=True, slots=True)
class PicturePiece:
    """Signaling → link child: a piece of a picture that a participant shows the assistant."""

    upload: str
    """The same for all pieces of one picture."""
    participant: str
    index: int
    """0 for the first; they come in order."""
    pieces: int
    """How many there are."""
    data: bytes
    """At most ``MAX_PIECE_BYTES``."""
    name: str = ""
    """The participant's."""
    stream: int = 0
    """The participant's."""
    text: str = ""
    """What was typed with it; in the first piece only, like the following."""
    thumbnail: bytes = b""
    """A small JPEG of it for the people in the room."""


@dataclass(frozen=True, slots=True)
class PictureAnswer:
    """Link child → signaling: what became of a picture."""

    upload: str
    status: int
    """HTTP status to answer with; 202: the assistant's server is told of it."""
    title: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Forget:
    """Signaling → link child: what was said so far is deleted."""

    order: str
    """For the answer."""
    conversation: int
    """Its id in the journal, where another one may go on by now; 0: whichever goes on."""
    name: str = ""
    """Of who deletes it; empty: not known."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Link child → signaling: it knows nothing of that conversation any more."""

    order: str


@dataclass(frozen=True, slots=True)
class ChildExited:
    """A host → signaling: a child process has ended."""

    program: str
    child: str
    """The child's DEALER identity."""
    exit_code: int
    """0: it ended by itself; -9: without a word, whatever killed it."""


LifeSign = Heartbeat | WorkerState | LinkState
"""A process is alive, at least once a second; with its metrics."""

Message = (
    Heartbeat
    | WorkerState
    | LinkState
    | Offer
    | Answer
    | Refused
    | Leave
    | Silence
    | SetRoom
    | Notice
    | OpenLink
    | Grant
    | Yield
    | Yielded
    | Stay
    | OwesAnswer
    | DrainNode
    | LoadLevel
    | SpentElsewhere
    | PicturePiece
    | PictureAnswer
    | Forget
    | Forgotten
    | ChildExited
)

MESSAGES: dict[str, type[Message]] = {
    "heartbeat": Heartbeat,
    "worker_state": WorkerState,
    "link_state": LinkState,
    "offer": Offer,
    "answer": Answer,
    "refused": Refused,
    "leave": Leave,
    "silence": Silence,
    "set_room": SetRoom,
    "notice": Notice,
    "open_link": OpenLink,
    "grant": Grant,
    "yield": Yield,
    "yielded": Yielded,
    "stay": Stay,
    "owes_answer": OwesAnswer,
    "drain_node": DrainNode,
    "load": LoadLevel,
    "spent_elsewhere": SpentElsewhere,
    "picture_piece": PicturePiece,
    "picture_answer": PictureAnswer,
    "forget": Forget,
    "forgotten": Forgotten,
    "child_exited": ChildExited,
}
_NAMES = {cls: name for name, cls in MESSAGES.items()}
_FIELDS = {cls: tuple(f.name for f in fields(cls)) for cls in _NAMES}


def encode(message: Message) -> bytes:
    """The MessagePack map of ``message``."""
    cls = type(message)
    content: dict[str, Any] = {"v": VERSION, "type": _NAMES[cls]}
    for name in _FIELDS[cls]:
        content[name] = getattr(message, name)
    packed: bytes = msgpack.packb(content, default=_as_map)
    return packed


def _as_map(value: Any) -> dict[str, Any]:
    """What MessagePack has no form for: a dataclass, or an integer over 64 bit."""
    if not is_dataclass(value) or isinstance(value, type):
        raise OverflowError(f"{value!r} has no MessagePack form")
    return asdict(value)


def decode(data: bytes) -> Message:
    """Read one message.

    Raises:
        ControlError: too long, not a map, another version, an unknown type, a missing, unknown or
            wrongly typed field.
    """
    if len(data) > MAX_BYTES:
        raise ControlError(f"a control message of {len(data)} bytes is over {MAX_BYTES}")
    try:
        content = read_packed(data)
    except UnreadableError as error:
        raise ControlError(f"a control message is {error}") from error
    if not isinstance(content, dict):
        raise ControlError(f"a control message must be a map, got {type(content).__name__}")
    version, name = content.pop("v", None), content.pop("type", None)
    if version != VERSION:
        raise ControlError(f"control version {version!r} is unknown, this process speaks {VERSION}")
    cls = MESSAGES.get(name) if isinstance(name, str) else None
    if cls is None:
        raise ControlError(f"control type {name!r} is unknown")
    unknown = content.keys() - set(_FIELDS[cls])
    if unknown:
        raise ControlError(f"{name} has unknown fields {sorted(unknown)}")
    try:
        return msgspec.convert(content, cls)
    except msgspec.ValidationError as error:
        raise ControlError(f"{name} has a wrong field: {error}") from error

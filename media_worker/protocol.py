"""What travels on a browser's data channels: control JSON both ways, and audio frames.

Reading is bounded and typed; a message that cannot be read raises ``BrowserMessageError`` with a
code and one sentence, which goes back to that browser as ``error``. Fields that a message does not
have are ignored, so that a newer page can say more than this gateway understands.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import msgspec

from mixer_core.bus import frames, pcm
from mixer_core.bus.events import Mode
from mixer_core.runtime.errors import BrowserMessageError

PROTOCOL_VERSION = 1
FRAMED_PROTOCOL = "mixminus.v1"
"""The data channel's ``protocol`` string that chooses frames instead of raw PCM."""
MAX_CONTROL_BYTES = 16 * 1024
MAX_NAME_CHARS = 64
MAX_SAY_CHARS = 4_000
MAX_CALL_CHARS = 128
FRAME_MESSAGE_BYTES = frames.HEADER_BYTES + pcm.FRAME_BYTES
_MAX_MS = 1e9
_AUDIO = int(frames.Kind.AUDIO)

_Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARS)]
_Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float
_Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=_MAX_MS)]


@dataclass(frozen=True, slots=True)
class Hello:
    """Who sits there."""

    name: _Name
    """What to call this participant; empty: keep the name it joined with."""
    place: _Name = ""
    """Where the device is, in words."""


@dataclass(frozen=True, slots=True)
class Mute:
    """The microphone goes off or on."""

    muted: bool


@dataclass(frozen=True, slots=True)
class Ptt:
    """The push-to-talk button went down or up."""

    down: bool


@dataclass(frozen=True, slots=True)
class Say:
    """A typed line for the assistant."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SAY_CHARS)]


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop the reply."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """Somebody's answer to the question whether a tool may be used."""

    call: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CALL_CHARS)]
    """Id of the call, as the ``tool`` event had it."""
    allow: bool


@dataclass(frozen=True, slots=True)
class Played:
    """How much of the reply has come out of the loudspeaker."""

    epoch: Annotated[int, msgspec.Meta(ge=0, le=frames.U16)]
    played_ms: _Milliseconds
    """Place in the epoch's sound; frames that were lost on the way count."""
    buffered_ms: _Milliseconds
    stamp_ns: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | msgspec.UnsetType = msgspec.UNSET
    """Stamp, as its header had it, of the newest frame of which a sample was played."""
    offset_samples: (
        Annotated[float, msgspec.Meta(ge=0, le=pcm.FRAME_SAMPLES)] | msgspec.UnsetType
    ) = msgspec.UNSET
    """How many samples of that frame were."""
    last: bool | msgspec.UnsetType = msgspec.UNSET
    """The epoch is over here: the answer to a flush."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Heartbeat; answered with ``pong`` and the same ``t``."""

    t: _Number = 0


BrowserMessage = Hello | Mute | Ptt | Say | Interrupt | Confirm | Played | Ping

MESSAGES: dict[str, type[BrowserMessage]] = {
    "hello": Hello,
    "mute": Mute,
    "ptt": Ptt,
    "say": Say,
    "interrupt": Interrupt,
    "confirm": Confirm,
    "played": Played,
    "ping": Ping,
}
_NAMES = {cls: name for name, cls in MESSAGES.items()}
_DECODER = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()


class ChannelFrame(NamedTuple):
    """One AUDIO frame as a browser sent it; its stream and stamp mean nothing here."""

    epoch: int
    seq: int
    flags: int
    pcm: bytes
    """960 bytes."""


def read_control(text: str) -> BrowserMessage:
    """Read one control message.

    Raises:
        BrowserMessageError: ``too_long``, ``bad_json``, ``unknown_type`` or ``bad_field``.
    """
    size_bytes = len(text.encode("utf-8", "surrogatepass"))
    if size_bytes > MAX_CONTROL_BYTES:
        raise BrowserMessageError(
            "too_long", f"a control message of {size_bytes} bytes is over {MAX_CONTROL_BYTES}"
        )
    try:
        content = _DECODER.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BrowserMessageError("bad_json", f"this text is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise BrowserMessageError("bad_json", "a control message is a JSON object with `type`")
    return _typed(content)


def _typed(content: dict[str, Any]) -> BrowserMessage:
    name = content.pop("type", None)
    cls = MESSAGES.get(name) if isinstance(name, str) else None
    if cls is None:
        shown = repr(name)[:40]
        raise BrowserMessageError(
            "unknown_type", f"type {shown} is unknown; there are {', '.join(MESSAGES)}"
        )
    try:
        message = msgspec.convert(content, cls)
    except msgspec.ValidationError as error:
        raise BrowserMessageError("bad_field", f"{name} has a wrong field: {error}") from error
    if isinstance(message, Hello):
        return Hello(clean(message.name), clean(message.place))
    return message


def clean(name: str) -> str:
    """``name`` without control characters, line breaks and doubled or outer spaces."""
    printable = "".join(
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in name
    )
    return " ".join(printable.split())


def read_frame(data: bytes) -> ChannelFrame:
    """Read one binary message of the framed protocol.

    Raises:
        BrowserMessageError: ``frame_version``, ``frame_kind`` or ``frame_length``.
    """
    if len(data) < frames.HEADER_BYTES:
        raise BrowserMessageError(
            "frame_length",
            f"a frame of {len(data)} bytes is shorter than its {frames.HEADER_BYTES}-byte header",
        )
    _, version, kind, epoch, seq, flags, _ = frames.HEADER.unpack_from(data)
    if version != frames.VERSION:
        raise BrowserMessageError(
            "frame_version",
            f"frame version {version} is unknown, this gateway speaks {frames.VERSION}",
        )
    if kind != _AUDIO:
        raise BrowserMessageError("frame_kind", f"frame kind {kind} is not AUDIO ({_AUDIO})")
    if len(data) != FRAME_MESSAGE_BYTES:
        raise BrowserMessageError(
            "frame_length",
            f"an audio frame is {FRAME_MESSAGE_BYTES} bytes with its header, got {len(data)}",
        )
    return ChannelFrame(epoch, seq, flags, data[frames.HEADER_BYTES :])


def name_of(message: BrowserMessage) -> str:
    """Its ``type``."""
    return _NAMES[type(message)]


def event_of(message: BrowserMessage) -> dict[str, Any]:
    """``message`` as the map that travels to the room's link (with its ``type``)."""
    content = msgspec.to_builtins(message)
    return {"type": name_of(message), **content}


def to_json(content: dict[str, Any]) -> str:
    """The control text of a map (JSON; not-a-number becomes null)."""
    return _ENCODER.encode(content).decode()


@dataclass(frozen=True, slots=True)
class Manners:
    """How this gateway's assistant is talked with; a page shows it."""

    push_to_talk: bool = False
    """The assistant hears the room only while somebody holds a button (``ptt``)."""
    speaks: bool = True
    """It answers with sound; otherwise in captions only."""


def welcome(
    room: str, participant: str, mode: Mode, stream: int, epoch: int, manners: Manners
) -> str:
    """The first control message: the participant is in the room."""
    return to_json(
        {
            "type": "welcome",
            "room": room,
            "participant": participant,
            "mode": mode,
            "version": PROTOCOL_VERSION,
            "stream": stream,
            "epoch": epoch,
            "push_to_talk": manners.push_to_talk,
            "speaks": manners.speaks,
        }
    )


def flush(epoch: int) -> str:
    """Audio of older epochs is void."""
    return to_json({"type": "flush", "epoch": epoch})


def pong(t: int | float) -> str:
    """The answer to a ping."""
    return to_json({"type": "pong", "t": t})


def error(code: str, message: str) -> str:
    """Something went wrong; ``message`` is a sentence for people."""
    return to_json({"type": "error", "code": code, "message": message})

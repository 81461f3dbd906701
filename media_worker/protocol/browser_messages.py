"""The control messages of a browser: bounded, typed JSON.

A message that cannot be read raises ``BrowserMessageError`` with a code and one sentence, which the
browser gets as ``error``. Unknown fields are ignored, so that a newer page may say more than this
gateway understands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from mixer_core.bus import frames, names, pcm, place
from mixer_core.runtime.errors import BrowserMessageError, UnreadableError
from mixer_core.runtime.foreign_data import read_json_by

MAX_CONTROL_BYTES = 16 * 1024
MAX_SAY_CHARS = 4_000
MAX_CALL_CHARS = 128
_MAX_MS = 1e9

_Name = Annotated[str, msgspec.Meta(max_length=4 * names.MAX_NAME_CHARACTERS)]
_Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float
_Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=_MAX_MS)]


@dataclass(frozen=True, slots=True)
class Hello:
    """Who the participant is."""

    name: _Name
    """What to call this participant; empty keeps the name it joined with."""


@dataclass(frozen=True, slots=True)
class Mute:
    """The microphone is switched off or on."""

    muted: bool


@dataclass(frozen=True, slots=True)
class Ptt:
    """The push-to-talk button went down or up."""

    down: bool
    held_ms: _Milliseconds | msgspec.UnsetType = msgspec.UNSET
    """How long it was down, by the clock of the page: both messages may arrive at one moment."""


@dataclass(frozen=True, slots=True)
class Say:
    """A typed line for the assistant."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SAY_CHARS)]


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop the reply."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """Somebody's answer to whether a tool may be used."""

    call: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CALL_CHARS)]
    """Id of the tool call, from the ``tool`` event."""
    allow: bool


@dataclass(frozen=True, slots=True)
class Played:
    """How much of the reply the browser has played."""

    epoch: Annotated[int, msgspec.Meta(ge=0, le=frames.U16)]
    played_ms: _Milliseconds
    """Playback position in the audio of the epoch; frames lost on the way count."""
    buffered_ms: _Milliseconds
    stamp_ns: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | msgspec.UnsetType = msgspec.UNSET
    """Stamp in the header of the newest frame of which a sample was played."""
    offset_samples: (
        Annotated[float, msgspec.Meta(ge=0, le=pcm.FRAME_SAMPLES)] | msgspec.UnsetType
    ) = msgspec.UNSET
    """How many samples of that frame were played."""
    last: bool | msgspec.UnsetType = msgspec.UNSET
    """Nothing more of the epoch will be played: the answer to a flush."""


@dataclass(frozen=True, slots=True)
class Move:
    """The device is in another physical room."""

    name: _Name
    """Of the place; empty: a place of its own."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """What the device's sound is for."""

    use: place.Speaker


@dataclass(frozen=True, slots=True)
class Record:
    """The room is to be recorded; or its recording ends: whoever objects ends it."""

    on: bool


@dataclass(frozen=True, slots=True)
class Ping:
    """Heartbeat, answered with ``pong`` and the same ``t``."""

    t: _Number = 0


BrowserMessage = (
    Hello | Mute | Ptt | Say | Interrupt | Confirm | Played | Move | Speaker | Record | Ping
)

MESSAGES: dict[str, type[BrowserMessage]] = {
    "hello": Hello,
    "mute": Mute,
    "ptt": Ptt,
    "say": Say,
    "interrupt": Interrupt,
    "confirm": Confirm,
    "played": Played,
    "place": Move,
    "speaker": Speaker,
    "record": Record,
    "ping": Ping,
}
_NAMES = {cls: name for name, cls in MESSAGES.items()}
_DECODER = msgspec.json.Decoder(dict[str, Any])


def read_control(text: str) -> BrowserMessage:
    """Read one control message.

    Raises:
        BrowserMessageError: ``too_long``, ``bad_json``, ``unknown_type``, ``bad_field``,
            ``bad_name``, ``bad_place``.
    """
    size_bytes = len(text.encode("utf-8", "surrogatepass"))
    if size_bytes > MAX_CONTROL_BYTES:
        raise BrowserMessageError(
            "too_long", f"a control message of {size_bytes} bytes is over {MAX_CONTROL_BYTES}"
        )
    try:
        return _typed(read_json_by(text, _DECODER))
    except UnreadableError as error:
        raise BrowserMessageError("bad_json", f"this text is {error}") from error


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
        return Hello(_checked(message.name, "bad_name"))
    return Move(_checked(message.name, "bad_place")) if isinstance(message, Move) else message


def _checked(name: str, code: str) -> str:
    """A name, tidied; places follow the rules of people's names."""
    name = names.tidy(name)
    reason = names.refusal(name)
    if reason:
        raise BrowserMessageError(code, reason)
    return name


def name_of(message: BrowserMessage) -> str:
    """Its ``type``."""
    return _NAMES[type(message)]


def event_of(message: BrowserMessage) -> dict[str, Any]:
    """``message`` with its ``type``, as the map that goes to the room's link."""
    content = msgspec.to_builtins(message)
    return {"type": name_of(message), **content}

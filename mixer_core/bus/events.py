"""Payloads of START and EVENT frames: bounded MessagePack maps."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import msgpack
import msgspec

from ..runtime.errors import FrameError, UnreadableError
from ..runtime.foreign_data import read_packed
from .frames import MAX_PAYLOAD_BYTES
from .place import Place
from .roles import Role
from .rules import ChosenAddress

StreamRole = Literal["browser", "link"]
Mode = Literal["assistant", "conference"]


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """Who a stream is: the payload of START."""

    role: StreamRole
    room: str
    """Name of the room."""
    participant: str = ""
    """The participant's id; empty for a link."""
    name: str = ""
    """What people call the participant; empty for a link."""
    muted: bool = False
    """The participant's microphone is off."""
    mode: Mode = "assistant"
    """``conference``: browsers hear each other too."""
    access: Role = "admin"
    """What the participant may do."""
    verified: bool = False
    """The participant's name comes from an invitation."""
    place: Place = field(default_factory=Place)
    """Of a participant's device."""
    address: ChosenAddress = ""
    """When the assistant answers, as an admin has decided for the participant's room."""
    records: bool = False
    """Of a link: it wants each voice by itself, too."""
    opened_ns: int = 0
    """Of a link: when it was opened (monotonic). Of several in a room the latest is the one."""

    def encode(self) -> bytes:
        """The payload."""
        return encode_map(asdict(self))

    @staticmethod
    def decode(payload: bytes) -> StreamInfo:
        """Read the payload of a START. Raises FrameError."""
        try:
            return msgspec.convert(decode_map(payload), StreamInfo)
        except msgspec.ValidationError as error:
            raise FrameError(f"a START frame has a wrong field: {error}") from error


def encode_map(content: dict[str, Any]) -> bytes:
    """MessagePack of ``content``. Raises FrameError over 16 KiB."""
    payload: bytes = msgpack.packb(content)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise FrameError(f"an event of {len(payload)} bytes is over {MAX_PAYLOAD_BYTES}")
    return payload


def decode_map(payload: bytes) -> dict[str, Any]:
    """Read a map with string keys. Raises FrameError on anything else."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise FrameError(f"an event of {len(payload)} bytes is over {MAX_PAYLOAD_BYTES}")
    try:
        content = read_packed(payload)
    except UnreadableError as error:
        raise FrameError(f"an event is {error}") from error
    if not isinstance(content, dict):
        raise FrameError(f"an event must be a map, got {type(content).__name__}")
    return content


def decode_event(payload: bytes) -> dict[str, Any]:
    """Read the payload of an EVENT: a map whose ``type`` is a string. Raises FrameError."""
    content = decode_map(payload)
    if not isinstance(content.get("type"), str):
        raise FrameError("an event needs a string in `type`")
    return content

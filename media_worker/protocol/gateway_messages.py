"""The control messages of the gateway to a browser, as JSON text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from mixer_core.bus.events import Mode, StreamInfo
from mixer_core.bus.rules import AdminRules

PROTOCOL_VERSION = 1
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class AssistantTraits:
    """How people talk with this gateway's assistant; a page shows it."""

    push_to_talk: bool = False
    """The assistant hears the room only while somebody holds a button (``ptt``)."""
    speaks: bool = True
    """It answers aloud; otherwise in captions only."""
    image_max_edge_px: int = 0
    """Longest edge of a picture that people may show it; 0: none may be shown."""
    image_max_bytes: int = 0
    """Largest one."""


def to_json(content: dict[str, Any]) -> str:
    """A map as JSON; not-a-number and infinity become null."""
    return _ENCODER.encode(content).decode()


def welcome(
    info: StreamInfo,
    stream: int,
    epoch: int,
    assistant: AssistantTraits,
    rules: AdminRules,
    silenced: bool,
) -> str:
    """The first control message: the participant is in the room.

    ``silenced``: they are muted, and only an admin can unmute them.
    """
    return to_json(
        {
            "type": "welcome",
            "room": info.room,
            "participant": info.participant,
            "name": info.name,
            "role": info.access,
            "verified": info.verified,
            "mode": info.mode,
            "version": PROTOCOL_VERSION,
            "stream": stream,
            "epoch": epoch,
            "push_to_talk": assistant.push_to_talk,
            "speaks": assistant.speaks,
            "images": _images(assistant),
            "rules": msgspec.to_builtins(rules),
            "silenced": silenced,
        }
    )


def _images(assistant: AssistantTraits) -> dict[str, int] | None:
    """What pictures may be; None: there are none."""
    if not assistant.image_max_edge_px:
        return None
    return {"max_edge_px": assistant.image_max_edge_px, "max_bytes": assistant.image_max_bytes}


def flush(epoch: int) -> str:
    """Audio of older epochs is void."""
    return to_json({"type": "flush", "epoch": epoch})


def room(mode: Mode, rules: AdminRules) -> str:
    """The room has changed."""
    return to_json({"type": "room", "mode": mode, "rules": msgspec.to_builtins(rules)})


def bye(code: str, message: str) -> str:
    """The participant has to leave; the connection ends. ``message`` is a sentence for people."""
    return to_json({"type": "bye", "code": code, "message": message})


def notice(code: str, message: str, in_ms: int) -> str:
    """Something about the gateway that lasts until the same code comes with an empty message.

    ``in_ms``: time until it happens; 0: it is so now.
    """
    return to_json({"type": "notice", "code": code, "message": message, "in_ms": in_ms})


def silenced(muted: bool, locked: bool) -> str:
    """An admin has muted the participant, or lets them speak; ``locked``: they cannot unmute."""
    return to_json({"type": "silenced", "muted": muted, "locked": locked})


def pong(t: int | float) -> str:
    """The answer to a ping."""
    return to_json({"type": "pong", "t": t})


def error(code: str, message: str) -> str:
    """Something went wrong; ``message`` is a sentence for people."""
    return to_json({"type": "error", "code": code, "message": message})

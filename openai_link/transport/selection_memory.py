"""How the rooms of this host have learnt to reach their server: one small file for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from .selection import REMEMBER_SERVER_NS

_NAME = "openai_link.reached"


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is known of one server."""

    base_url: str
    """Of the server."""
    websocket_until_ns: int = 0
    """Until when a WebSocket is preferred (monotonic); 0: it is not."""
    way: str = ""
    """How it takes calls by WebRTC (``ways``), where it is not as the settings say."""


def recall(runtime_dir: Path, base_url: str, now_ns: int) -> Learnt:
    """What was learnt of the server at ``base_url``; of another one nothing is believed."""
    try:
        learnt = msgspec.json.decode((runtime_dir / _NAME).read_bytes(), type=Learnt)
    except (OSError, msgspec.MsgspecError):
        return Learnt(base_url)
    if learnt.base_url != base_url:
        return Learnt(base_url)
    is_plausible = now_ns < learnt.websocket_until_ns <= now_ns + REMEMBER_SERVER_NS
    return Learnt(base_url, learnt.websocket_until_ns if is_plausible else 0, learnt.way)


def remember(runtime_dir: Path, learnt: Learnt) -> None:
    """Tell rooms that open later. A directory that cannot be written does not matter."""
    path = runtime_dir / _NAME
    try:
        if learnt.websocket_until_ns or learnt.way:
            path.write_bytes(msgspec.json.encode(learnt))
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return

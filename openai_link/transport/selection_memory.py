"""How the rooms of this host have learnt to reach their server: one small file for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from mixer_core.runtime.files import read_file, replace_file
from mixer_core.runtime.units import S_NS

from .selection import REMEMBER_SERVER_NS

MAX_WAIT_NS = 60 * S_NS
"""Longer waits are kept by the room that was told of them, and end with a restart."""
MAX_BYTES = 65_536
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
    allowed_ns: int = 0
    """It wants no call before (monotonic); 0: it has not said so."""


def recall(runtime_dir: Path, base_url: str, now_ns: int) -> Learnt:
    """What was learnt of the server at ``base_url``; of another one nothing is believed."""
    try:
        learnt = msgspec.json.decode(read_file(runtime_dir / _NAME, MAX_BYTES), type=Learnt)
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return Learnt(base_url)
    if learnt.base_url != base_url:
        return Learnt(base_url)
    until_ns, allowed_ns = learnt.websocket_until_ns, learnt.allowed_ns
    is_preferred = now_ns < until_ns <= now_ns + REMEMBER_SERVER_NS
    is_shut = now_ns < allowed_ns <= now_ns + MAX_WAIT_NS
    return Learnt(
        base_url, until_ns if is_preferred else 0, learnt.way, allowed_ns if is_shut else 0
    )


def remember(runtime_dir: Path, learnt: Learnt) -> None:
    """Tell rooms that open later. A directory that cannot be written does not matter."""
    path = runtime_dir / _NAME
    try:
        if learnt != Learnt(learnt.base_url):
            replace_file(path, msgspec.json.encode(learnt))
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return

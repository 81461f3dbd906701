"""What a room and a person may be called, and what an offer must look like at least. Sans-I/O."""

from __future__ import annotations

import re

from mixer_core.runtime.errors import ProblemError

MAX_NAME_CHARACTERS = 64
DEFAULT_NAME = "Guest"
ROOM_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_JOINER = "\u200d"
"""Zero-width joiner: no printable character, but part of many emoji."""


def check_room(room: str) -> str:
    """``room`` itself. Raises ProblemError (400) where it is no room name."""
    if not ROOM_NAME.fullmatch(room):
        raise ProblemError(
            400,
            "Bad room name",
            "a room name is 1 to 64 of a-z, 0-9, '-' and '_', and begins with a letter or digit",
        )
    return room


def check_name(name: str) -> str:
    """``name`` without outer blanks, ``Guest`` for an empty one. Raises ProblemError (400)."""
    name = name.strip(" ")
    if len(name) > MAX_NAME_CHARACTERS:
        raise ProblemError(
            400, "Bad name", f"a name has at most {MAX_NAME_CHARACTERS} characters, got {len(name)}"
        )
    if not all(character.isprintable() or character == _JOINER for character in name):
        raise ProblemError(400, "Bad name", "a name has no control characters")
    return name or DEFAULT_NAME


def check_offer(sdp: str) -> str:
    """``sdp`` itself. Raises ProblemError (400) where it cannot be a data-channel offer."""
    if not sdp.strip():
        raise ProblemError(400, "Bad SDP", "the body is empty: send an SDP offer")
    if not sdp.startswith("v=0"):
        raise ProblemError(400, "Bad SDP", "an SDP offer begins with the line v=0")
    if "\nm=application " not in sdp:
        raise ProblemError(
            400,
            "Bad SDP",
            "the offer has no data channel (m=application): create the channel `audio` first",
        )
    return sdp

"""Checks of room names, display names and offers. Sans-I/O."""

from __future__ import annotations

import re

from mixer_core.bus import names
from mixer_core.runtime.errors import ProblemError

DEFAULT_NAME = "Guest"
ROOM_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def check_room(room: str) -> str:
    """Return ``room``. Raises ProblemError (400) if it is not a valid room name."""
    if not ROOM_NAME.fullmatch(room):
        raise ProblemError(
            400,
            "Bad room name",
            "a room name is 1 to 64 of a-z, 0-9, '-' and '_', and starts with a letter or digit",
        )
    return room


def check_name(name: str) -> str:
    """Return ``name`` tidied, or ``Guest``. Raises ProblemError (400), see ``bus.names``."""
    name = names.tidy(name)
    reason = names.refusal(name)
    if reason:
        raise ProblemError(400, "Bad name", reason)
    return name or DEFAULT_NAME


def check_offer(sdp: str) -> str:
    """Return ``sdp``. Raises ProblemError (400) if it is not an offer with a data channel."""
    if not sdp.strip():
        raise ProblemError(400, "Bad SDP", "the body is empty: send an SDP offer")
    if not sdp.startswith("v=0"):
        raise ProblemError(400, "Bad SDP", "an SDP offer starts with the line v=0")
    if "\nm=application " not in sdp:
        raise ProblemError(
            400,
            "Bad SDP",
            "the offer has no data channel (m=application): create the channel `audio` first",
        )
    return sdp

"""Checks of room names, display names and offers. Sans-I/O."""

from __future__ import annotations

from collections.abc import Collection

from mixer_core.bus import names
from mixer_core.runtime.errors import ProblemError
from mixer_core.runtime.room_rules import ROOM_NAME, ROOM_NAME_WORDS

DEFAULT_NAME = "Guest"
MAX_MEDIA = 3
"""Sections of an offer: the data channel, and what else a browser may have switched on. Each takes
sockets of a worker, where they are not bundled."""
MAX_CANDIDATES = 128
"""Many more than a host with VPNs, containers and relays has."""
MAX_LINES = 1_000


def check_room(room: str) -> str:
    """Return ``room``. Raises ProblemError (400) if it is not a valid room name."""
    if not ROOM_NAME.fullmatch(room):
        raise ProblemError(400, "Bad room name", f"a room name is {ROOM_NAME_WORDS}")
    return room


def check_name(name: str) -> str:
    """Return ``name`` tidied, or ``Guest``. Raises ProblemError (400), see ``bus.names``."""
    name = names.tidy(name)
    reason = names.refusal(name)
    if reason:
        raise ProblemError(400, "Bad name", reason)
    return name or DEFAULT_NAME


def check_place(name: str) -> str:
    """Return the name of a place, tidied. Raises ProblemError (400): the rules are a name's."""
    name = names.tidy(name)
    reason = names.refusal(name)
    if reason:
        raise ProblemError(400, "Bad place", f"{reason} (this is the name of a place)")
    return name


def name_key(name: str) -> str:
    """What two names have in common that can be mistaken for each other."""
    return names.skeleton(name) or names.tidy(name)


def free_name(wanted: str, taken: Collection[str]) -> str:
    """The name for a guest.

    Args:
        wanted: empty: any.
        taken: names of others, present or in invitations.

    Raises:
        ProblemError: 409 if somebody else has it.
    """
    keys = {name_key(name) for name in taken}
    name = check_name(wanted)
    if name_key(name) not in keys:
        return name
    if not wanted.strip():
        numbers = (f"{DEFAULT_NAME} {number}" for number in range(2, len(keys) + 3))
        return next(other for other in numbers if name_key(other) not in keys)
    raise ProblemError(
        409, "Name taken", f"{name} is the name of somebody else: choose another name"
    )


def check_offer(sdp: str) -> str:
    """Return ``sdp``.

    Raises:
        ProblemError: 400 if it is not an offer with a data channel, or longer than any browser's.
    """
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
    lines = sdp.splitlines()
    if len(lines) != len(sdp.removesuffix("\n").split("\n")):
        words = "the offer has characters that end a line, other than CR LF: SDP knows none"
        raise ProblemError(400, "Bad SDP", words)
    counts = {
        "lines": (len(lines), MAX_LINES),
        "m= lines": (sum(line.startswith("m=") for line in lines), MAX_MEDIA),
        "candidates": (sum(line.startswith("a=candidate") for line in lines), MAX_CANDIDATES),
    }
    for what, (count, most) in counts.items():
        if count > most:
            raise ProblemError(
                400, "Bad SDP", f"the offer has {count} {what}: at most {most} are read"
            )
    return sdp

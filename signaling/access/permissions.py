"""What each role may ask of the HTTP API. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from mixer_core.bus.roles import Role, at_least
from mixer_core.runtime.errors import ProblemError

from .identity import Identity

Action = Literal[
    "look",
    "join",
    "show",
    "history",
    "transcript",
    "delete",
    "record",
    "invite",
    "mute",
    "remove",
    "change",
    "close",
    "operate",
]

LEAST: Mapping[Action, Role] = {
    "look": "listen",
    "join": "listen",
    "show": "speak",
    "history": "speak",
    "transcript": "admin",
    "delete": "admin",
    "record": "admin",
    "invite": "admin",
    "mute": "admin",
    "remove": "admin",
    "change": "admin",
    "close": "admin",
    "operate": "admin",
}
"""The least role for each action; everybody may leave by their own address."""
_WHO: Mapping[Role, str] = {"speak": "those who may speak", "admin": "an admin"}

WORDS: Mapping[Action, str] = {
    "look": "look into a room",
    "join": "join a room",
    "show": "show the assistant pictures",
    "history": "read what was said before",
    "transcript": "read the transcript",
    "delete": "delete what was said",
    "record": "have the recordings of a room",
    "invite": "invite others",
    "mute": "mute others",
    "remove": "remove others",
    "change": "change the room",
    "close": "close the room",
    "operate": "see the state of the whole gateway",
}


def check(identity: Identity, action: Action, room: str | None = None) -> None:
    """Raise ProblemError (403) unless ``identity`` may do ``action`` in ``room``.

    ``room``: None for what concerns no single room.
    """
    least = LEAST[action]
    if not at_least(identity.role, least):
        raise ProblemError(
            403,
            "Not allowed",
            f"only {_WHO[least]} may {WORDS[action]}, and you are here to {identity.role}: "
            "ask an admin of the room",
        )
    if room is None:
        if action == "operate" and identity.rooms is not None:
            raise ProblemError(
                403, "Not allowed", "your invitation is for single rooms, not for the whole gateway"
            )
        return
    if identity.rooms is not None and room not in identity.rooms:
        raise ProblemError(
            403,
            "Wrong room",
            f"your invitation is for {_listed(identity.rooms)}, not for {room[:64]}: open that "
            "room, or ask for an invitation to this one",
        )
    if room in identity.banned:
        raise ProblemError(
            403,
            "Removed",
            f"an admin has removed you from {room}: ask for a new invitation if that was a mistake",
        )


def may_enter(identity: Identity, room: str) -> bool:
    """Whether a list of rooms shows this one."""
    return (identity.rooms is None or room in identity.rooms) and room not in identity.banned


def _listed(rooms: tuple[str, ...]) -> str:
    return "no room" if not rooms else "the room " + " or ".join(rooms)

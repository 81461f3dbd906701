"""What holds in a room: the sections ``[rooms.NAME]``.

What a room's section does not say is as in ``[rooms._others]``; what that does not say either is as
in the programs' own settings, where one of them has a key for it, else as declared here. The
programs add those settings when they ask (``Rooms.rules``), so each knows a room by one object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from .named_sections import NamedSections
from .settings import AT_THE_NEXT_SESSION

ROOM_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""A room's name, whole."""
ROOM_NAME_WORDS = "1 to 64 of a-z, 0-9, '-' and '_', and starts with a letter or digit"
OTHERS = "_others"
"""In place of a name: every room without a section, and what the sections of the others leave out.
No room can have this name."""
USUAL_NAME = "assistant"
"""What an assistant is called that has no name."""

Name = Annotated[str, msgspec.Meta(max_length=40, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
Mode = Literal["assistant", "conference"]
Address = Literal["always", "addressed", "push_to_talk", "open"]


@dataclass(frozen=True, slots=True)
class RoomRules:
    """One room."""

    applies = "now"

    mode: Mode = "assistant"
    """What people hear: the assistant, or each other too (conference)."""
    persona: Name = ""
    """Name of the assistant, as the page shows it; empty: none."""
    instructions: str = ""
    """Instructions for the model."""
    voice: Annotated[str, AT_THE_NEXT_SESSION] = ""
    """Voice of the assistant; also in place of voice_id."""
    model: Annotated[str, AT_THE_NEXT_SESSION] = ""
    """Name of the Realtime model."""
    tools: tuple[str, ...] = ("*",)
    """Names of the tools that the assistant may use in this room, as it is told them; * stands for
    any letters: files__* are those of the MCP server files. An empty list: none."""
    language: Annotated[str, msgspec.Meta(pattern=r"^([a-z]{2,3})?\Z")] = ""
    """Language of the room (ISO 639-1, such as de), a hint for the transcription; empty: any."""
    daily_budget_usd: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] = 0.0
    """Budget of this room for a day (local time), within that of all rooms: a warning at 80 %, a
    stop at 100 %; 0: no limit of its own."""
    address: Address = "always"
    """When the assistant answers: always; only when it is addressed by name, as soon as two people
    are present (addressed); the same, but without a name for a while after each reply (open); only
    when somebody holds the button (push_to_talk)."""
    address_names: tuple[Annotated[Name, msgspec.Meta(min_length=1)], ...] = ()
    """Names that it answers to; empty: its persona's, else assistant."""
    address_open_s: Annotated[float, msgspec.Meta(ge=0, le=3_600)] = 10.0
    """How long after a reply no name is needed (address open)."""
    transcript: bool = True
    """Whether what is said and done is kept in the journal."""
    transcribe_each: bool = False
    """Whether everybody who speaks is also written down by themselves, where several are present:
    exact words and names, at the price of one more transcription of what is said."""
    recording: bool = False
    """Whether people may record the room."""
    labels: tuple[str, ...] = ()
    """In a cluster: what the machine must have that gets the room the next time, such as gpu
    ([cluster] labels)."""

    @property
    def called(self) -> tuple[str, ...]:
        """The names that the assistant answers to; never empty."""
        return self.address_names or (self.persona or USUAL_NAME,)


class Rooms(NamedSections):
    """All sections ``[rooms.NAME]``."""

    entry = RoomRules

    def rules(self, room: str, **usual: Any) -> RoomRules:
        """What holds in ``room``, which may have any name.

        Args:
            room: its name.
            usual: values of keys that the programs' own settings have, for a room of which
                nothing else is said.
        """
        return RoomRules(**{**usual, **self.said(room)})

    def said(self, room: str) -> dict[str, Any]:
        """The keys that the sections set for ``room``."""
        own = self.get(room, {}) if ROOM_NAME.fullmatch(room) else {}
        return {**self.get(OTHERS, {}), **own}

    @staticmethod
    def name_refusal(name: str) -> str:
        """As the registry of rooms sees it."""
        if name == OTHERS or ROOM_NAME.fullmatch(name):
            return ""
        return (
            f"there can be no room {name!r}: a room name is {ROOM_NAME_WORDS}; "
            f"{OTHERS} is for all rooms without a section"
        )

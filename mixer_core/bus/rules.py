"""What an admin has decided for a room. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Speaker = Literal["speak", "admin"]
ChosenAddress = Literal["", "always", "addressed", "push_to_talk", "open"]
"""When the assistant answers (``runtime.room_rules.Address``); empty: as the settings say."""


@dataclass(frozen=True, slots=True)
class AdminRules:
    """Beside those of the settings; they last as long as somebody is in it."""

    locked: bool = False
    """Nobody new comes in but admins. Who was in the room before may come back."""
    enter_muted: bool = False
    """Who comes in is muted until an admin lets them speak; admins are not."""
    stop: Speaker = "admin"
    """The least role that may stop the assistant."""
    confirm: Speaker = "speak"
    """The least role that may answer whether a tool may be used."""
    address: ChosenAddress = ""
    """When the assistant answers."""

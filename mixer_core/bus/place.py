"""Where a device is: the devices of one place are in one physical room. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Speaker = Literal["auto", "take", "headphones"]
"""What a person asks of a device's sound: as it comes; to play for the place; to play for the ears
of one person, whatever else plays there."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of one device, and what its person asked of its sound.

    Times are monotonic, so that whoever hears of two devices knows which of them was first.
    """

    name: str = ""
    """As people call it; empty: a place of its own."""
    came_ns: int = 0
    """When the device came there: the one that came first plays."""
    asked_ns: int = 0
    """When a person asked that this device plays; the last one that was asked does. 0: never."""
    headphones: bool = False
    """It plays for the ears of one person, besides the one that plays for the place."""
    held: bool = False
    """Its talk button is held: its microphone is the one of the place."""

    @property
    def key(self) -> str:
        """The same for all devices of one place; empty for one of its own."""
        return self.name.casefold()

    def moved(self, name: str, now_ns: int) -> Place:
        """At another place from now on; ``name`` has been checked. The button stays held."""
        if name.casefold() == self.key:
            return replace(self, name=name)
        return Place(name, now_ns if name else 0, headphones=self.headphones, held=self.held)

    def sounding(self, speaker: Speaker, now_ns: int) -> Place:
        """With what a person asks of its sound."""
        asked_ns = now_ns if speaker == "take" else 0
        return replace(self, asked_ns=asked_ns, headphones=speaker == "headphones")

    def pressed(self, down: bool) -> Place:
        """With the talk button held, or not."""
        return replace(self, held=down)

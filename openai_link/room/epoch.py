"""The room's epoch: a flush begins a new one, and audio of an older one is never played."""

from __future__ import annotations

from mixer_core.bus.frames import U16, newest_epoch


class EpochCounter:
    """Shared by the sessions of a room."""

    def __init__(self) -> None:
        self.number = 0
        """16 bits; it wraps around."""

    def begin(self) -> int:
        """Begin the next epoch and return its number."""
        self.number = (self.number + 1) & U16
        return self.number

    def seen(self, number: int) -> None:
        """The mixer is at ``number``: another process of this link may have been there before."""
        self.number = newest_epoch(number, self.number)

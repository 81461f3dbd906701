"""The room's epoch: a flush begins a new one, and audio of an older one is never played."""

from __future__ import annotations

from mixer_core.bus.frames import U16, newest_epoch
from mixer_core.runtime.token_bucket import TokenBucket

SILENT_PER_S, SILENT_AT_ONCE = 5, 20
"""Epochs that begin although nothing was to be heard of the one before."""


class EpochCounter:
    """Shared by the sessions of a room."""

    def __init__(self) -> None:
        self.number = 0
        """16 bits; it wraps around."""
        self._is_used = False
        self._silent = TokenBucket(SILENT_PER_S, SILENT_AT_ONCE)

    def used(self) -> None:
        """Sound goes out in this epoch."""
        self._is_used = True

    def may_begin(self, now_ns: int) -> bool:
        """Whether a flush begins an epoch: where nothing is to be flushed, only so often."""
        return self._silent.take(now_ns) or self._is_used

    def begin(self) -> int:
        """Begin the next epoch and return its number."""
        self._is_used = False
        self.number = (self.number + 1) & U16
        return self.number

    def seen(self, number: int) -> None:
        """The mixer is at ``number``: another process of this link may have been there before."""
        self.number = newest_epoch(number, self.number)

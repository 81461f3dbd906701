"""Frames that wait in a jitter buffer without ever being needed: they only add delay. Sans-I/O."""

from __future__ import annotations

from .quiet_moment import QuietMoment

WATCH_POPS = 50
"""Frames that stayed unused over this many pops (1 s) are surplus."""
FIRST_POPS = 15
"""At the beginning of a spurt, which often starts with a burst, this many pops (0.3 s) will do."""


class SurplusWatch:
    """Watches the depth of one buffer; tells how many frames to drop, and when."""

    __slots__ = ("_least_depth", "_moment", "_pops", "frames")

    def __init__(self) -> None:
        self.frames = 0
        """Frames to drop."""
        self._least_depth = 0
        self._pops = 0
        self._moment = QuietMoment()

    def begin_spurt(self) -> None:
        """The first frame of a spurt is about to be popped."""
        self._pops = WATCH_POPS - FIRST_POPS
        self._least_depth = -1  # None was seen.

    def end_spurt(self) -> None:
        """The buffer is empty: there is nothing to drop."""
        self.frames = 0

    def popped(self, depth: int) -> None:
        """A frame was popped, and ``depth`` frames still wait."""
        if depth < self._least_depth or self._least_depth < 0:
            self._least_depth = depth
        if depth < self.frames:
            self.frames = depth
        self._pops += 1
        if self._pops >= WATCH_POPS and not self.frames:
            self.frames = self._least_depth
            self._restart(depth)

    def drops_now(self, level_dbfs: float) -> bool:
        """Whether the frame at the head, which has this level, is the one to drop."""
        return self._moment.has_come(level_dbfs)

    def dropped(self, depth: int) -> None:
        """The frame at the head was dropped, and ``depth`` frames still wait."""
        self._restart(depth)

    def _restart(self, depth: int) -> None:
        self._pops, self._least_depth = 0, depth
        self._moment.restart()

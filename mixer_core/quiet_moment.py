"""The best moment to drop a frame: a quiet one if one comes soon, else any. Sans-I/O."""

from __future__ import annotations

QUIET_DBFS = -50.0
"""A frame below this level can be dropped unheard."""
LISTEN_FRAMES = 10
"""This many frames (0.2 s) show what is quiet for this stream…"""
MARGIN_DB = 3.0
"""…then a frame that is hardly louder than the quietest of them will do…"""
PATIENCE_FRAMES = 50
"""…and after this many (1 s) any frame."""


class QuietMoment:
    """Hears the level of one frame after the other and says which is the one to drop."""

    __slots__ = ("_frames", "_quietest_dbfs")

    def __init__(self) -> None:
        self._frames, self._quietest_dbfs = 0, 0.0

    def restart(self) -> None:
        """Begin to listen again."""
        self._frames, self._quietest_dbfs = 0, 0.0

    def has_come(self, level_dbfs: float) -> bool:
        """Whether the next frame, which has this level, is the one to drop."""
        self._frames += 1
        quiet = self._frames > LISTEN_FRAMES and level_dbfs < self._quietest_dbfs + MARGIN_DB
        self._quietest_dbfs = min(self._quietest_dbfs, level_dbfs)
        return quiet or level_dbfs < QUIET_DBFS or self._frames > PATIENCE_FRAMES

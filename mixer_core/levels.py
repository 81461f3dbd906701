"""How loud everybody in a room is: what the browsers' meters show. Sans-I/O."""

from __future__ import annotations

import numpy as np

from .kernels import Tally
from .mixdown import SILENCE_DBFS, dbfs
from .runtime.units import MS_NS

INTERVAL_NS = 100 * MS_NS
"""Time between two sets of levels while somebody talks (10 Hz)."""
SILENT_AFTER_NS = 300 * MS_NS
"""A room without a frame for this time has fallen silent, whether or not its streams said so."""


class LevelMeter:
    """Gathers the energy of one room's voices and tells when their levels are due."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}
        self._heard_ns = 0
        self._due_ns: int | None = None  # None: the room is silent and knows it

    @property
    def awake(self) -> bool:
        """Somebody has been heard since the room was last told that it is silent."""
        return self._due_ns is not None

    def tally(self, voice: str, now_ns: int) -> Tally:
        """Where one frame of ``voice`` (a participant's id, or "assistant") is to be added."""
        if self._due_ns is None:
            self._due_ns = now_ns + INTERVAL_NS
        self._heard_ns = now_ns
        tally = self._tallies.get(voice)
        if tally is None:
            tally = self._tallies[voice] = np.zeros(3, np.int64)
        return tally

    def due(self, now_ns: int, talking: bool) -> dict[str, float] | None:
        """Levels in dBFS by voice when they are due, else None.

        ``talking``: somebody is talking. Once nobody is, everybody is at -100 one last time.
        """
        if self._due_ns is None:
            return None
        if not talking or now_ns - self._heard_ns >= SILENT_AFTER_NS:
            silent = dict.fromkeys(self._tallies, SILENCE_DBFS)
            self._tallies.clear()
            self._due_ns = None
            return silent
        if now_ns < self._due_ns:
            return None
        self._due_ns = now_ns + INTERVAL_NS
        levels = {voice: round(dbfs(tally), 1) for voice, tally in self._tallies.items()}
        for tally in self._tallies.values():
            tally[:] = 0
        return levels

    def next_timeout_ns(self) -> int | None:
        """When to tell a room, whose streams stopped without a PAUSE, that it is silent."""
        return None if self._due_ns is None else self._heard_ns + SILENT_AFTER_NS

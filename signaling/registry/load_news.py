"""Who is told the level of the load, and what the log says of it. Sans-I/O."""

from __future__ import annotations

from .load import REFUSING, LoadView

MAX_KNOWN = 1_024
"""Processes that are remembered; beyond that, those told longest ago are told again."""


class LoadNews:
    """What everybody was told."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, int]] = {}
        """By identity: process and level."""

    def due(self, identity: str, pid: int, level: int) -> int | None:
        """The level, if that process has to be told now; it begins with 0."""
        known_pid, known = self._told.get(identity, (pid, 0))
        if known_pid != pid:
            known = 0
        if known == level:
            return None
        self._told.pop(identity, None)
        self._told[identity] = (pid, level)
        if len(self._told) > MAX_KNOWN:
            del self._told[next(iter(self._told))]
        return level

    def line(self, before: int, now: int, view: LoadView) -> str:
        """What the log says of a change: when newcomers are refused, and when no longer."""
        if now >= REFUSING > before:
            return f"! busy at {view.percent} %: {view.reason}; newcomers get 503"
        if before >= REFUSING > now:
            return f"= no longer busy ({view.percent} %): newcomers come in again"
        return ""

"""How loud everybody in a room is: what the browsers' meters show. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from .bus.events import encode_map
from .kernels import Tally
from .mixdown import SILENCE_DBFS, dbfs
from .runtime.errors import FrameError
from .runtime.units import MS_NS

INTERVAL_NS = 100 * MS_NS
"""Time between two sets of levels while somebody talks (10 Hz)."""
BROWSER_INTERVALS_NS = (INTERVAL_NS, 500 * MS_NS, 1_000 * MS_NS, 1_000 * MS_NS)
"""The same for browsers, by the level of the gateway's load: a set for each takes as much as six
audio frames."""
SILENT_AFTER_NS = 300 * MS_NS
"""A room without a frame for this time has fallen silent, whether or not its streams said so."""


class LevelMeter:
    """Gathers the energy of one room's voices and tells when their levels are due."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}
        self._gone: set[str] = set()
        """Who has left since the last set: the next one says that they are silent."""
        self._heard_ns = 0
        self._due_ns: int | None = None  # None: the room is silent and knows it
        self._browser_interval_ns = INTERVAL_NS
        self._shown_ns = 0
        self._loudest: dict[str, float] = {}  # of the sets that browsers were not shown

    @property
    def awake(self) -> bool:
        """Somebody has been heard since the room was last told that it is silent."""
        return self._due_ns is not None

    def set_load(self, level: int) -> None:
        """The gateway is as loaded as that, from 0 to 3: browsers get levels less often."""
        highest = len(BROWSER_INTERVALS_NS) - 1
        self._browser_interval_ns = BROWSER_INTERVALS_NS[min(max(level, 0), highest)]

    def tally(self, voice: str, now_ns: int) -> Tally:
        """Where one frame of ``voice`` (a participant's id, or "assistant") is to be added."""
        if self._due_ns is None:
            self._due_ns = now_ns + INTERVAL_NS
        self._heard_ns = now_ns
        tally = self._tallies.get(voice)
        if tally is None:
            tally = self._tallies[voice] = np.zeros(3, np.int64)
        return tally

    def forget(self, voice: str) -> None:
        """Nobody of that name is in the room any more; the next set has it at -100, the last."""
        self._loudest.pop(voice, None)
        if self._tallies.pop(voice, None) is not None:
            self._gone.add(voice)

    def due(self, now_ns: int, talking: bool) -> dict[str, float] | None:
        """Levels in dBFS by voice when they are due, else None.

        ``talking``: somebody is talking. Once nobody is, everybody is at -100 one last time.
        """
        if self._due_ns is None:
            return None
        if not talking or now_ns - self._heard_ns >= SILENT_AFTER_NS:
            silent = dict.fromkeys((*self._gone, *self._tallies), SILENCE_DBFS)
            self._tallies.clear()
            self._gone.clear()
            self._due_ns = None
            return silent
        if now_ns < self._due_ns:
            return None
        self._due_ns = now_ns + INTERVAL_NS
        levels = dict.fromkeys(self._gone, SILENCE_DBFS)
        self._gone.clear()
        levels.update((voice, round(dbfs(tally), 1)) for voice, tally in self._tallies.items())
        for tally in self._tallies.values():
            tally[:] = 0
        return levels

    def shown(self, levels: dict[str, float], now_ns: int) -> dict[str, float] | None:
        """What browsers are shown of a set that ``due`` returned: the set, or what was loudest
        since the last; None: nothing yet. That the room is silent is shown at once."""
        if self._browser_interval_ns <= INTERVAL_NS or not self.awake:
            self._loudest.clear()
            self._shown_ns = now_ns
            return levels
        for voice, level in levels.items():
            self._loudest[voice] = max(level, self._loudest.get(voice, SILENCE_DBFS))
        if now_ns - self._shown_ns < self._browser_interval_ns:
            return None
        shown, self._loudest, self._shown_ns = self._loudest, {}, now_ns
        return shown

    def next_timeout_ns(self) -> int | None:
        """When to tell a room, whose streams stopped without a PAUSE, that it is silent."""
        return None if self._due_ns is None else self._heard_ns + SILENT_AFTER_NS


def encoded(levels: Mapping[str, float]) -> Iterator[bytes]:
    """The event ``level`` for a set: several where one cannot hold all of its voices.

    Browsers keep the level of a voice that an event does not name.
    """
    try:
        yield encode_map({"type": "level", "levels": dict(levels)})
    except FrameError:
        voices = list(levels.items())
        middle = len(voices) // 2
        if middle:
            yield from encoded(dict(voices[:middle]))
            yield from encoded(dict(voices[middle:]))

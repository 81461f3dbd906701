"""The faults that are on, and how many calls they have hit. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from .plan import Faults, Timed

TimedFault = Literal["close_channel", "close_mid_response", "kill_call"]


class FaultBox:
    """Shared by all calls of a simulator; ``switch`` affects running calls too."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._posts_left = dict(self.faults.post)
        self._calls_hit: dict[str, int] = {}
        self._watchers: set[Callable[[], None]] = set()

    def switch(self, faults: Faults) -> None:
        """Replace all faults and reset the counts."""
        self.faults = faults
        self._posts_left = dict(faults.post)
        self._calls_hit.clear()
        for watcher in list(self._watchers):
            watcher()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` after each switch."""
        self._watchers.add(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Remove a watcher; unknown ones are ignored."""
        self._watchers.discard(watcher)

    def next_refusal(self) -> int | None:
        """Return the status with which to refuse this offer, or None, and count it."""
        for status, left in self._posts_left.items():
            if left is None:
                return status
            if left > 0:
                self._posts_left[status] = left - 1
                return status
        return None

    def claim(self, name: TimedFault) -> Timed | None:
        """Return a timed fault for one more call, and count it; None: it is off, or used up."""
        timed: Timed | None = getattr(self.faults, name)
        if timed is None:
            return None
        hit = self._calls_hit.get(name, 0)
        if timed.calls is not None and hit >= timed.calls:
            return None
        self._calls_hit[name] = hit + 1
        return timed

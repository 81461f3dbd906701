"""Captions of a busy gateway: those that are not final come less often. Sans-I/O.

A caption has the whole text so far, and its place, so that of several only the latest is needed.
What is final is never held back.
"""

from __future__ import annotations

from mixer_core.runtime.units import MS_NS

from .actions import TellBrowsers

INTERVALS_NS = (0, 0, 500 * MS_NS, 1_000 * MS_NS)
"""By the level of the load: least time between two captions of an item; 0: as they come."""
MAX_ITEMS = 32
"""Items that may be held back; those of a further one pass."""


class CaptionPace:
    """Holds captions back; at level 0, where it starts, none."""

    def __init__(self) -> None:
        self._interval_ns = 0
        self._held: dict[str, TellBrowsers] = {}
        self._sent_ns: dict[str, int] = {}
        """When a caption of each item went out, as far as that is not long ago."""

    def set_load(self, level: int) -> None:
        """The gateway is as loaded as that, from 0 to 3."""
        self._interval_ns = INTERVALS_NS[min(max(level, 0), len(INTERVALS_NS) - 1)]

    def forget(self) -> None:
        """What is held back is told to nobody."""
        self._held.clear()

    def admits(self, action: TellBrowsers, now_ns: int) -> bool:
        """Whether to tell it now; else ``tick`` returns it, or a later one, when it is due."""
        event = action.event
        if event.get("type") != "caption" or (not self._interval_ns and not self._sent_ns):
            return True
        item = str(event.get("item"))
        self._held.pop(item, None)
        if event.get("final"):
            self._sent_ns.pop(item, None)
            return True
        sent_ns = self._sent_ns.get(item)
        if sent_ns is not None and now_ns - sent_ns < self._interval_ns:
            self._held[item] = action
            return False
        self._forget(now_ns)
        if self._interval_ns and len(self._sent_ns) < MAX_ITEMS:
            self._sent_ns[item] = now_ns
        return True

    def tick(self, now_ns: int) -> list[TellBrowsers]:
        """The captions that are due."""
        due = [item for item in self._held if now_ns >= self._due_ns(item)]
        for item in due:
            self._sent_ns[item] = now_ns
        return [self._held.pop(item) for item in due]

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None: nothing is held back."""
        return min(map(self._due_ns, self._held), default=None)

    def _due_ns(self, item: str) -> int:
        return self._sent_ns[item] + self._interval_ns

    def _forget(self, now_ns: int) -> None:
        for item, sent_ns in list(self._sent_ns.items()):
            if now_ns - sent_ns >= self._interval_ns and item not in self._held:
                del self._sent_ns[item]

"""One timer for many deadlines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_MS = 1_000_000


class Alarm:
    """Calls back at the armed time or a little before a later one; the callee checks and re-arms.

    An earlier pending wake-up is kept when the deadline moves back, so that moving it with every
    frame costs nothing.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_time: Callable[[], None]) -> None:
        self._loop = loop
        self._on_time = on_time
        self._handle: asyncio.TimerHandle | None = None
        self._at_ns = 0

    def arm(self, deadline_ns: int) -> None:
        """Wake up at ``deadline_ns`` (monotonic) at the latest."""
        if self._handle is not None:
            if self._at_ns <= deadline_ns:
                return
            self._handle.cancel()
        self._at_ns = deadline_ns
        # The loop's timers have a resolution of 1 ms; rounding up avoids waking twice.
        wait_ms = max(0, -((time.monotonic_ns() - deadline_ns) // _MS))
        self._handle = self._loop.call_later(wait_ms / 1000, self._fire)

    def cancel(self) -> None:
        """Forget the deadline."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self._on_time()

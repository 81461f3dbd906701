"""Drives a room's engine: has done what it returns, in order, and arms one timer for all deadlines.

Whoever brings the engine something ends with ``did``, or with ``do`` and ``arm``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.lazy_timer import LazyTimer

from .actions import Action
from .deeds import Deeds
from .engine import RoomEngine

Deadline = Callable[[], int | None]
"""When to look next (monotonic); None: whenever."""


class Driver:
    """Of one room; used on the event loop."""

    def __init__(
        self,
        engine: RoomEngine,
        on_time: Callable[[int], None],
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """``on_time``: a deadline has come, perhaps; it is given the time."""
        self.engine = engine
        self.log = log
        self._on_time = on_time
        self._loop = asyncio.get_running_loop()
        self._timer = LazyTimer(self._loop, self._fire)
        self._due_ns: int | None = None
        """When the timer fires; None: it does not."""
        self._deadlines: tuple[Deadline, ...] = ()
        self._tasks: set[asyncio.Task[None]] = set()
        self._deeds: Deeds | None = None

    def begin(self, deeds: Deeds, deadlines: Iterable[Deadline]) -> None:
        """Everybody is there: ``deeds`` has done what the engine wants."""
        self._deeds = deeds
        self._deadlines = tuple(deadlines)

    def do(self, actions: list[Action]) -> None:
        """Carry actions out; no deadline has moved, or ``arm`` follows."""
        assert self._deeds is not None
        self._deeds.do(actions)

    def did(self, actions: list[Action]) -> None:
        """Carry out what follows from something, and look at all deadlines."""
        self.do(actions)
        self.arm()

    def arm(self) -> None:
        """Any deadline may have moved."""
        self._due_ns = None
        self.arm_by(earliest(*[deadline() for deadline in self._deadlines]))

    def arm_by(self, deadline_ns: int | None) -> None:
        """Wake up at ``deadline_ns`` at the latest."""
        if deadline_ns is not None and (self._due_ns is None or deadline_ns < self._due_ns):
            self._due_ns = deadline_ns
            self._timer.arm(deadline_ns)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` in a task; whatever goes wrong is logged."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def stop(self) -> set[asyncio.Task[None]]:
        """Time does not go on; returns the tasks that still run."""
        self._timer.close()
        return self._tasks

    def _fire(self) -> None:
        self._due_ns = None
        try:
            self._on_time(time.monotonic_ns())
        finally:  # Whatever went wrong (the loop logs it), time goes on.
            self.arm()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.log.error("! a task of the room failed", exc_info=error)

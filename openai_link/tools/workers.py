"""Plain functions run in threads, off the event loop.

The threads are daemons: a function that never returns takes up a place, but does not keep the
process alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any

from mixer_core.runtime.errors import ToolError

Outcome = tuple[Any, BaseException | None]


class Workers:
    """At most ``limit`` functions at once; belongs to one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.running = 0
        """Functions that have not returned, including those nobody waits for any more."""

    async def run(self, function: Callable[[], Any]) -> Any:
        """Run the function; returns its result or raises its exception.

        Cancelling ends the wait, not the function.

        Raises:
            ToolError: all threads are in use.
        """
        if self.running >= self._limit:
            raise ToolError("too many tools are running: try again later")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                outcome: Outcome = (context.run(function), None)
            except BaseException as error:  # A thread has nobody else to report to.
                outcome = (None, error)
            with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits.
                loop.call_soon_threadsafe(self._settle, future, outcome)

        self.running += 1
        threading.Thread(target=work, name="tool", daemon=True).start()
        result, error = await future
        if error is not None:
            raise error
        return result

    def _settle(self, future: asyncio.Future[Outcome], outcome: Outcome) -> None:
        self.running -= 1
        if not future.done():
            future.set_result(outcome)

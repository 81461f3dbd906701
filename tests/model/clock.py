"""An event loop in virtual time, on which several processes live that can be killed and frozen.

Code under test runs as it ships: ``asyncio`` and ``time.monotonic_ns`` are what it knows. Time
passes only when nothing is left to do. A callback belongs to the process in whose context it was
made; when that is dead it is left out, and when it is frozen it waits.
"""

from __future__ import annotations

import asyncio
import contextvars
import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.units import S_NS

START_NS = 1_000 * S_NS
WALL_NS = 1_800_000_000 * S_NS
"""Unix time at the beginning."""
MOST_TURNS = 5_000
"""Turns of the loop in which no time passes; more would be a busy loop."""


class Process:
    """One process, as far as it can die."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_alive = True
        self.thaw_ns = 0
        """Nothing of it runs before."""
        self.deferred = 0
        """Callbacks that have waited for that."""
        self.context = contextvars.copy_context()
        self.context.run(_PROCESS.set, self)
        self.at_death: list[Callable[[], None]] = []
        """Called when it dies, in nobody's context: what the system does then."""
        self.on_signal: list[Callable[[], None]] = []
        """What SIGTERM calls."""

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call ``function`` as this process."""
        return self.context.copy().run(function, *args)

    def kill(self) -> None:
        """SIGKILL."""
        if self.is_alive:
            self.is_alive = False
            for function in self.at_death:
                function()


_PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


def this_process() -> Process:
    """Whose code is running."""
    process = _PROCESS.get()
    assert process is not None
    return process


class _Selector(selectors.SelectSelector):
    """Nothing is ever ready; waiting is free."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        self.loop.wait(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        selector = _Selector()
        selector.loop = self
        self.now_ns = START_NS
        self._turns = 0
        super().__init__(selector)
        self.failures: list[str] = []
        """What was raised in callbacks."""
        self.set_exception_handler(self._failed)

    def time(self) -> float:
        return self.now_ns / S_NS

    def wait(self, timeout: float | None) -> None:
        """Let time pass."""
        if timeout is None:
            raise AssertionError("nothing will ever happen again")
        if timeout > 0:
            self.now_ns += max(1, int(timeout * S_NS))
            self._turns = 0
            return
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise AssertionError(f"a busy loop: {[str(h)[:200] for h in list(self._ready)[:3]]}")

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return super().call_soon(self._guarded(callback, context), *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return super().call_at(when, self._guarded(callback, context), *args, context=context)

    def add_signal_handler(self, sig: int, callback: Any, *args: Any) -> None:
        this_process().on_signal.append(lambda: callback(*args))

    def _guarded(self, callback: Any, context: contextvars.Context | None) -> Any:
        process = _PROCESS.get() if context is None else context.get(_PROCESS)
        if process is None or isinstance(callback, _Guard):
            return callback
        return _Guard(self, process, callback)

    def _failed(self, _: Any, context: dict[str, Any]) -> None:
        if "exception" in context:
            import traceback

            error = context["exception"]
            lines = traceback.format_exception(error)
            self.failures.append(f"{context.get('message')}: {''.join(lines[-4:])}")


class _Guard:
    """A callback that knows its process."""

    def __init__(self, loop: VirtualLoop, process: Process, callback: Any) -> None:
        self._loop, self._process, self._callback = loop, process, callback

    def __call__(self, *args: Any) -> None:
        process = self._process
        if not process.is_alive:
            return
        if process.thaw_ns > self._loop.now_ns:
            process.deferred += 1  # They run in the order in which they came.
            self._loop.call_at((process.thaw_ns + process.deferred) / S_NS, self, *args)
            return
        self._callback(*args)


@contextmanager
def virtual_time() -> Iterator[VirtualLoop]:
    """A loop whose clock is everybody's."""
    loop = VirtualLoop()
    now_ns = lambda: loop.now_ns  # noqa: E731
    wall_ns = lambda: WALL_NS + loop.now_ns - START_NS  # noqa: E731
    defaults = LazyTimer.__init__.__defaults__
    with (
        mock.patch.object(time, "monotonic_ns", now_ns),
        mock.patch.object(time, "time_ns", wall_ns),
        mock.patch.object(time, "time", lambda: wall_ns() / S_NS),
    ):
        LazyTimer.__init__.__defaults__ = (now_ns,)
        asyncio.set_event_loop(loop)
        try:
            yield loop
        finally:
            LazyTimer.__init__.__defaults__ = defaults
            asyncio.set_event_loop(None)
            _end(loop, list(asyncio.all_tasks(loop)))


def _end(loop: VirtualLoop, tasks: Sequence[Any]) -> None:
    """Forget what is left, without a word."""
    for task in tasks:
        task._log_destroy_pending = False
    loop._ready.clear()
    loop._scheduled.clear()
    loop.close()

"""A deadline that moves often, behind a timer of the event loop that is seldom set."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from .units import MS_NS

RESOLUTION_NS = MS_NS
"""An event loop counts whole milliseconds: what is nearer than that is due."""


class Handle(Protocol):
    """A timer that was set."""

    def cancel(self) -> None:
        """Take it back."""


class Loop(Protocol):
    """As much of an event loop as a timer needs."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Handle:
        """Call ``callback`` after ``delay`` seconds."""


class LazyTimer:
    """Calls ``action`` once when the deadline has come; ``arm`` sets the deadline or moves it.

    Setting a timer of the loop costs more than everything else that a packet needs. A pending one
    is kept when the deadline moves back; when it fires too early, it is set again.
    """

    __slots__ = ("_action", "_clock_ns", "_due_ns", "_fires_ns", "_handle", "_loop")

    def __init__(
        self,
        loop: Loop,
        action: Callable[[], None],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """``clock_ns``: the clock that deadlines are given in."""
        self._loop = loop
        self._action = action
        self._clock_ns = clock_ns
        self._due_ns: int | None = None
        self._handle: Handle | None = None
        self._fires_ns = 0

    @property
    def running(self) -> bool:
        """Whether there is a deadline that has not been served."""
        return self._due_ns is not None

    def arm(self, deadline_ns: int) -> None:
        """Call ``action`` at ``deadline_ns``, and not when it was to be called before.

        A deadline in the past is served in the loop's next turn, never inside this call.
        """
        self._due_ns = deadline_ns
        if self._handle is None:
            self._set(deadline_ns)
        elif deadline_ns < self._fires_ns:
            self._handle.cancel()
            self._set(deadline_ns)

    def arm_after(self, delay_ns: int) -> None:
        """Call ``action`` in ``delay_ns``, and not when it was to be called before."""
        self.arm(self._clock_ns() + delay_ns)

    def stop(self) -> None:
        """Drop the deadline; the loop's timer may still fire once, without effect."""
        self._due_ns = None

    def close(self) -> None:
        """Drop the deadline and take the loop's timer back."""
        self._due_ns = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _set(self, due_ns: int) -> None:
        self._fires_ns = due_ns
        # Rounded up: a timer that fires a fraction of a millisecond early would be set twice.
        wait_ms = max(0, -((self._clock_ns() - due_ns) // MS_NS))
        self._handle = self._loop.call_later(wait_ms / 1000, self._fire)

    def _fire(self) -> None:
        self._handle = None
        due_ns = self._due_ns
        if due_ns is None:
            return
        if due_ns - self._clock_ns() >= RESOLUTION_NS:
            self._set(due_ns)
            return
        self._due_ns = None
        self._action()

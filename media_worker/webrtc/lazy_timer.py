"""A deadline that moves often, behind a timer of the event loop that moves seldom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

CLOSE_ENOUGH_S = 0.001
"""The loop's clock counts milliseconds: what is so near is due."""


class Handle(Protocol):
    """A timer that was set."""

    def cancel(self) -> None:
        """Take it back."""


class Loop(Protocol):
    """As much of an event loop as a timer needs."""

    def time(self) -> float:
        """Now, in seconds."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> Handle:
        """Set a timer."""


class LazyTimer:
    """Calls ``action`` once, ``delay_s`` after the last ``start`` that no ``stop`` followed.

    Setting a timer of the loop costs more than all else that a packet needs. The one set here is
    left alone where the deadline only moved away; it then sets itself again when it fires.
    """

    __slots__ = ("_action", "_due_s", "_fires_s", "_handle", "_loop")

    def __init__(self, loop: Loop, action: Callable[[], None]) -> None:
        self._loop = loop
        self._action = action
        self._due_s: float | None = None
        self._handle: Handle | None = None
        self._fires_s = 0.0

    @property
    def running(self) -> bool:
        """Whether ``action`` is to be called."""
        return self._due_s is not None

    def start(self, delay_s: float) -> None:
        """Set the deadline, or move it."""
        due_s = self._due_s = self._loop.time() + delay_s
        if self._handle is None:
            self._set(due_s)
        elif due_s < self._fires_s:
            self._handle.cancel()
            self._set(due_s)

    def stop(self) -> None:
        """Nothing is due any more; the loop's timer may still fire once, without effect."""
        self._due_s = None

    def close(self) -> None:
        """Stop, and take the loop's timer back."""
        self._due_s = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _set(self, due_s: float) -> None:
        self._fires_s = due_s
        self._handle = self._loop.call_at(due_s, self._fire)

    def _fire(self) -> None:
        self._handle = None
        due_s = self._due_s
        if due_s is None:
            return
        if due_s - self._loop.time() > CLOSE_ENOUGH_S:
            self._set(due_s)
            return
        self._due_s = None
        self._action()

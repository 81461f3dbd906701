"""Waiting for something to become true, with a failure that shows what was there instead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")
State = Callable[[], object]

PATIENCE_S = 60.0
"""After this a wait is hopeless. It is no measurement: a machine with every core busy needs many
times what a calm one does."""
_SHOWN_CHARACTERS = 4_000


async def until(
    condition: Callable[[], Value],
    words: str,
    state: State | None = None,
    *,
    turn: State | None = None,
    step_s: float = 0.005,
    timeout_s: float = PATIENCE_S,
) -> Value:
    """Wait until ``condition()`` is true and return its value.

    ``words`` say what went wrong if it never is; ``state()`` is shown with them. ``turn()``, if
    given, is called before every look: it drives what has no loop of its own.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        if turn is not None:
            turn()
        if value := condition():
            return value
        if time.monotonic() > deadline_s:
            raise AssertionError(_failure(words, value, state, timeout_s))
        await asyncio.sleep(step_s)


def wait_until(
    condition: Callable[[], Value],
    words: str,
    state: State | None = None,
    *,
    turn: State | None = None,
    step_s: float = 0.02,
    timeout_s: float = PATIENCE_S,
) -> Value:
    """``until`` where there is no event loop. ``turn()``, if given, waits a moment by itself."""
    deadline_s = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline_s:
            raise AssertionError(_failure(words, value, state, timeout_s))
        if turn is not None:
            turn()
        else:
            time.sleep(step_s)
    return value


def _failure(words: str, value: object, state: State | None, timeout_s: float) -> str:
    lines = [f"{words} (not within {timeout_s:g} s; the condition is {value!r})"]
    if state is not None:
        shown = state()
        text = shown if isinstance(shown, str) else repr(shown)
        lines.append(text if len(text) <= _SHOWN_CHARACTERS else f"… {text[-_SHOWN_CHARACTERS:]}")
    return "\n".join(lines)

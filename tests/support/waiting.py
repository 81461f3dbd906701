"""Waiting for something to become true, with a failure that shows what was there instead."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")
State = Callable[[], object]

PATIENCE_S = 60.0
"""After this a wait is hopeless. It measures nothing: a machine whose cores are all busy needs
many times what a calm one does."""
_SHOWN_CHARACTERS = 6_000


async def until(
    condition: Callable[[], Value | Awaitable[Value]],
    words: str = "",
    state: State | None = None,
    *,
    turn: State | None = None,
    step_s: float = 0.005,
    timeout_s: float = PATIENCE_S,
) -> Value:
    """Wait until ``condition()``, awaited if need be, is true and return its value.

    ``words`` say what is wrong if it never is, otherwise the condition's own source does;
    ``state()`` is shown with them. ``turn()`` is called before every look: it drives what has no
    event loop.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        if turn is not None:
            turn()
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline_s:
            raise AssertionError(_failure(condition, words, value, state, timeout_s))
        await asyncio.sleep(step_s)


def wait_until(
    condition: Callable[[], Value],
    words: str = "",
    state: State | None = None,
    *,
    turn: State | None = None,
    step_s: float = 0.02,
    timeout_s: float = PATIENCE_S,
) -> Value:
    """``until`` where there is no event loop. ``turn()`` takes the place of sleeping."""
    deadline_s = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline_s:
            raise AssertionError(_failure(condition, words, value, state, timeout_s))
        if turn is not None:
            turn()
        else:
            time.sleep(step_s)
    return value


def _failure(
    condition: State, words: str, value: object, state: State | None, timeout_s: float
) -> str:
    lines = [f"{words or _source(condition)}: not within {timeout_s:g} s, it is {value!r}"]
    if state is not None:
        shown = state()
        text = shown if isinstance(shown, str) else repr(shown)
        lines.append(text if len(text) <= _SHOWN_CHARACTERS else f"… {text[-_SHOWN_CHARACTERS:]}")
    return "\n".join(lines)


def _source(condition: State) -> str:
    try:
        return inspect.getsource(condition).strip()
    except (OSError, TypeError):
        return repr(condition)

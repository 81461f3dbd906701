"""How people of one room ask the assistant until each of them has been answered."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from mixer_core.runtime.units import S_NS

JOIN_TIMEOUT_S = 30.0
FIRST_ASK_S = 0.12
"""From a question to the next one; it grows, since a question interrupts the answer to another."""
GROWTH = 1.2
MAX_ASK_S = 0.6
LOOK_S = 0.01
AFTER_S = 0.3
"""What comes this long after the last answer still counts."""
CALM_NS = S_NS // 2
CALM_TIMEOUT_S = 20.0


class Person(Protocol):
    """Somebody in the room."""

    joins: int

    def answered_ns(self) -> int:
        """When the assistant was heard; 0: not yet."""

    def ask(self) -> bool | Awaitable[bool]:
        """Ask; whether it could be said."""


async def until_answered(
    people: Sequence[Person],
    timeout_s: float,
    look: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """One question at a time, first by somebody who had to join again.

    ``look``: reads what people have heard so far.
    """
    end_s = time.monotonic() + timeout_s
    due_s, wait_s, joins = 0.0, FIRST_ASK_S, 0
    while time.monotonic() < end_s:
        if look is not None:
            await look()
        waiting = [person for person in people if not person.answered_ns()]
        if not waiting:
            return
        joined = sum(person.joins for person in people)
        if joined > joins:  # Somebody is back: it need not wait for its turn.
            due_s, wait_s, joins = 0.0, FIRST_ASK_S, joined
        if time.monotonic() >= due_s and await _ask(waiting):
            due_s, wait_s = time.monotonic() + wait_s, min(MAX_ASK_S, wait_s * GROWTH)
        await asyncio.sleep(LOOK_S)


async def _ask(waiting: Sequence[Person]) -> bool:
    for person in sorted(waiting, key=lambda one: -one.joins):
        said = person.ask()
        if await said if inspect.isawaitable(said) else said:
            return True
    return False

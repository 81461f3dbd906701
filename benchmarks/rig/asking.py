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
"""From a question that nobody takes to the next one; it grows."""
GROWTH = 1.2
MAX_ASK_S = 0.6
TAKEN_ASK_S = 1.5
"""From a question that was taken to the next one, should the answer not be heard."""
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

    def words_taken(self) -> int:
        """How many of this person's questions the room has been told."""

    def ask(self) -> bool | Awaitable[bool]:
        """Ask; whether it could be said."""


async def until_answered(
    people: Sequence[Person],
    timeout_s: float,
    look: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """One question at a time, first by somebody who had to join again.

    A question that the assistant has taken is not followed by another one for a while: that would
    interrupt the answer. ``look``: reads what people have heard so far.
    """
    end_s = time.monotonic() + timeout_s
    due_s, wait_s, joins = 0.0, FIRST_ASK_S, 0
    asker: Person | None = None
    taken = 0
    while time.monotonic() < end_s:
        if look is not None:
            await look()
        waiting = [person for person in people if not person.answered_ns()]
        if not waiting:
            return
        joined = sum(person.joins for person in people)
        if joined > joins:  # Somebody is back: it need not wait for its turn.
            due_s, wait_s, joins, asker = 0.0, FIRST_ASK_S, joined, None
        if asker is not None and asker.words_taken() > taken:
            due_s, asker = time.monotonic() + TAKEN_ASK_S, None
        if time.monotonic() >= due_s and (person := await _ask(waiting)):
            asker, taken = person, person.words_taken()
            due_s, wait_s = time.monotonic() + wait_s, min(MAX_ASK_S, wait_s * GROWTH)
        await asyncio.sleep(LOOK_S)


async def _ask(waiting: Sequence[Person]) -> Person | None:
    for person in sorted(waiting, key=lambda one: -one.joins):
        said = person.ask()
        if await said if inspect.isawaitable(said) else said:
            return person
    return None

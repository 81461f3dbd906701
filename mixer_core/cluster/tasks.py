"""Ends tasks that wait for NATS.

Up to Python 3.11 ``asyncio.wait_for``, by which the client of NATS waits, forgets that its task was
cancelled where the answer comes at the same moment (https://github.com/python/cpython/issues/86296).
So who has to be sure cancels until the task has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

AGAIN_S = 0.1


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended. What they raise is not raised here.

    Whoever calls is none of them.
    """
    left = set(tasks)
    left.discard(asyncio.current_task())
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=AGAIN_S)
        for task in done:
            if not task.cancelled():
                task.exception()

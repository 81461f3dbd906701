"""Tasks that wait for NATS: they end when they are told to, and not before.

Up to Python 3.11 ``asyncio.wait_for``, by which the client of NATS waits, forgets that its task was
cancelled where the answer comes at the same moment (https://github.com/python/cpython/issues/86296).
So who has to be sure cancels until the task has ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

AGAIN_S = 0.1
ANEW_S = 1.0
"""Before something that failed begins anew."""

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


async def lasting(work: Callable[[], Coroutine[Any, Any, None]], what: str, log: Log) -> None:
    """Do ``work``, and begin it anew whenever it fails in a way that nobody has thought of.

    Whoever would miss it could not tell: a bucket that is not followed any more looks calm. The
    same mistake stands in the log once.
    """
    told = ""
    while True:
        try:
            await work()
        except Exception as error:
            if told != repr(error):
                told = repr(error)
                log.exception("! %s has failed, and begins anew", what)
        else:
            return
        await asyncio.sleep(ANEW_S)


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
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

"""A host with a pool for test_fork_pool: ``python -m tests.mixer_core.runtime.pool_host``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys

from mixer_core.runtime.fork_pool import ForkPool, PoolPlan
from mixer_core.runtime.pool_policy import PoolLimits
from mixer_core.runtime.process import Context, run_async
from mixer_core.runtime.settings import CommonSettings

PLAN = PoolPlan(
    "pool_host",
    "tests.mixer_core.runtime.pool_child",
    "tests.mixer_core.runtime.pool_child:child_main",
    "pool.sock",
    PoolLimits(idle=2, most=3, memory_bytes=96 << 20),
)


def told(child: str, code: int) -> None:
    """Say that a child has ended, in one piece."""
    os.write(1, f"exit {child} {code}\n".encode())


async def body(context: Context[CommonSettings]) -> None:
    """Two idle children, at most three, until SIGTERM."""
    pool = ForkPool(PLAN, context.settings, told)
    pool.fill()
    adopted: object = 0
    while not context.stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(context.stop.wait(), 0.02)
        if adopted != (adopted := pool.metrics()["children_adopted_total"]):
            os.write(1, f"adopted {adopted}\n".encode())
    pool.close()


if __name__ == "__main__":
    sys.exit(run_async("pool_host", CommonSettings, body))

"""A host with a pool, driven by test_forkpool.py: ``python -m tests.mixer_core.bus.pool_host``."""

from __future__ import annotations

import os
import sys

from mixer_core.runtime.fork_pool import ForkPool
from mixer_core.runtime.process import Context, run_async
from mixer_core.runtime.settings import CommonSettings
from tests.mixer_core.runtime.pool_child import child_main


def told(child: str, code: int | None) -> None:
    """Say that a child has ended, in one piece."""
    os.write(1, f"exit {child} {code}\n".encode())


async def body(context: Context[CommonSettings]) -> None:
    """Two idle children, at most three, until SIGTERM."""
    pool = ForkPool(
        "pool_host",
        context.settings,
        "tests.mixer_core.runtime.pool_child",
        child_main,
        idle=2,
        most=3,
        on_exit=told,
    )
    pool.fill()
    await context.stop.wait()
    pool.close()


if __name__ == "__main__":
    sys.exit(run_async("pool_host", CommonSettings, body))

"""A host with a pool, driven by test_forkpool.py: ``python -m tests.mixer_core.bus.pool_host``."""

from __future__ import annotations

import sys

from mixer_core.bus.forkpool import ForkPool
from mixer_core.bus.process import Context, run_async
from tests.mixer_core.bus.pool_child import child_main


async def body(context: Context) -> None:
    """Two idle children, at most three, until SIGTERM."""
    pool = ForkPool(
        "pool_host",
        context.settings,
        "tests.mixer_core.bus.pool_child",
        child_main,
        idle=2,
        most=3,
        on_exit=lambda child, code: print(f"exit {child} {code}", flush=True),
    )
    pool.fill()
    await context.stop.wait()
    pool.close()


if __name__ == "__main__":
    sys.exit(run_async("pool_host", body))

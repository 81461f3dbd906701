"""Tasks end although a cancellation is lost."""

from __future__ import annotations

import asyncio

from mixer_core.cluster.tasks import end


def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    lost = 0

    async def work() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost == 2:
                    raise

    async def fails() -> None:
        raise ValueError("nobody asks")

    async def main() -> None:
        tasks = [asyncio.create_task(work()), asyncio.create_task(fails())]
        await asyncio.sleep(0)
        await end(tasks)
        assert all(task.done() for task in tasks)
        await end([])

    asyncio.run(main())
    assert lost == 2

"""Tasks end although a cancellation is lost, and last although something is wrong."""

from __future__ import annotations

import asyncio
import logging

import pytest

from mixer_core.cluster import tasks as cluster_tasks
from mixer_core.cluster.tasks import end, lasting


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


def test_what_is_to_last_begins_anew_and_the_same_mistake_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cluster_tasks, "ANEW_S", 0.0)
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun < 9:
            raise KeyError("nobody thought of it" if begun < 5 else "nor of that")
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(lasting(work, "watching", logging.getLogger("test")))
        while begun < 9:
            await asyncio.sleep(0)
        await end([task])
        assert task.cancelled()

    asyncio.run(main())
    assert [line.message for line in caplog.records] == 2 * [
        "! watching has failed, and begins anew"
    ]


def test_what_is_done_is_not_begun_anew() -> None:
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1

    asyncio.run(lasting(work, "joining", logging.getLogger("test")))
    assert begun == 1

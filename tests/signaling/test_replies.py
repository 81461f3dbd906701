"""Each request gets the one reply to its number, and nobody is kept who no longer waits."""

from __future__ import annotations

import asyncio

import pytest

from mixer_core.runtime.errors import ProblemError
from signaling.registry.actions import ReplyDone, ReplyProblem
from signaling.replies import Replies
from tests.signaling.edge import asynchronous


async def waiting(replies: Replies) -> tuple[asyncio.Future[object], int]:
    """A request that waits, and its number."""
    numbers: list[int] = []
    task = asyncio.ensure_future(replies.ask(numbers.append))
    await asyncio.sleep(0)
    return task, numbers[0]


@asynchronous
async def test_replies_reach_those_who_asked_in_any_order() -> None:
    replies = Replies()
    first, one = await waiting(replies)
    second, two = await waiting(replies)
    replies.settle(ReplyDone(two))
    assert await second == ReplyDone(two) and not first.done()
    replies.settle(ReplyProblem(one, 404, "Not found", "it is not there", 3))
    with pytest.raises(ProblemError) as caught:
        await first
    assert (caught.value.status, caught.value.retry_after_s) == (404, 3)


@asynchronous
async def test_a_reply_may_come_before_anybody_waits_and_counts_once() -> None:
    replies = Replies()

    def begin(request: int) -> None:
        replies.settle(ReplyDone(request))
        replies.settle(ReplyProblem(request, 500, "Again", "a second one"))

    assert isinstance(await replies.ask(begin), ReplyDone)
    assert len(replies) == 0


@asynchronous
async def test_a_reply_to_whom_nobody_waits_for_is_dropped() -> None:
    replies = Replies()
    task, number = await waiting(replies)
    assert len(replies) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(replies) == 0
    replies.settle(ReplyDone(number))
    replies.settle(ReplyDone(99))

    def refuse(request: int) -> None:
        numbers.append(request)
        raise ProblemError(503, "Out of order", "nobody answers")

    numbers: list[int] = []
    with pytest.raises(ProblemError, match="nobody answers"):
        await replies.ask(refuse)
    assert len(replies) == 0, "whoever was refused at once is not kept"
    replies.settle(ReplyDone(numbers[0]))


@asynchronous
async def test_whoever_waits_gets_a_reply_after_the_end_and_nobody_new_is_asked() -> None:
    replies = Replies()
    task, number = await waiting(replies)
    replies.close()
    asked: list[int] = []
    with pytest.raises(ProblemError, match="restarting") as caught:
        await replies.ask(asked.append)
    assert (caught.value.status, caught.value.retry_after_s, asked) == (503, 2, [])
    replies.settle(ReplyDone(number))
    assert await task == ReplyDone(number)

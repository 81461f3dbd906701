"""What comes is read once and in order, is never kept without bound, and its end reaches all."""

from __future__ import annotations

import asyncio

import pytest

from signaling.client.errors import CallError, Lost, SentAway
from signaling.client.inbox import MOST_FRAMES, MOST_MESSAGES, Inbox


def first(inbox: Inbox) -> bytes | None:
    return inbox.frames.popleft() if inbox.frames else None


async def waits(inbox: Inbox) -> asyncio.Task[bytes | None]:
    """A reader of frames that has found none yet."""
    task = asyncio.ensure_future(inbox.until(lambda: first(inbox)))
    await asyncio.sleep(0)
    assert not task.done()
    return task


def test_a_frame_wakes_those_who_wait_and_is_read_once() -> None:
    async def scenario() -> None:
        inbox = Inbox()
        one, two = await waits(inbox), await waits(inbox)
        inbox.hear(b"a")
        assert await one == b"a" and not two.done()
        inbox.hear(b"b")
        assert await two == b"b"

    asyncio.run(scenario())


def test_who_leaves_ends_the_readers_and_may_send_nothing_more() -> None:
    async def scenario() -> None:
        inbox = Inbox()
        reader = await waits(inbox)
        inbox.check()
        inbox.leave()
        assert await reader is None
        with pytest.raises(CallError, match="has left"):
            inbox.check()
        inbox.hear(b"late")
        assert await inbox.until(lambda: first(inbox)) == b"late", "what has come may be read"

    asyncio.run(scenario())


def test_the_first_reason_for_the_end_is_raised_to_everybody() -> None:
    async def scenario() -> None:
        inbox = Inbox()
        reader = await waits(inbox)
        inbox.take({"type": "bye", "code": "removed", "message": "an admin"})
        inbox.end(Lost("the call is lost"))
        with pytest.raises(SentAway):
            await reader
        with pytest.raises(SentAway):
            inbox.check()

    asyncio.run(scenario())


def test_what_nobody_reads_is_dropped_oldest_first() -> None:
    inbox = Inbox()
    for number in range(MOST_FRAMES + 2):
        inbox.hear(number.to_bytes(2, "big"))
    assert inbox.missed_frames == 2 and len(inbox.frames) == MOST_FRAMES
    assert first(inbox) == (2).to_bytes(2, "big")
    for number in range(MOST_MESSAGES + 1):
        inbox.take({"type": "notice", "number": number})
    assert len(inbox.messages) == MOST_MESSAGES and inbox.messages[0]["number"] == 1


def test_messages_are_kept_and_change_what_is_known_but_beats_are_not() -> None:
    inbox = Inbox()
    inbox.hear(b"a")
    for message in ({"type": "pong"}, {"type": "level"}, {"type": "welcome", "room": "home"}):
        inbox.take(message)
    assert [message["type"] for message in inbox.messages] == ["welcome"]
    assert inbox.conversation.room == "home" and inbox.frames
    inbox.take({"type": "flush"})
    assert not inbox.frames

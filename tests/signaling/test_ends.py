"""Who waits for the end of a participant is told at once, and never waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from mixer_core.runtime.errors import ProblemError
from signaling import ends
from signaling.ends import Ends


def test_the_end_is_told_to_who_waits_and_to_who_asks_too_late() -> None:
    async def scenario() -> None:
        known = Ends()
        waiting = asyncio.ensure_future(known.wait("p-1"))
        other = asyncio.ensure_future(known.wait("p-2"))
        await asyncio.sleep(0)
        known.ended("p-1", "lost")
        assert await waiting == "lost"
        assert await known.wait("p-1") == "lost"
        known.ended("p-2", "left")
        assert await other == "left"

    asyncio.run(scenario())


def test_who_asks_again_replaces_who_asked_before() -> None:
    async def scenario() -> None:
        known = Ends()
        first = asyncio.ensure_future(known.wait("p-1"))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(known.wait("p-1"))
        assert await first == "there"
        known.ended("p-1", "lost")
        assert await second == "lost"

    asyncio.run(scenario())


def test_the_wait_is_bounded_and_so_is_the_number_of_those_who_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ends, "MAX_WAITING", 1)
    monkeypatch.setattr(ends, "MAX_REMEMBERED", 2)

    async def scenario() -> None:
        known = Ends()
        assert await known.wait("p-1", 0.0) == "there"
        waiting = asyncio.ensure_future(known.wait("p-1"))
        await asyncio.sleep(0)
        with pytest.raises(ProblemError):
            await known.wait("p-2")
        for name in ("p-3", "p-4", "p-5"):
            known.ended(name, "left")
        assert known.known("p-3") is None and known.known("p-5") == "left"
        known.close()
        assert await waiting == "there"
        assert await known.wait("p-9") == "there"

    asyncio.run(scenario())

"""A script's call through the real processes, whose workers are killed under it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import pytest

from signaling.client import Lost, join
from tests.support.gateway import Gateway
from tests.support.waiting import until

pytestmark = pytest.mark.processes


def kill_workers(gateway: Gateway) -> None:
    for pid in gateway.children("media_worker"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_call_that_is_to_last_is_made_anew_and_is_as_it_was(gateway: Gateway) -> None:
    def muted() -> str:
        """The only participant's id, once they are known to be muted."""
        people = gateway.json("/rooms/bench")["participants"]
        return str(people[0]["participant"]) if [p["muted"] for p in people] == [True] else ""

    async def scenario() -> None:
        async with join(gateway.url, room="bench", name="Ada", keep_trying_s=300) as call:
            await call.mute(True)
            before = await until(muted, "the room does not know that she is muted")
            kill_workers(gateway)
            await until(lambda: not call.is_connected, "the loss is not noticed")
            await until(lambda: call.is_connected, "it is not made anew")
            await until(lambda: muted() not in ("", before), "the new one has not said so", muted)
            assert call.name == "Ada"
            await call.ready(60)

    asyncio.run(scenario())


def test_a_call_that_is_not_ends_with_the_reason(gateway: Gateway) -> None:
    async def scenario() -> None:
        async with join(gateway.url, room="attic", name="Ben") as call:
            heard = asyncio.ensure_future(anext(call.heard))
            kill_workers(gateway)
            with pytest.raises(Lost, match="keep_trying_s"):
                await heard
            with pytest.raises(Lost):
                await call.say("Is anybody there?")

    asyncio.run(scenario())

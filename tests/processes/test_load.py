"""A busy gateway with all its programs: those inside go on, newcomers wait and are let in again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.audio import to_pcm, tone
from tests.support.gateway import LOOK_S, SHORT_OF_MEMORY, Gateway
from tests.support.plain_client import PlainClient, use_loopback
from tests.support.waiting import until

pytestmark = pytest.mark.processes


def levels_of(client: PlainClient) -> list[dict[str, Any]]:
    """The levels that were shown while somebody spoke."""
    return [m for m in client.of_type("level") if max(m["levels"].values()) > -100]


def test_those_inside_go_on_and_newcomers_are_refused() -> None:
    use_loopback()

    async def talk(gateway: Gateway) -> None:
        inside = PlainClient(gateway.url, "home", "Ada")
        await inside.join()
        load = lambda: gateway.json("/readyz")["load"]  # noqa: E731
        await until(lambda: load()["level"] == 3, "it is not busy", load, step_s=LOOK_S)
        newcomer = PlainClient(gateway.url, "attic", "Bob")
        with pytest.raises(AssertionError, match="this gateway is busy: it is short of memory"):
            await newcomer.join()
        await inside.until(lambda: inside.of_type("state"), "no assistant")
        counts = []
        while not counts or counts[-1] > 4:
            assert len(counts) < 10, f"levels come as often as ever: {counts}"
            before = len(levels_of(inside))
            await inside.speak(to_pcm(tone(440, 1.0, -12)))
            counts.append(len(levels_of(inside)) - before)
        await inside.until(lambda: len(inside.heard) > 10, "the assistant does not answer")
        await inside.close()
        await until(lambda: not gateway.json("/rooms")["rooms"], "it is not empty", step_s=LOOK_S)
        await newcomer.join()
        for client in (inside, newcomer):
            await client.close()

    with Gateway(**SHORT_OF_MEMORY, SIMULATOR__BRAIN="echo") as gateway:
        asyncio.run(talk(gateway))
        log = gateway.log
    assert log.count("newcomers get 503") == 1
    assert "expects no" not in log and "Traceback" not in log

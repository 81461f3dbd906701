"""A network without UDP: the room talks over WebSocket soon, and the next one at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.processes.looking import simulator_calls, until_said
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient

pytestmark = pytest.mark.processes


async def talking(gateway: Gateway, room: str) -> float:
    """Seconds from the join to the first audible word of an answer."""
    client = PlainClient(gateway.url, room, "Ada")
    began_s = time.monotonic()
    await client.join()
    await client.until(
        lambda: any(m["upstream"] == "ready" for m in client.of_type("state")), "not ready"
    )
    client.say(type="say", text="Hello.")
    await until_said(client, "You wrote")
    await client.until(lambda: any(any(pcm) for _, pcm in client.heard), "it is silent")
    at_s = next(at for at, pcm in client.heard if any(pcm))
    await client.close()
    return at_s - began_s


@pytest.mark.parametrize("fault", ["drop_udp", "post_503"], ids=["no-udp", "http-503"])
def test_without_udp_a_room_talks_over_websocket(
    gateway_with: Callable[[str], Gateway], fault: str
) -> None:
    gateway = gateway_with(fault)
    earlier, seen = {call["id"] for call in simulator_calls(gateway)}, len(gateway.log)
    first, second = f"{fault}-first".replace("_", "-"), f"{fault}-second".replace("_", "-")

    async def call() -> tuple[float, float]:
        return await talking(gateway, first), await talking(gateway, second)

    first_s, second_s = asyncio.run(call())
    calls = [call for call in simulator_calls(gateway) if call["id"] not in earlier]
    log = gateway.log[seen:]
    print({"fault": fault, "first_room_s": round(first_s, 2), "next_room_s": round(second_s, 2)})
    assert [call["transport"] for call in calls if call["events_out"] > 5] == ["websocket"] * 2
    assert f"[{first}] = connected by websocket" in log
    assert f"[{first}] = reconnecting" in log
    assert f"[{second}] = connected by websocket" in log
    assert f"[{second}] = reconnecting" not in log, "the second room was not told"
    assert "Traceback" not in log, log

"""A picture on its way through the real processes: HTTP, signaling, the link, the server, back."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable

import pytest

from tests.processes.looking import simulator_calls
from tests.processes.showing import PICTURE, captions, show
from tests.support.gateway import Gateway
from tests.support.pictures import jpeg, png
from tests.support.plain_client import PlainClient

pytestmark = pytest.mark.processes
THUMBNAIL = jpeg(96, 72, 5_000)
SEEN = "You showed me a JPEG of 1024 × 768 pixels, 149000 bytes."


async def call(gateway: Gateway, room: str) -> None:
    ada, ben = (PlainClient(gateway.url, room, name) for name in ("Ada", "Ben"))
    await ada.join()
    await ben.join()
    await ada.until(lambda: any(m["upstream"] == "ready" for m in ada.of_type("state")), "no link")
    welcome = ada.of_type("welcome")[0]
    assert welcome["images"] == {"max_edge_px": 1_024, "max_bytes": 150_000}
    assert await show(ada, PICTURE, "What is this?", THUMBNAIL) == 202
    for client in (ada, ben):
        await client.until(lambda c=client: captions(c, SEEN), "the assistant did not see it")
        (shown,) = captions(client, "What is this?")[:1]
        assert shown["speaker"] == welcome["participant"] and shown["name"] == "Ada"
        assert shown["text"] == "[picture: JPEG, 1024 × 768, 149 kB] What is this?"
        assert shown["picture"]["size_bytes"] == len(PICTURE)
        assert base64.b64decode(shown["thumbnail"]) == THUMBNAIL
    assert await show(ben, png(30, 20)) == 202
    await ada.until(lambda: captions(ada, "PNG of 30 × 20"), "the second was not seen")
    assert await show(ben, jpeg(2_000, 20)) == 413
    written = gateway.json(f"/rooms/{room}/transcript")["items"]
    said = [(item.get("name"), item["text"]) for item in written if item["role"] == "user"]
    assert said == [
        ("Ada", "[picture: JPEG, 1024 × 768, 149 kB] What is this?"),
        ("Ben", "[picture: PNG, 30 × 20, 1 kB]"),
    ]
    for client in (ada, ben):
        assert not client.of_type("error")
        await client.close()


@pytest.mark.parametrize(
    ("transport", "fault"),
    [("webrtc", ""), ("websocket", "post_503")],
    ids=["webrtc", "websocket"],
)
def test_a_picture_goes_through_all_processes(
    gateway_with: Callable[[str], Gateway], transport: str, fault: str
) -> None:
    gateway = gateway_with(fault)
    earlier = {call["id"] for call in simulator_calls(gateway)}
    asyncio.run(call(gateway, f"seen-by-{transport}"))
    calls = [call for call in simulator_calls(gateway) if call["id"] not in earlier]
    assert [call["transport"] for call in calls] == [transport]

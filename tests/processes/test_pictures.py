"""A picture on its way through the real processes: HTTP, signaling, the link, the server, back."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import aiohttp
import pytest

from tests.support.gateway import Gateway
from tests.support.pictures import jpeg, png
from tests.support.plain_client import PlainClient, use_loopback

pytestmark = pytest.mark.processes
PICTURE = jpeg(1024, 768, 149_000)
THUMBNAIL = jpeg(96, 72, 5_000)
SEEN = "You showed me a JPEG of 1024 × 768 pixels, 149000 bytes."


async def show(client: PlainClient, data: bytes, text: str = "", thumbnail: bytes = b"") -> int:
    """POST a picture: the status of the answer."""
    body = {"image": base64.b64encode(data).decode(), "text": text}
    if thumbnail:
        body["thumbnail"] = base64.b64encode(thumbnail).decode()
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{client.location}/pictures", json=body) as answer,
    ):
        return answer.status


def captions(client: PlainClient, words: str) -> list[dict[str, Any]]:
    return [m for m in client.of_type("caption") if m["final"] and words in m["text"]]


async def call(gateway: Gateway) -> None:
    ada, ben = (PlainClient(gateway.url, "home", name) for name in ("Ada", "Ben"))
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
    written = gateway.json("/rooms/home/transcript")["items"]
    said = [(item.get("name"), item["text"]) for item in written if item["role"] == "user"]
    assert said == [
        ("Ada", "[picture: JPEG, 1024 × 768, 149 kB] What is this?"),
        ("Ben", "[picture: PNG, 30 × 20, 1 kB]"),
    ]
    for client in (ada, ben):
        assert not client.of_type("error")
        await client.close()


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_a_picture_goes_through_all_processes(transport: str) -> None:
    use_loopback()
    with Gateway(OPENAI_LINK__GREET=0, OPENAI_LINK__TRANSPORT=transport) as gateway:
        asyncio.run(call(gateway))


def test_pictures_that_the_channel_or_the_model_does_not_take() -> None:
    """The session goes on; a model without pictures is told of once."""

    async def refused(gateway: Gateway) -> None:
        ada = PlainClient(gateway.url, "home", "Ada")
        await ada.join()
        states = ada.of_type
        await ada.until(lambda: any(m["upstream"] == "ready" for m in states("state")), "no link")
        assert await show(ada, jpeg(1_024, 768, 290_000)) == 202
        await ada.until(lambda: ada.of_type("error"), "nobody is told")
        (told,) = ada.of_type("error")
        assert told["code"] == "picture_refused" and "message_too_large" in told["message"]
        ada.messages.clear()
        assert await show(ada, PICTURE, "What is this?") == 202
        await ada.until(lambda: captions(ada, 'You wrote: "What is this?"'), "no answer")
        assert await show(ada, PICTURE) == 409
        await ada.until(lambda: ada.of_type("error"), "nobody is told")
        assert [m["code"] for m in ada.of_type("error")] == ["pictures_refused"]
        assert ada.of_type("state")[-1]["images"] is False
        await ada.close()

    use_loopback()
    with Gateway(
        OPENAI_LINK__GREET=0, SIMULATOR__IMAGES=0, OPENAI_LINK__IMAGE_MAX_BYTES=300_000
    ) as gateway:
        asyncio.run(refused(gateway))

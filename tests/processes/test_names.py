"""Names at a running gateway: one rule for the offer and for the control channel."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.processes.looking import joined
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient, use_loopback

pytestmark = pytest.mark.processes

REFUSED = ["Assistant", "\u0410ssistant", "A\u200bda", "\u202eadA", "A\nda", "The Assistant 2"]


async def offer_as(gateway: Gateway, name: str) -> tuple[int, str]:
    """Status and title of the answer to an offer under that name."""
    client = PlainClient(gateway.url)
    await client.pc.setLocalDescription(await client.pc.createOffer())
    body = {"sdp": client.pc.localDescription.sdp, "type": "offer"}
    url = f"{gateway.url}/rooms/names/participants"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, params={"name": name}, json=body) as answer,
    ):
        content = await answer.json(content_type=None)
    await client.close()
    return answer.status, content.get("title", "")


def test_no_way_in_takes_a_name_that_deceives() -> None:
    use_loopback()

    async def call(gateway: Gateway) -> None:
        for name in REFUSED:
            assert await offer_as(gateway, name) == (400, "Bad name"), ascii(name)
        client = await joined(gateway, "names", "Ada")
        for name in REFUSED:
            client.say(type="hello", name=name)
        client.say(type="hello", name="  Zo\u0065\u0308 ")
        await client.until(
            lambda: any(
                person["name"] == "Zo\u00eb"
                for message in client.of_type("participants")
                for person in message["participants"]
            ),
            "the good name did not arrive",
        )
        refusals = [m for m in client.of_type("error") if m["code"] == "bad_name"]
        assert len(refusals) == len(REFUSED)
        shown = {
            person["name"]
            for message in client.of_type("participants")
            for person in message["participants"]
        }
        assert shown == {"Ada", "Zo\u00eb"}
        await client.close()

    with Gateway() as gateway:
        asyncio.run(call(gateway))

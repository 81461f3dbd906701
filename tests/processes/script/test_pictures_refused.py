"""Pictures that the channel or the model does not take: people are told, the session goes on."""

from __future__ import annotations

import asyncio

import pytest

from tests.processes.showing import PICTURE, captions, show
from tests.support.gateway import Gateway
from tests.support.pictures import jpeg
from tests.support.plain_client import PlainClient

pytestmark = pytest.mark.processes


def test_pictures_that_the_channel_or_the_model_does_not_take(gateway: Gateway) -> None:
    """The session goes on; a model without pictures is told of once."""
    asyncio.run(refused(gateway))


async def refused(gateway: Gateway) -> None:
    ada = PlainClient(gateway.url, "gallery", "Ada")
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

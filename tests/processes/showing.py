"""What tests of pictures share: showing one, and what is said of it."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp

from tests.support.pictures import jpeg
from tests.support.plain_client import PlainClient

PICTURE = jpeg(1024, 768, 149_000)


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

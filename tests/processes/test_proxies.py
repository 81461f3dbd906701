"""The recipes of docs/proxies.md, with the real nginx and Caddy: join, talk, transcript, leave."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.proxies import HOST, Proxy
from tests.support import audio
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient, use_loopback

pytestmark = pytest.mark.processes
TOKEN = "correct-horse-battery"
MOST = 0.6
"""Of what was said; a busy machine may lose frames."""


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    use_loopback()
    gateway = Gateway(
        OPENAI_LINK__GREET="0",
        SIGNALING__TLS="off",
        SIGNALING__TRUSTED_PROXIES="127.0.0.1",
        SIGNALING__ALLOWED_HOSTS=HOST,
        SIGNALING__PUBLIC_PATH="/voice",
    )
    gateway.env["MIXMINUS_TOKEN"] = TOKEN
    try:
        gateway.start(wait=False)
        gateway.wait(lambda: "mixminus is ready" in gateway.log, "it does not become ready")
        yield gateway
    finally:
        gateway.close()


@pytest.mark.parametrize("path", ["", "/voice"], ids=["host", "sub-path"])
@pytest.mark.parametrize("program", ["nginx", "caddy"])
def test_join_talk_transcript_leave(
    gateway: Gateway, short_dir: Path, program: str, path: str
) -> None:
    proxy = Proxy(short_dir, gateway.port)
    command = getattr(proxy, program)(bool(path))
    url = f"https://{HOST}:{proxy.port}{path}"
    room = f"{program}{len(path)}"
    with proxy.running(command):
        asyncio.run(through(proxy, url, room, path))


async def through(proxy: Proxy, url: str, room: str, path: str) -> None:
    """What a browser does, through ``proxy``."""
    async with proxy.http("")() as stranger:
        async with stranger.get(f"{url}/") as page:
            assert page.status == 200 and 'src="web/main.js"' in await page.text()
        async with stranger.get(url) as page:
            assert page.status == 200 and page.url.path == f"{path}/"
        async with stranger.get(f"{url}/web/main.js") as script:
            assert script.status == 200
        async with stranger.get(f"{url}/rooms") as refused:
            assert refused.status == 401
    original = audio.read_wav(audio.SENTENCE)
    client = PlainClient(url, room, "Ada", http=proxy.http(TOKEN))
    took_s = await client.join()
    ready = lambda: any(m["upstream"] == "ready" for m in client.of_type("state"))  # noqa: E731
    await client.until(ready, "the assistant does not become ready")
    began_s = await client.speak(audio.to_pcm(original) + bytes(48_000))
    await client.until(lambda: client.of_type("caption"), "there is no reply")
    await client.quiet()
    heard = audio.from_pcm(client.pcm(began_s))
    found = audio.share_found(heard, original)
    print({"joined_ms": round(1000 * took_s), "found": round(found, 3)})
    assert found >= MOST
    async with proxy.http(TOKEN)() as session:
        async with session.get(f"{url}/rooms/{room}/transcript") as answer:
            items = (await answer.json())["items"]
            assert any("simulator" in item.get("text", "").lower() for item in items), items
        assert client.location.startswith(f"{url}/rooms/{room}/participants/") or not path
        async with session.delete(client.location) as answer:
            assert answer.status == 200, await answer.text()
    await client.close()

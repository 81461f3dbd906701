"""The recipes of docs/proxies.md, with the real nginx and Caddy: join, talk, transcript, leave.

By a client, and by the page under a sub-path: invitation, cookie, joining, a caption, leaving.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from signaling.access.desk import Desk
from signaling.access.ledger import Ledger
from signaling.access.links import link
from tests.browser.conftest import CHROMIUM, FLAGS, require
from tests.browser.support import shows, until, watched
from tests.processes.proxies import HOST, Proxy
from tests.support import audio
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient, use_loopback

if TYPE_CHECKING:
    from playwright.sync_api import Route

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
        SIGNALING__REQUIRE_INVITATION="true",
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


@pytest.mark.browser
def test_the_page_works_under_a_sub_path(gateway: Gateway, short_dir: Path) -> None:
    require(CHROMIUM, "Chromium is not installed")
    from playwright.sync_api import sync_playwright

    seen = len(gateway.log)
    proxy = Proxy(short_dir, gateway.port)
    command = proxy.nginx(True)
    desk = Desk(Ledger(gateway.dir / "state"))
    _, token = desk.invite(["home"], "speak", "Ada", 600, True, int(time.time()))
    with proxy.running(command), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                *FLAGS,
                f"--host-resolver-rules=MAP {HOST} 127.0.0.1",
                f"--use-file-for-fake-audio-capture={audio.SENTENCE}%noloop",
            ],
        )
        context = browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        troubles = watched(page)
        page.goto(link(f"https://{HOST}:{proxy.port}/voice/", token))
        page.get_by_role("button", name="Join", exact=True).click()
        shows(page, "simulator")
        (cookie,) = context.cookies()
        assert (cookie["path"], cookie["secure"]) == ("/voice", True)
        page.reload()
        page.get_by_role("button", name="Join", exact=True).click()
        until(page, "() => window.mixminus?.state().phase === 'connected'", "not again")
        gone = re.compile(r"\[home p-\w+\] = left")
        left = lambda: len(gone.findall(gateway.log[seen:])) >= 2  # noqa: E731

        def late(route: Route) -> None:
            """The gateway notices the closed connection before it reads the goodbye."""
            gateway.wait(left, "it does not leave")
            route.continue_()

        goodbye = "**/voice/rooms/home/participants/p-*"
        page.route(goodbye, late)
        with page.expect_response(goodbye) as answer:
            page.locator("#leave").click()
        assert (answer.value.request.method, answer.value.status) == ("DELETE", 200)
        assert troubles == []
        browser.close()

"""The page under a sub-path behind nginx: invitation, cookie, joining, a caption, leaving."""

from __future__ import annotations

import time
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

if TYPE_CHECKING:
    from playwright.sync_api import Route

pytestmark = pytest.mark.browser


def test_the_page_works_under_a_sub_path(short_dir: Path) -> None:
    require(CHROMIUM, "Chromium is not installed")
    from playwright.sync_api import sync_playwright

    gateway = Gateway(
        SIGNALING__TLS="off",
        SIGNALING__TRUSTED_PROXIES="127.0.0.1",
        SIGNALING__ALLOWED_HOSTS=HOST,
        SIGNALING__PUBLIC_PATH="/voice",
        SIGNALING__REQUIRE_INVITATION="true",
    )
    try:
        proxy = Proxy(short_dir, gateway.port)
        command = proxy.nginx(True)
        gateway.start(wait=False)
        gateway.wait(lambda: "mixminus is ready" in gateway.log, "it does not become ready")
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
            left = lambda: gateway.log.count("] = left") >= 2  # noqa: E731

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
    finally:
        gateway.close()

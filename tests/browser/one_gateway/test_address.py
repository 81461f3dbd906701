"""An address opens no microphone, and none keeps the page from starting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.support import until, watched
from tests.support.gateway import Gateway

pytestmark = [pytest.mark.browser, pytest.mark.processes]

WATCH = """
window.opened = 0;
const media = navigator.mediaDevices;
const open = media.getUserMedia.bind(media);
media.getUserMedia = (wanted) => { window.opened += 1; return open(wanted); };
window.frames_ = 0;
const count = () => { window.frames_ += 1; requestAnimationFrame(count); };
requestAnimationFrame(count);
"""
"""Counts what the page asks of the microphone, and the frames that it has drawn."""


def test_an_address_opens_no_microphone_and_joins_no_room(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    context = open_browser(None).new_context(permissions=["microphone"])
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(f"{gateway.url}/?autojoin=1&room=trap&name=Ada")
    until(page, "() => window.frames_ > 20", "the page draws nothing")
    assert page.evaluate("() => window.opened") == 0
    assert all(room["room"] != "trap" for room in gateway.json("/rooms")["rooms"])
    assert page.input_value("#join-room") == "trap"
    page.get_by_role("button", name="Join").click()
    until(page, "() => window.opened === 1", "Join opens no microphone")


@pytest.mark.parametrize("address", ["/#/%", "/#%", "/?room=%&name=%#%E0%A4%A"])
def test_the_page_starts_whatever_its_address_is(
    gateway: Gateway, open_browser: Callable[..., Any], address: str
) -> None:
    page = open_browser(None).new_page()
    troubles = watched(page)
    page.goto(f"{gateway.url}{address}")
    page.get_by_role("button", name="Join").click()
    until(page, "() => /room name won't work/.test(document.body.innerText)", "no answer")
    page.fill("#join-room", "fine")
    page.get_by_role("button", name="Join").click()
    until(page, "() => document.body.dataset.view === 'connected'", "not connected")
    assert troubles == []

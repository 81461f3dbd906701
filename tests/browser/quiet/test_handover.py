"""A worker that does not answer any more: the page moves to another one, and stays who it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.support import until
from tests.support.gateway import Gateway

pytestmark = pytest.mark.browser
STATE = "() => { const { participant, muted, phase, name } = window.mixminus.state(); %s }"


def test_place_name_and_mute_are_kept_and_nobody_is_there_twice(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    page = open_browser(None).new_page()
    page.goto(f"{gateway.url}/?room=moves&name=Ada")
    page.get_by_role("button", name="Join").click()
    until(page, "() => window.mixminus?.state().participant", "not in room")
    page.locator("#mic").click()
    before = page.evaluate(STATE % "return participant")
    page.evaluate("() => window.mixminus.receive({type: 'caption', item: 'i', text: 'kept'})")
    busy = gateway.worker_of(before)
    os.kill(busy, signal.SIGSTOP)
    try:
        moved = f"participant && participant !== '{before}' && phase === 'connected'"
        until(page, STATE % f"return {moved}", "it did not move")
    finally:
        os.kill(busy, signal.SIGCONT)
    assert page.evaluate(STATE % "return [muted, name]") == [True, "Ada"]
    assert "kept" in page.inner_text("#captions")
    after = page.evaluate(STATE % "return participant")

    def people() -> list[tuple[str, bool]]:
        found = gateway.json("/rooms/moves")["participants"]
        return [(person["participant"], person["muted"]) for person in found]

    gateway.wait(lambda: page.wait_for_timeout(100) or people() == [(after, True)], "twice")
    page.wait_for_timeout(1500)
    assert page.evaluate(STATE % "return participant") == after, "it stays"
    assert page.locator(".problem").count() == 0

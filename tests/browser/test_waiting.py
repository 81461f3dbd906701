"""A full gateway: the page says so in words, waits in line, and comes in by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.support import until
from tests.support.gateway import SHORT_OF_MEMORY, Gateway

pytestmark = [pytest.mark.browser, pytest.mark.processes]

VIEW = "() => document.body.dataset.view"


def visitor(gateway: Gateway, browser: Any, name: str) -> Any:
    """A page that has pressed Join."""
    page = browser.new_context().new_page()
    page.goto(f"{gateway.url}/?room=small&name={name}")
    page.get_by_role("button", name="Join").click()
    return page


def says(page: Any, words: str) -> None:
    """Wait until the page's notice has ``words`` in it."""
    until(page, f"() => document.querySelector('.problem')?.innerText.includes('{words}')", words)


def test_a_full_gateway_is_waited_for_in_line(open_browser: Callable[..., Any]) -> None:
    with Gateway(SIGNALING__MAX_PARTICIPANTS=1) as gateway:
        browser = open_browser(None)
        inside = visitor(gateway, browser, "Ada")
        until(inside, f"() => ({VIEW})() === 'connected'", "not in")
        first = visitor(gateway, browser, "Bob")
        says(first, "you are number 1 in line")
        second = visitor(gateway, browser, "Cy")
        says(second, "you are number 2 in line")
        assert first.inner_text("#join-label") == "Waiting in line …"
        inside.get_by_role("button", name="Leave").click()
        until(first, f"() => ({VIEW})() === 'connected'", "the line does not move")
        until(first, "() => !document.querySelector('.problem')", "the problem stays")
        says(second, "you are number 1 in line")
        people = gateway.json("/rooms/small")["participants"]
        assert [person["name"] for person in people] == ["Bob"]


def test_a_busy_gateway_is_waited_for_in_line(open_browser: Callable[..., Any]) -> None:
    with Gateway(**SHORT_OF_MEMORY) as gateway:
        browser = open_browser(None)
        inside = visitor(gateway, browser, "Ada")
        until(inside, f"() => ({VIEW})() === 'connected'", "not in")
        gateway.wait(lambda: gateway.json("/readyz")["load"]["level"] == 3, "it is not busy")
        waiting = visitor(gateway, browser, "Bob")
        says(waiting, "This gateway is busy: it is short of memory; you are number 1 in line")
        says(waiting, "as soon as it has time: keep this page open")
        assert waiting.inner_text("#join-label") == "Waiting in line …"
        inside.get_by_role("button", name="Leave").click()
        until(waiting, f"() => ({VIEW})() === 'connected'", "the line does not move")
        assert waiting.locator(".problem").count() == 0


def test_too_many_attempts_are_answered_in_words(open_browser: Callable[..., Any]) -> None:
    with Gateway(SIGNALING__MAX_PARTICIPANTS=0, SIGNALING__MAX_OFFERS_PER_MINUTE=1) as gateway:
        page = visitor(gateway, open_browser(None), "Ada")
        says(page, "too many attempts to join".capitalize())
        says(page, "wait")

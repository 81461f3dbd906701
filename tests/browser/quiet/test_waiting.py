"""A full gateway: the page says so in words, waits in line, and comes in by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from signaling.http import problems
from signaling.limits.limiter import Limiter, Refusal
from tests.browser.support import until
from tests.support.gateway import SHORT_OF_MEMORY, Gateway

pytestmark = [pytest.mark.browser, pytest.mark.processes]

VIEW = "() => document.body.dataset.view"


@pytest.fixture(scope="module")
def full() -> Iterator[Gateway]:
    """One with a place for one."""
    with Gateway(SIGNALING__MAX_PARTICIPANTS=1) as gateway:
        yield gateway


def visitor(gateway: Gateway, browser: Any, name: str, refused: Any = None) -> Any:
    """A page that has pressed Join; ``refused`` answers every offer in place of the gateway."""
    page = browser.new_context().new_page()
    if refused is not None:
        page.route("**/participants*", refused)
    page.goto(f"{gateway.url}/?room=small&name={name}")
    page.get_by_role("button", name="Join").click()
    return page


def says(page: Any, words: str) -> None:
    """Wait until the page's notice has ``words`` in it."""
    until(page, f"() => document.querySelector('.problem')?.innerText.includes('{words}')", words)


def test_a_full_gateway_is_waited_for_in_line(
    full: Gateway, open_browser: Callable[..., Any]
) -> None:
    browser = open_browser(None)
    inside = visitor(full, browser, "Ada")
    until(inside, f"() => ({VIEW})() === 'connected'", "not in")
    first = visitor(full, browser, "Bob")
    says(first, "you are number 1 in line")
    second = visitor(full, browser, "Cy")
    says(second, "you are number 2 in line")
    assert first.inner_text("#join-label") == "Waiting in line …"
    inside.get_by_role("button", name="Leave").click()
    until(first, f"() => ({VIEW})() === 'connected'", "the line does not move")
    until(first, "() => !document.querySelector('.problem')", "the problem stays")
    says(second, "you are number 1 in line")
    people = full.json("/rooms/small")["participants"]
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


def refusal() -> Refusal:
    """What a gateway refuses with where one offer in a minute is allowed."""
    limiter = Limiter(1, 0)
    limiter.offer("192.0.2.7", 0)
    with pytest.raises(Refusal) as refused:
        limiter.offer("192.0.2.7", 0)
    return refused.value


def test_too_many_attempts_are_answered_in_words(
    full: Gateway, open_browser: Callable[..., Any]
) -> None:
    """The words are the limiter's; that a gateway answers with them, ``test_limits`` shows."""
    answer = problems.from_error(refusal())
    assert answer.status == 429
    offers = []

    def refuse(route: Any) -> None:
        offers.append(route.request.method)
        route.fulfill(status=answer.status, headers=dict(answer.headers), body=answer.body)

    page = visitor(full, open_browser(None), "Ada", refuse)
    says(page, "Too many attempts to join from 192.0.2.7 did not get through: wait")
    assert offers[0] == "POST"

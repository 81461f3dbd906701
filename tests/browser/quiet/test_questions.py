"""A tool asks the room: every page shows the question, the first answer ends it everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.support import joined, shows, until, watched
from tests.support.gateway import Gateway

pytestmark = pytest.mark.browser

ASKED = "() => document.querySelectorAll('.question').length === 1"
ANSWERABLE = "() => performance.now() - window.mixminus.state().questions[0].atMs > 500"
OVER = "() => document.querySelectorAll('.question').length === 0"


def says(page: Any, words: str) -> None:
    """Type a line and send it."""
    page.locator("#say").fill(words)
    page.locator("#say").press("Enter")


def test_the_first_answer_counts_and_ends_the_question_everywhere(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    browser = open_browser(None)
    ada = joined(gateway, browser, "room=door&name=Ada&talk=hold")
    bob = joined(gateway, browser, "room=door&name=Bob&talk=hold")
    troubles = watched(ada) + watched(bob)
    says(ada, "call unlock_door")
    for page in (ada, bob):
        until(page, ASKED, "no question")
    card = bob.locator(".question")
    assert "nlock" in card.inner_text() and " s" in card.locator(".left").inner_text()
    assert card.get_attribute("role") == "alertdialog"
    assert bob.evaluate(
        "() => document.querySelector('.question').contains(document.activeElement)"
    )
    assert ada.evaluate("() => document.activeElement.id") == "say", "nobody is taken from a text"
    until(bob, ANSWERABLE, "no answer is taken")
    card.get_by_role("button", name="No").click()
    until(bob, OVER, "still asked")
    until(ada, OVER, "still asked")
    shows(ada, "Not done: unlock door (Bob said no)")
    shows(ada, "it was not done")  # The answer: what is said before it, it answers too.
    says(bob, "call unlock_door")
    until(ada, ASKED, "no question")
    until(ada, ANSWERABLE, "no answer is taken")
    ada.get_by_role("button", name="Yes, do it").click()
    shows(bob, "Done: unlock door")
    shows(bob, "open for 5 minutes")
    until(bob, OVER, "still asked")
    assert troubles == []


def test_what_it_costs_is_shown(gateway: Gateway, open_browser: Callable[..., Any]) -> None:
    page = joined(gateway, open_browser(None), "room=cost&name=Ada&talk=hold")
    says(page, "call unlock_door")
    until(page, "() => /tokens/.test(document.getElementById('cost').textContent)", "no cost")
    assert "today" in page.locator("#cost").get_attribute("title")

"""Two admins with the settings open: each sees what the other one changes, and is not disturbed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.support import joined, until, watched
from tests.support.gateway import Gateway

pytestmark = pytest.mark.browser

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
NEWS = "document.getElementById('room-news').textContent"
TYPED = """() => {
  const { activeElement } = document;
  return [activeElement.id, activeElement.value, activeElement.selectionStart];
}"""


def look(page: Any) -> None:
    """Keep pictures of all states, if somebody wants some."""
    folder = os.environ.get("MIXMINUS_PICTURES")
    for size in (DESKTOP, PHONE) if folder else ():
        for scheme in ("light", "dark"):
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=f"{folder}/settings-{size['width']}-{scheme}.png")


def test_an_open_dialog_follows_what_another_admin_changes(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    browser = open_browser(None)
    ada = joined(gateway, browser, "room=ours&name=Ada&talk=hold")
    ben = joined(gateway, browser, "room=ours&name=Ben&talk=hold")
    troubles = watched(ada) + watched(ben)
    for page in (ada, ben):
        page.set_viewport_size(DESKTOP)
        page.locator("#open-settings").click()
    ada.locator("#set-place").fill("Kitchen")
    ada.keyboard.press("ArrowLeft")
    before = ada.evaluate(TYPED)
    ben.locator("input[name=room-mode][value=conference]").check()
    until(ada, f"() => {NEWS}.includes('Who hears whom: Conference')", "Ada is not told")
    assert ada.locator("input[name=room-mode][value=conference]").is_checked()
    ben.locator("#rule-locked").check()
    until(ada, f"() => {NEWS}.includes('Locked: on')", "Ada is not told of the lock")
    assert ada.locator("#rule-locked").is_checked()
    assert "Conference" in ada.evaluate(f"() => {NEWS}"), "the first change is still said"
    assert ada.evaluate(TYPED) == before == ["set-place", "Kitchen", 6]
    assert ben.evaluate(f"() => {NEWS}") == "", "what Ben has done is no news to him"
    look(ada)
    ada.locator("input[name=room-address][value=push_to_talk]").check()
    until(ben, f"() => {NEWS}.includes('When the assistant answers: Button')", "Ben is not told")
    assert ben.locator("#set-talk-rule").is_visible() and "Button" not in ada.evaluate(
        f"() => {NEWS}"
    )
    ada.locator("#close-settings").click()
    ada.locator("#open-settings").click()
    assert ada.evaluate(f"() => {NEWS}") == "", "it has been seen"
    assert troubles == []


ANSWERED = """(status) => {
  const { fetch } = window;
  const { mode, rules } = window.mixminus.state();
  const body = JSON.stringify(status === 200 ? { mode, rules } : { title: "Busy", detail: "no" });
  window.answers = 0;
  window.fetch = async (address, how) => {
    if (how?.method !== "PATCH") return fetch(address, how);
    window.answers += 1;
    return new Response(body, { status, headers: { "Content-Type": "application/json" } });
  };
}"""
"""A change is answered at once; the assistant, which says when it answers, says nothing."""


def test_a_choice_stays_until_the_room_says_otherwise_and_goes_where_it_is_refused(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    page = joined(gateway, open_browser(None), "room=slow&name=Ada&talk=hold")
    page.set_viewport_size(DESKTOP)
    page.locator("#open-settings").click()
    rule = "input[name=room-address][value=%s]"
    page.evaluate(ANSWERED, 200)
    page.locator(rule % "push_to_talk").click()
    until(page, "() => window.answers === 1", "nothing is asked for")
    page.wait_for_timeout(100)
    assert page.locator(rule % "push_to_talk").is_checked()
    page.evaluate(ANSWERED, 503)
    page.locator(rule % "addressed").click()
    always = rule % "always"
    until(page, f"() => document.querySelector('{always}').checked", "the refused choice stays")

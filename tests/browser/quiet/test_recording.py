"""A recording as two people see it: one begins it, the other one ends it, the files are there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.support import joined, until, watched
from tests.support.gateway import Gateway
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

SHOWN = "(code) => document.querySelector(`.problem[data-code='${code}']`) !== null"
SAVED = "() => document.querySelectorAll('#recordings a[download]').length >= 1"
NO_FILES = "() => document.getElementById('recordings').textContent === 'There are none.'"


def look(page: Any, name: str) -> None:
    """Keep a picture, if somebody wants one."""
    if folder := os.environ.get("MIXMINUS_PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png")


def leave_out(gateway: Gateway, *names: str) -> None:
    """Note in the only recording whose voice is not in it, as one with 64 voices has it."""
    state = Path(gateway.env["MIXMINUS_RUNTIME__STATE_DIR"])
    (file,) = state.glob("recordings/studio/*/recording.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"left_out": names}))


def sees_left_out(gateway: Gateway, page: Any) -> bool:
    """Whether the list tells whom a recording has no voice of. (The link may still write it.)"""
    leave_out(gateway, "Cem", "Dan")
    for _ in ("close", "open"):
        page.locator("#recordings-past summary").click()
        page.wait_for_timeout(200)
    return "without Cem, Dan" in page.locator("#recordings").inner_text()


def test_one_begins_and_another_one_objects(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    browser = open_browser(None)
    ada = joined(gateway, browser, "room=studio&name=Ada&talk=hold")
    bob = joined(gateway, browser, "room=studio&name=Bob&talk=hold")
    troubles = watched(ada) + watched(bob)
    ada.locator("#open-settings").click()
    ada.locator("#recordings-past summary").click()
    until(ada, NO_FILES, "the list is not shown")
    ada.locator("#record").click()
    until(bob, f"() => ({SHOWN})('recording-soon')", "Bob is not told")
    look(bob, "soon")
    assert bob.locator("#recorded").inner_text().lower() == "recorded soon"
    until(bob, f"() => ({SHOWN})('recording')", "it does not begin")
    look(bob, "on")
    look(ada, "settings")
    bob.get_by_role("button", name="Stop the recording").click()
    for page in (ada, bob):
        until(page, f"() => ({SHOWN})('recording-over')", "it goes on")
    assert "Bob has ended the recording" in ada.locator(".problem").all_inner_texts()[0]
    assert bob.locator("#recorded").is_hidden()
    until(ada, SAVED, "the list that is open does not get the files")
    look(ada, "files")
    assert ada.locator("#recordings li").count() == 1 and troubles == []
    assert "without" not in ada.locator("#recordings li").inner_text()
    wait_until(lambda: sees_left_out(gateway, ada), "nobody sees who is missing")

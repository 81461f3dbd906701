"""Invitations and roles in the page: from the link to the room, and out of it again."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.support import until, watched
from tests.support.gateway import Gateway

pytestmark = [pytest.mark.browser, pytest.mark.processes]
CONNECTED = "() => document.body.dataset.view === 'connected'"


def invited(gateway: Gateway, room: str, **wish: Any) -> str:
    """The link of an invitation that somebody at the gateway's screen makes."""
    request = urllib.request.Request(
        f"{gateway.url}/rooms/{room}/invitations",
        json.dumps(wish).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["link"])


def opened(browser: Any, address: str) -> Any:
    """A page of a browser that knows nothing."""
    page = browser.new_context(permissions=["microphone"]).new_page()
    page.goto(address)
    return page


def join(page: Any) -> None:
    page.get_by_role("button", name="Join").click()
    until(page, CONNECTED, "not connected")


def says(page: Any, code: str, words: str) -> None:
    """Wait until the page shows a problem with these words."""
    text = f"document.querySelector('.problem[data-code={code}]')?.textContent"
    until(page, f"() => /{words}/.test({text})", words)


def test_an_admin_invites_mutes_and_removes(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    browser = open_browser(None)
    admin = opened(browser, f"{gateway.url}/?room=den&name=Olga")
    join(admin)
    admin.locator("#open-invite").click()
    admin.fill("#invite-name", "Anna")
    admin.get_by_role("button", name="Make a link").click()
    until(admin, "() => document.querySelector('#invite-qr img')?.naturalWidth > 0", "no QR code")
    link = admin.input_value("#invite-link")
    admin.locator("#close-invite").click()
    assert link not in admin.content()

    anna = opened(browser, link)
    troubles = watched(anna)
    until(anna, "() => document.getElementById('join-name').value === 'Anna'", "no name")
    assert anna.url == f"{gateway.url}/"
    seen = anna.evaluate("() => document.referrer + location.href + document.cookie")
    assert "invite" not in seen and "mixminus" not in seen
    assert anna.input_value("#join-room") == "den"
    join(anna)
    until(anna, "() => window.mixminus?.state().verified", "not verified")
    assert anna.locator("#open-invite").is_hidden() and anna.locator("#stop").is_hidden()
    until(
        admin, "() => document.querySelectorAll('.verified:not([hidden])').length === 1", "no mark"
    )

    admin.locator(".more-about:visible").click()
    admin.locator("#person-lock").click()
    until(anna, "() => window.mixminus.state().mutedByAdmin", "not muted")
    says(anna, "silenced", "An admin has muted you")
    assert anna.locator("#mic").is_disabled()
    until(admin, "() => window.mixminus.state().participants.some((one) => one.muted)", "not shown")
    admin.locator(".more-about:visible").click()
    admin.locator("#person-unlock").click()
    until(anna, "() => !window.mixminus.state().mutedByAdmin", "still locked")
    assert anna.evaluate("() => window.mixminus.state().muted")
    anna.locator("#mic").click()
    until(anna, "() => !window.mixminus.state().muted", "she cannot unmute")
    assert troubles == []

    admin.locator(".more-about:visible").click()
    admin.locator("#person-remove").click()
    says(anna, "sent-away", "An admin has removed you from this room")
    anna.get_by_role("button", name="Join").click()
    says(anna, "forbidden", "ask for a new invitation")
    until(admin, "() => window.mixminus.state().participants.length === 1", "she is still there")


def test_an_admin_decides_the_rules_of_the_room(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    browser = open_browser(None)
    admin = opened(browser, f"{gateway.url}/?room=hall&name=Olga")
    join(admin)
    anna = opened(browser, invited(gateway, "hall", name="Anna"))
    troubles = watched(anna)
    until(anna, "() => !document.getElementById('join-button').disabled", "no lobby")
    join(anna)
    until(anna, "() => document.getElementById('stop').hidden", "she may stop the assistant")

    admin.locator("#open-settings").click()
    for rule in ("#rule-stop", "#rule-enter-muted", "#rule-locked"):
        admin.locator(rule).check()
        until(admin, f"() => document.querySelector('{rule}').checked", "not taken")
    until(anna, "() => window.mixminus.state().rules.locked", "she is not told")
    assert anna.locator("#stop").is_visible()
    anna.locator("#open-settings").click()
    assert anna.locator("#set-room").is_hidden()
    anna.locator("#close-settings").click()
    known = gateway.json("/rooms/hall")["rules"]
    assert known == {
        "locked": True,
        "enter_muted": True,
        "stop": "speak",
        "confirm": "speak",
        "address": "",
    }

    bob = opened(browser, invited(gateway, "hall", name="Bob"))
    until(bob, "() => !document.getElementById('join-button').disabled", "no lobby")
    bob.get_by_role("button", name="Join").click()
    says(bob, "forbidden", "An admin has locked this room")
    admin.locator("#rule-locked").uncheck()
    until(admin, "() => !window.mixminus.state().rules.locked", "not open")
    join(bob)
    says(bob, "silenced", "An admin of the room can let you speak")
    assert bob.locator("#mic").is_disabled()

    anna.reload()
    until(anna, "() => !document.getElementById('join-button').disabled", "no lobby")
    join(anna)
    until(anna, "() => window.mixminus?.state().role === 'speak'", "no welcome")
    assert not anna.evaluate("() => window.mixminus.state().mutedByAdmin"), "she was here before"
    assert troubles == []


def test_a_listener_hears_and_is_not_heard(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    ben = opened(open_browser(None), invited(gateway, "attic", role="listen"))
    until(ben, "() => /to listen/.test(document.body.innerText)", "no word of it")
    ben.fill("#join-name", "Ben")
    join(ben)
    until(ben, "() => window.mixminus?.state().role === 'listen'", "no listener")
    for place in ("#mic", "#stop", "#open-invite"):
        assert ben.locator(place).is_hidden(), place
    assert ben.locator("#say").is_disabled()
    (person,) = gateway.json("/rooms/attic")["participants"]
    assert (person["name"], person["role"], person["muted"]) == ("Ben", "listen", True)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("a.b.c", "Open it again, or ask|incomplete: open it again"),
        ("eyJhbGciOiJub25lIn0.eyJqdGkiOiJhIn0.", "not signed"),
    ],
)
def test_a_link_that_does_not_count_says_why(
    gateway: Gateway, open_browser: Callable[..., Any], token: str, words: str
) -> None:
    page = opened(open_browser(None), f"{gateway.url}/#invite={token}")
    says(page, "forbidden", words)
    assert page.url == f"{gateway.url}/"


def test_a_used_and_a_revoked_link_say_so(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    browser = open_browser(None)
    link = invited(gateway, "cellar", role="speak", once=True)
    first = opened(browser, link)
    until(first, "() => /You are invited/.test(document.body.innerText)", "not invited")
    says(opened(browser, link), "forbidden", "one has come by it")
    join(first)
    (known,) = gateway.json("/rooms/cellar/invitations")["invitations"]
    path = f"{gateway.url}/rooms/cellar/invitations/{known['id']}"
    urllib.request.urlopen(urllib.request.Request(path, method="DELETE")).close()
    says(first, "sent-away", "was revoked")
    says(opened(browser, link), "forbidden", "was revoked")

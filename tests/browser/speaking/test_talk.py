"""Push-to-talk, from the page's button to the simulator and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.support import LINES, PRESSED, hold, joined, until, watched
from tests.support import audio
from tests.support.gateway import LOOK_S, Gateway
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

HELD_S = 2.0
LATE = """
const { set } = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, "onmessage");
Object.defineProperty(RTCDataChannel.prototype, "onmessage", { set(take) {
  const isWelcome = ({ data }) => typeof data === "string" && data.includes('"welcome"');
  const later = (event) => setTimeout(() => take(event), isWelcome(event) ? 1000 : 0);
  set.call(this, take && later);
} });
"""
"""The page hears of the room's rules a second after its microphone is heard."""
LOST = "document.body.innerText.includes('none of your words arrived')"
FORGET = "() => document.querySelectorAll('.problem button').forEach((button) => button.click())"
PHONE = {"width": 360, "height": 640}


@pytest.fixture(scope="module")
def button_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Its assistant hears only while a button is held; what it hears is in ``dir / "heard"``."""
    heard = tmp_path_factory.mktemp("heard")
    with Gateway(
        OPENAI_LINK__TURN_DETECTION="push_to_talk",
        OPENAI_LINK__GREET=0,
        SIMULATOR__RECORD_DIR=str(heard),
    ) as gateway:
        yield gateway


def loud_s(samples: audio.Samples) -> float:
    """Seconds from the first to the last loud 20 ms."""
    frames = samples[: len(samples) // 480 * 480].reshape(-1, 480)
    loud = np.flatnonzero(np.sqrt(np.mean(frames**2, axis=1)) > 10 ** (-45 / 20))
    return float(loud[-1] + 1 - loud[0]) / 50 if len(loud) else 0.0


def recordings(gateway: Gateway) -> set[Path]:
    """One for each call that the simulator has had."""
    return set(Path(gateway.env["MIXMINUS_SIMULATOR__RECORD_DIR"]).glob("*.wav"))


def test_the_model_hears_only_what_is_said_while_the_button_is_held(
    button_gateway: Gateway, open_browser: Callable[..., Any], speech: Path
) -> None:
    of_others = recordings(button_gateway)
    """Of rooms that people have left without a word: they still run."""
    page = joined(button_gateway, open_browser(speech), "room=button&name=Ada&raw=1")
    troubles = watched(page)

    def heard() -> audio.Samples:
        (recording,) = recordings(button_gateway) - of_others
        return audio.read_wav(recording)

    until(page, "() => !document.getElementById('talk').hidden", "the room's rule is not shown")
    sent = "() => window.mixminus.stats().link.sent"
    page.wait_for_timeout(500)
    before = page.evaluate(sent)
    page.wait_for_timeout(1000)
    assert page.evaluate(sent) == before, "frames leave although the button is up"
    assert page.evaluate(LINES) == []
    answer = f"() => ({LINES})().some((line) => /I heard/.test(line))"
    is_answered = False
    while not is_answered:  # A busy machine may lose all that was said, and says so.
        before = page.evaluate(sent)
        held_s = hold(page, HELD_S)
        until(page, f"() => ({answer})() || {LOST}", "no answer")
        is_answered = page.evaluate(answer)
        page.evaluate(FORGET)
    answered = len(heard())
    more = answered + int(1.2 * audio.RATE_HZ)
    wait_until(lambda: len(heard()) > more, "the recording ends", step_s=LOOK_S)
    heard_s = loud_s(heard())
    sent_s = (page.evaluate(sent) - before) / 50
    print({"held_s": held_s, "sent_s": sent_s, "heard_s": heard_s})
    assert sent_s < held_s + 0.4
    assert HELD_S / 2 < heard_s < sent_s + 0.4, "a busy machine may lose some of it"
    assert troubles == []


def test_nothing_is_sent_before_the_page_knows_whether_a_button_decides(
    button_gateway: Gateway, open_browser: Callable[..., Any], speech: Path
) -> None:
    page = open_browser(speech).new_page()
    page.add_init_script(LATE)
    page.goto(f"{button_gateway.url}/?room=late&name=Ada&raw=1")
    page.get_by_role("button", name="Join").click()
    until(page, "() => window.mixminus?.state().pushToTalk", "the room's rule does not come")
    page.wait_for_timeout(500)
    assert page.evaluate("() => window.mixminus.stats().link.sent") == 0


def test_keys_and_lost_focus_hold_and_let_go(
    button_gateway: Gateway, open_browser: Callable[..., Any], speech: Path
) -> None:
    page = joined(button_gateway, open_browser(speech), "room=keys&name=Ada&raw=1")
    until(page, "() => !document.getElementById('talk').hidden", "the room's rule is not shown")
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.down(" ")
    until(page, PRESSED, "space does not press")
    page.evaluate("() => window.dispatchEvent(new Event('blur'))")
    assert not page.evaluate(PRESSED), "a page that is left lets go"
    page.keyboard.up(" ")
    page.locator("#say").focus()
    page.keyboard.type("a b")
    assert not page.evaluate(PRESSED), "spaces in a text are spaces"
    assert page.locator("#say").input_value() == "a b"
    page.locator("#talk").focus()
    page.keyboard.down("Enter")
    assert page.evaluate(PRESSED)
    page.keyboard.up("Enter")
    assert not page.evaluate(PRESSED), "no click follows"
    page.evaluate("() => document.getElementById('talk').click()")
    assert page.evaluate(PRESSED), "a screen reader's click stays"
    page.evaluate("() => document.getElementById('talk').click()")
    assert not page.evaluate(PRESSED)


def test_a_finger_holds_the_button_on_a_phone_even_when_it_slips(
    button_gateway: Gateway, open_browser: Callable[..., Any], speech: Path
) -> None:
    page = joined(button_gateway, open_browser(speech), "room=phone&name=Ada&raw=1")
    page.set_viewport_size(PHONE)
    until(page, "() => !document.getElementById('talk').hidden", "the room's rule is not shown")
    box = page.locator("#talk").bounding_box()
    assert box["height"] >= 64 and box["width"] >= 300
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    cdp = page.context.new_cdp_session(page)
    point = {"x": box["x"] + 40, "y": box["y"] + 20}
    slipped = {"x": box["x"] + 40, "y": box["y"] - 200}

    def touch(kind: str, points: list[dict[str, float]]) -> None:
        cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", [point])
    until(page, PRESSED, "touch does not press")
    touch("touchMove", [slipped])
    page.wait_for_timeout(200)
    assert page.evaluate(PRESSED), "the pointer is captured"
    touch("touchEnd", [])
    until(page, f"() => !({PRESSED})()", "touch does not release")

"""Push-to-talk and questions of tools, from the page's buttons to the simulator and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.support import joined, until, watched
from tests.support import audio
from tests.support.gateway import Gateway

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

HELD_S = 2.0
PHONE = {"width": 360, "height": 640}
LINES = "() => [...document.querySelectorAll('#captions .text')].map((line) => line.textContent)"


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody who never stops talking."""
    path = tmp_path_factory.mktemp("microphone") / "speech.wav"
    audio.write_wav(path, np.tile(audio.read_wav(audio.SENTENCE), 12))
    return path


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


def heard(gateway: Gateway) -> audio.Samples:
    """Everything that the simulator has heard of its newest call."""
    directory = Path(gateway.env["MIXMINUS_SIMULATOR__RECORD_DIR"])
    newest = max(directory.glob("*.wav"), key=lambda path: path.stat().st_mtime)
    return audio.read_wav(newest)


def hold(page: Any, held_s: float) -> float:
    """Hold the talk button with the mouse; returns how long it really was."""
    box = page.locator("#talk").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    began = time.monotonic()
    page.mouse.down()
    until(page, "() => window.mixminus.state().pressed", "not pressed")
    shown = "() => document.getElementById('talk').getAttribute('aria-pressed') === 'true'"
    until(page, shown, "the press is not shown")
    page.wait_for_timeout(int(1000 * held_s))
    page.mouse.up()
    until(page, "() => !window.mixminus.state().pressed", "not released")
    return time.monotonic() - began


def test_the_model_hears_only_what_is_said_while_the_button_is_held(
    button_gateway: Gateway, open_browser: Callable[..., Any], speech: Path
) -> None:
    page = joined(button_gateway, open_browser(speech), "room=button&name=Ada&raw=1")
    troubles = watched(page)
    until(page, "() => !document.getElementById('talk').hidden", "the room's rule is not shown")
    page.wait_for_timeout(3000)
    assert page.evaluate("() => window.mixminus.stats().link.sent") < 50, "only before the rule"
    assert page.evaluate(LINES) == []
    held_s = hold(page, HELD_S)
    until(page, f"() => ({LINES})().some((line) => /I heard/.test(line))", "no answer")
    page.wait_for_timeout(1500)
    heard_s = loud_s(heard(button_gateway))
    print({"held_s": round(held_s, 2), "heard_s": round(heard_s, 2)})
    assert heard_s == pytest.approx(held_s, abs=0.4)
    assert troubles == []


def test_keys_and_lost_focus_hold_and_let_go(
    button_gateway: Gateway, open_browser: Callable[..., Any], speech: Path
) -> None:
    page = joined(button_gateway, open_browser(speech), "room=keys&name=Ada&raw=1")
    until(page, "() => !document.getElementById('talk').hidden", "the room's rule is not shown")
    pressed = "() => window.mixminus.state().pressed"
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.down(" ")
    until(page, pressed, "space does not press")
    page.evaluate("() => window.dispatchEvent(new Event('blur'))")
    assert not page.evaluate(pressed), "a page that is left lets go"
    page.keyboard.up(" ")
    page.locator("#say").focus()
    page.keyboard.type("a b")
    assert not page.evaluate(pressed), "spaces in a text are spaces"
    assert page.locator("#say").input_value() == "a b"
    page.locator("#talk").focus()
    page.keyboard.down("Enter")
    assert page.evaluate(pressed)
    page.keyboard.up("Enter")
    assert not page.evaluate(pressed), "no click follows"
    page.evaluate("() => document.getElementById('talk').click()")
    assert page.evaluate(pressed), "a screen reader's click stays"
    page.evaluate("() => document.getElementById('talk').click()")
    assert not page.evaluate(pressed)


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

    pressed = "() => window.mixminus.state().pressed"
    touch("touchStart", [point])
    until(page, pressed, "touch does not press")
    touch("touchMove", [slipped])
    page.wait_for_timeout(200)
    assert page.evaluate(pressed), "the pointer is captured"
    touch("touchEnd", [])
    until(page, f"() => !({pressed})()", "touch does not release")


def test_one_person_may_talk_by_button_where_the_others_speak_freely(
    open_browser: Callable[..., Any], speech: Path
) -> None:
    with Gateway(OPENAI_LINK__GREET=0) as gateway:
        page = joined(gateway, open_browser(speech), "room=free&name=Ada&raw=1&talk=hold")
        page.wait_for_timeout(1000)
        sent = page.evaluate("() => window.mixminus.stats().link.sent")
        assert sent == 0
        hold(page, 1.5)
        until(page, f"() => ({LINES})().some((line) => /I heard/.test(line))", "no answer")
        assert page.locator(".problem").count() == 0
        page.locator("#open-settings").click()
        page.get_by_label("Open microphone").check()
        page.keyboard.press("Escape")
        assert page.locator("#mic").is_visible() and not page.locator("#talk").is_visible()

"""The page in a real Chromium, with a WAV as its microphone and a tap on its output."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.support import LINES, Recording, hold, joined, open_microphone, until, watched
from tests.support import audio
from tests.support.gateway import Gateway
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

LEAD_IN_S = 2.0
PAUSE_S = 6.0
"""Silence after the sentence: the assistant repeats it meanwhile."""
ATTEMPTS = 6
"""Repetitions that are listened to: the machine also runs browser, gateway and other tests."""
MOST = 0.8
"""Of the sentence is in the page's output, in its order."""
ENDS = "window.mixminus.events.filter((e) => e.type === 'played' && e.why === 'end').length"


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Silence, the sentence, silence; the browser repeats it."""
    path = tmp_path_factory.mktemp("microphone") / "sentences.wav"
    pieces = [np.zeros(int(LEAD_IN_S * audio.RATE_HZ)), audio.read_wav(audio.SENTENCE)]
    audio.write_wav(path, np.concatenate([*pieces, np.zeros(int(PAUSE_S * audio.RATE_HZ))]))
    return path


def expect_repetition(
    page: Any, recording: Recording, original: Callable[[], audio.Samples]
) -> None:
    """Wait until one of the assistant's repetitions is as it should be."""
    heard = []
    for number in range(1, ATTEMPTS + 1):
        until(page, f"() => {ENDS} >= {number}", "nothing is repeated")
        wanted = original()
        output = recording.output()
        piece, score = audio.align(output, wanted)
        share, gap_ms = audio.share_found(output, wanted), audio.longest_gap_ms(piece, wanted)
        figures = {"share": share, "correlation": score, "gap_ms": gap_ms}
        heard.append({name: round(figure, 3) for name, figure in figures.items()})
        if share >= MOST:
            break
    else:
        pytest.fail(f"no repetition is good enough: {heard}")
    print(heard, page.evaluate("() => JSON.stringify(window.mixminus.stats())"))


def test_the_page_plays_the_spoken_sentence_again(
    gateway: Gateway, open_browser: Callable[..., Any], sentences: Path
) -> None:
    """Without the browser's own processing the page's output is the WAV again."""
    page = joined(gateway, open_browser(sentences, repeat=True), "room=raw&name=Ada&raw=1")
    troubles = watched(page)
    assert "simulator" in page.inner_text("body")
    original = audio.read_wav(audio.SENTENCE)
    expect_repetition(page, Recording(page), lambda: original)
    assert troubles == []


def test_with_echo_cancellation_it_plays_what_the_browser_made_of_the_sentence(
    gateway: Gateway, open_browser: Callable[..., Any], sentences: Path
) -> None:
    """The browser's filters turn phases: their own output and the WAV correlate by about 0.82."""
    page = joined(gateway, open_browser(sentences, repeat=True), "room=defaults&name=Ada")
    recording = Recording(page)
    spoken = audio.read_wav(audio.SENTENCE)
    expect_repetition(page, recording, lambda: audio.align(recording.microphone(), spoken)[0])


def test_it_joins_under_its_own_content_security_policy(
    gateway: Gateway, open_browser: Callable[..., Any], sentences: Path
) -> None:
    page = open_browser(sentences, repeat=True).new_page()
    troubles = watched(page)
    page.goto(f"{gateway.url}/?room=strict&name=Ada")
    page.get_by_role("button", name="Join").click()
    until(page, "() => /listening|idle/i.test(document.body.innerText)", "no assistant state")
    gateway.wait(
        lambda: len(gateway.json("/rooms/strict").get("participants", [])) == 1, "not in room"
    )
    assert troubles == []


NOTICE = """() => {
  const shown = document.querySelector('.problem');
  const word = document.getElementById('assistant-word').innerText;
  return shown && [shown.querySelector('b').innerText, shown.querySelector('p').innerText, word];
}"""

MOVING = """async (messages) => {
  for (const message of messages) {
    window.mixminus.receive(message);
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  }
  const moving = document.getAnimations().filter((one) => one.animationName);
  return moving.map((one) => one.effect.getTiming().iterations ?? 'for ever');
}"""


def test_what_the_gateway_reports_is_shown(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    page = joined(gateway, open_browser(None), "room=reports&name=Ada&talk=hold")

    def notice(**message: object) -> list[str] | None:
        """What is shown of it; the gateway's own states, which come at any time, replace it."""
        page.evaluate("(message) => window.mixminus.receive(message)", message)
        page.wait_for_timeout(50)
        shown: list[str] | None = page.evaluate(NOTICE)
        return shown

    budget = {"type": "error", "code": "budget_low", "message": "80 % of $1.00 is spent"}
    spent = {"assistant": "idle", "upstream": "failed", "detail": "no more", "code": "budget_spent"}
    again = {"assistant": "listening", "upstream": "ready"}
    low = wait_until(lambda: notice(**budget), "no notice")
    assert low[:2] == ["Most of today's budget is spent", "80 % of $1.00 is spent."]
    page.locator(".problem").get_by_role("button", name="OK").click()
    until(page, "() => !document.querySelector('.problem')", "the notice stays")
    shown = wait_until(lambda: notice(type="state", **spent), "no notice")
    assert shown == ["Today's budget is spent", "No more.", "Unavailable"]
    wait_until(lambda: notice(type="state", **again) is None, "the notice stays")
    idle, listening = (
        {"type": "state", **again, "assistant": how} for how in ("idle", "listening")
    )
    moves = lambda: page.evaluate(MOVING, [idle, listening])  # noqa: E731
    wait_until(lambda: moves() == [3, 3], "it moves for a moment only: a battery", moves)


UNSAID = """() => {
  const [field, form] = [document.querySelector('#say'), document.querySelector('#say-form')];
  const told = { type: 'error', code: 'not_connected', message: 'not connected', text: 'Hello?' };
  const captions = () => window.mixminus.state().captions;
  const typed = () => captions().filter((line) => line.text === 'Hello?').length;
  field.value = 'Hello?';
  form.requestSubmit();
  const sent = [field.value, typed()];
  window.mixminus.receive(told);
  const refused = [field.value, typed()];
  window.mixminus.receive({ ...told, text: 'Are you there?' });
  field.value += ' Well';
  window.mixminus.receive({ ...told, text: 'Soon?' });
  const several = field.value;
  field.value = 'Something else';
  window.mixminus.receive(told);
  return [sent, refused, several, field.value];
}"""


def test_a_line_that_the_assistant_has_not_got_is_in_the_field_again(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    page = joined(gateway, open_browser(None), "room=unsaid&name=Ada&talk=hold")
    assert page.evaluate(UNSAID) == [
        ["", 1],
        ["Hello?", 0],
        "Hello? Are you there? Soon? Well",
        "Hello? Something else",
    ]


def test_one_person_may_use_push_to_talk_where_the_others_speak_freely(
    gateway: Gateway, open_browser: Callable[..., Any], speech: Path
) -> None:
    page = joined(gateway, open_browser(speech), "room=free&name=Ada&raw=1&talk=hold")
    page.wait_for_timeout(1000)
    assert page.evaluate("() => window.mixminus.stats().link.sent") == 0
    hold(page, 1.5)
    until(page, f"() => ({LINES})().some((line) => /I heard/.test(line))", "no answer")
    assert page.locator(".problem").all_inner_texts() == []
    open_microphone(page)
    assert page.locator("#mic").is_visible() and not page.locator("#talk").is_visible()


def test_a_worker_that_died_is_rejoined_without_a_click(
    gateway: Gateway, open_browser: Callable[..., Any], sentences: Path
) -> None:
    page = open_browser(sentences, repeat=True).new_page()
    page.goto(f"{gateway.url}/?room=again&name=Ada")
    page.get_by_role("button", name="Join").click()

    def participants() -> list[str]:
        people = gateway.json("/rooms/again").get("participants", [])
        return [person["participant"] for person in people if person["status"] == "connected"]

    gateway.wait(lambda: len(participants()) == 1, "not in room")
    before = participants()
    for child in gateway.children("media_worker"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    began = time.monotonic()
    gateway.wait(
        lambda: page.wait_for_timeout(100) or (participants() not in ([], before)),
        "not back in the room",
    )
    print({"page_rejoined_after_s": round(time.monotonic() - began, 2)})


def test_the_example_of_a_page_of_your_own_joins_shows_captions_and_mutes(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    """Under the gateway's own content security policy, too."""
    page = open_browser(None).new_page()
    troubles = watched(page)
    page.goto(f"{gateway.url}/web/example.html")
    page.get_by_role("button", name="Join").click()
    until(page, "() => !document.getElementById('mute').disabled", "not in the room")
    page.get_by_role("button", name="Mute").click()

    def others() -> list[Any]:
        people: list[Any] = gateway.json("/rooms/home").get("participants", [])
        return people

    gateway.wait(lambda: [p["muted"] for p in others()] == [True], "the mute is not told")
    (person,) = others()
    assert person["name"] == "Ana" and page.inner_text("#mute") == "Unmute"
    page.evaluate(
        "async () => { const { Client } = await import('/web/client.js'); const bob = new Client();"
        "bob.addEventListener('joined', () => bob.say('Hello'));"
        "await bob.join({ room: 'home', name: 'Bob', listenOnly: true }); }"
    )
    shown = "() => [...document.querySelectorAll('#captions li')].map((line) => line.textContent)"
    until(page, f"() => ({shown})().some((line) => /^Assistant: .*Hello/.test(line))", "no caption")
    # Bob's line comes when it is written, perhaps after the answer, and stands above that.
    until(page, f"() => ({shown})()[0] === 'Bob: Hello'", "the lines are in another order")
    assert troubles == [] and page.inner_text("#problem") == ""

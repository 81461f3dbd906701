"""The page's lines: late words in their place, and answers that end as they should not."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.support import joined, until
from tests.support import audio
from tests.support.contents import contents
from tests.support.gateway import Gateway
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.browser

RULES = """
prefix = ""
[[rule]]
match = "filter"
say = "This sentence is stopped by a filter before it becomes any worse than it already is."
incomplete = "content_filter"
[[recognition]]
text = "What did I say?"
[[rule]]
on = "spoken"
say = "You said something."
[[rule]]
on = "any"
say = "Fine."
"""
SPEECH_S, SILENCE_S = 1.5, 30.0
WHOLE = '#captions .said[data-interim="false"]'
LINES = f"""() => [...document.querySelectorAll('{WHOLE}')].map((row) => [
  row.querySelector('.text').textContent, row.querySelector('.cut').textContent])"""
"""Lines that are whole: the journal has those, and not yet the words that still come."""


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One spoken turn, then silence."""
    speech = audio.read_wav(audio.SENTENCE)[: int(SPEECH_S * audio.RATE_HZ)]
    pieces = [np.zeros(3 * audio.RATE_HZ), speech, np.zeros(int(SILENCE_S * audio.RATE_HZ))]
    path = tmp_path_factory.mktemp("microphone") / "turn.wav"
    audio.write_wav(path, np.concatenate(pieces))
    return path


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    rules = tmp_path_factory.mktemp("rules") / "rules.toml"
    rules.write_text(RULES)
    with Gateway(
        OPENAI_LINK__GREET=0,
        OPENAI_LINK__TRANSCRIPTION_MODEL="gpt-4o-transcribe",
        SIMULATOR__BRAIN="script",
        SIMULATOR__SCRIPT=str(rules),
        SIMULATOR__FAULTS="late_transcription_ms=4000",
    ) as gateway:
        yield gateway


def transcript(gateway: Gateway, room: str = "late") -> list[str]:
    with urllib.request.urlopen(
        f"{gateway.url}/rooms/{room}/transcript", timeout=PATIENCE_S
    ) as answer:
        return [item["text"] for item in json.load(answer)["items"]]


def has(words: str) -> str:
    return f"() => ({LINES})().some(([text, cut]) => `${{text}} ${{cut}}`.includes('{words}'))"


def opened(page: Any) -> None:
    """Open the dialog with the transcript, with its list there."""
    page.get_by_role("button", name="Transcript").click()
    page.locator("#transcript-list li").first.wait_for()


def saved(page: Any, form: str) -> str:
    """The file behind the first link of that name."""
    with page.expect_download() as waiting:
        page.locator("#transcript-save").get_by_role("link", name=form, exact=True).click()
    return Path(waiting.value.path()).read_text(encoding="utf-8")


def test_who_comes_late_sees_and_saves_the_conversation_in_its_order_and_may_delete_it(
    gateway: Gateway, microphone: Path, open_browser: Callable[..., Any]
) -> None:
    """Words that come 4 s late stand above the answer on both pages and in every file."""
    browser = open_browser(microphone)
    first = joined(gateway, browser, "room=order&name=Ada")
    until(first, has("You said something"), "there is no answer")
    first.get_by_role("button", name="Mute").click()  # Its microphone begins anew after a while.
    late = joined(gateway, browser, "room=order&name=Ben&talk=hold")
    until(late, has("You said something"), "the late one does not see what was said")
    until(late, has("What did I say?"), "the words did not come")
    expected = ["What did I say?", "You said something."]
    for page in (first, late):
        until(page, has("What did I say?"), "the words did not come")
        assert [text for text, _ in page.evaluate(LINES)][:2] == expected
    later = joined(gateway, browser, "room=order&name=Cem&talk=hold")
    until(later, has("What did I say?"), "who comes later still does not see it")
    assert [text for text, _ in later.evaluate(LINES)][:2] == expected
    later.fill("#say", "Nothing but plums.")  # The other room's words are in the file, too.
    later.keyboard.press("Enter")
    until(first, has("Nothing but plums."), "what is typed is not shown")
    opened(later)
    for form in ("Text", "JSON", "SRT", "WebVTT"):
        text = saved(later, form)
        assert -1 < text.index(expected[0]) < text.index(expected[1]), text
    later.locator("#transcript-words").fill("WHAT did")
    later.keyboard.press("Enter")
    until(later, "() => document.querySelectorAll('#transcript-found li').length === 1", "a hit")
    later.on("dialog", lambda dialog: dialog.accept())
    later.locator("#transcript-delete").click()
    for page in (first, late, later):
        until(page, f"() => ({LINES})().length === 0", "the lines are still there")
    until(later, "() => !document.querySelector('#transcript-list li')", "it is still listed")
    later.keyboard.press("Escape")
    # The session that knew it has ended: the next one gets what is typed meanwhile.
    later.fill("#say", "Go on.")
    later.keyboard.press("Enter")
    until(first, has("Fine."), "the assistant does not go on")
    assert not [text for text in transcript(gateway, "order") if text in expected]
    kept = contents(gateway.dir / "state", "journal*")
    assert [name for name, octets in kept.items() if b"plums" in octets] == []
    assert [name for name, octets in kept.items() if b"Fine." in octets] != [], list(kept)


def test_late_words_stand_above_the_answer_and_cuts_are_marked(
    gateway: Gateway, microphone: Path, open_browser: Callable[..., Any]
) -> None:
    page = joined(gateway, open_browser(microphone), "room=late")
    until(page, has("You said something"), "there is no answer")
    until(page, has("What did I say?"), "the words did not come")
    shown = [text for text, _ in page.evaluate(LINES)]
    assert shown[:2] == ["What did I say?", "You said something."] == transcript(gateway)[:2]
    page.fill("#say", "Something with a filter.")
    page.keyboard.press("Enter")
    until(page, has("Stopped by a content filter"), "the cut is not marked")
    (text,) = [text for text, cut in page.evaluate(LINES) if cut]
    assert text.startswith("This sentence is") and text.endswith("—")
    page.fill("#say", "Go on.")
    page.keyboard.press("Enter")
    until(page, has("Fine."), "the next turn does not work")
    told = page.evaluate("window.mixminus.events.filter((e) => e.type === 'problem')")
    assert [problem["code"] for problem in told] == ["gateway-content_filter"]

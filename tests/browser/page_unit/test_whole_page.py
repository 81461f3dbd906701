"""The whole page, in the hands of a person: keys, the focus, and what stands in the field."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

JOIN = """
const byId = (id) => document.getElementById(id);
await world.pass(100); byId("join-button").click(); await world.pass(500);
const welcome = (participant) => window.mixminus.receive(
  { type: "welcome", participant, room: "home", epoch: 0, name: "Guest", ...a });
welcome("p1"); await world.pass(100);
"""


def test_the_focus_stays_on_a_card_while_attempts_are_counted(whole: Run) -> None:
    result = whole(
        JOIN
        + """const recording = { phase: "on", words: "Ben wants it" };
        window.mixminus.receive({ type: "state", upstream: "ready", assistant: "idle", recording });
        await world.pass(100); const button = document.querySelector(".problem button");
        button.focus(); const titles = new Set();
        world.passes = false; world.answers = false;
        for (let i = 0; i < 60; i += 1) {
          await world.pass(200);
          for (const { textContent } of document.querySelectorAll(".problem b"))
            titles.add(textContent);
        }
        return [document.activeElement === button, button.textContent, titles.size > 3];"""
    )
    assert result == [True, "Stop the recording", True]


def test_a_screen_reader_says_each_problem_once(whole: Run) -> None:
    result = whole(
        JOIN
        + """const said = []; const region = byId("announce");
        new MutationObserver(() => said.push(region.textContent))
          .observe(region, { childList: true, characterData: true, subtree: true });
        const tell = (message) => window.mixminus.receive(
          { type: "notice", code: "echo", message });
        tell("first"); await world.pass(100); world.passes = false; world.answers = false;
        for (let i = 0; i < 60; i += 1) await world.pass(200);
        tell("second"); await world.pass(100); tell(""); await world.pass(100);
        return said.map((words) => words.split(". "));"""
    )
    titles = [words[0] for words in result]
    echo = "Your microphone hears another loudspeaker"
    assert titles[0] == titles[-1] == echo and titles.count(echo) == 2
    assert len(titles) == len({tuple(words) for words in result}), "nothing is said twice"
    assert all(len(words) == 2 or titles[0] not in words[1:] for words in result)


def test_a_card_goes_with_its_problem_and_its_button_with_its_action(whole: Run) -> None:
    result = whole(
        JOIN
        + """const codes = () => [...document.querySelectorAll(".problem")].map((card) => [
          card.dataset.code, card.querySelector("button")?.textContent ?? ""]);
        const tell = (phase) => window.mixminus.receive({ type: "state", upstream: "ready",
          assistant: "idle", recording: { phase, words: "Ben wants it" } });
        tell("soon"); await world.pass(100); const soon = codes();
        tell("on"); window.mixminus.receive({ type: "notice", code: "echo", message: "x" });
        await world.pass(100); const on = codes();
        document.querySelector("[data-code=recording] button").click(); await world.pass(100);
        const said = world.sent.filter(({ type }) => type === "record");
        byId("leave").click(); await world.pass(100);
        return [soon, on, said, codes()];"""
    )
    assert result == [
        [["recording-soon", "Object"]],
        [["recording", "Stop the recording"], ["echo", ""]],
        [{"type": "record", "on": False}],
        [],
    ]


def test_the_space_bar_lets_go_whatever_character_it_makes_by_then(whole: Run) -> None:
    result = whole(
        JOIN
        + """byId("talk").focus(); const { state } = window.mixminus;
        const space = { code: "Space", bubbles: true, cancelable: true };
        const key = (type, key, more = {}) => document.body.dispatchEvent(
          new KeyboardEvent(type, { ...space, key, ...more }));
        key("keydown", " "); const held = state().pressed;
        key("keyup", "\\u00a0", { altKey: true }); const released = !state().pressed;
        key("keydown", " ", { code: "" }); const again = state().pressed;
        key("keyup", " ", { code: "" }); return [held, released, again, !state().pressed];""",
        {"push_to_talk": True},
    )
    assert result == [True] * 4


def test_a_key_of_an_input_method_stops_nothing(whole: Run) -> None:
    result = whole(
        JOIN
        + """window.mixminus.receive({ type: "state", upstream: "ready", assistant: "speaking" });
        await world.pass(100);
        const stops = () => world.sent.filter(({ type }) => type === "interrupt");
        const press = (more) => byId("say").dispatchEvent(
          new KeyboardEvent("keydown", { key: "Escape", bubbles: true, ...more }));
        press({ isComposing: true }); press({ keyCode: 229 }); const composing = stops().length;
        press({}); return [composing, stops().length];"""
    )
    assert result == [0, 1]


@pytest.mark.parametrize(("words", "side"), [("Hello!", "left"), ("שלום!", "right")])
def test_a_line_begins_on_the_side_of_its_script(whole: Run, words: str, side: str) -> None:
    result = whole(
        JOIN
        + """window.mixminus.receive(
          { type: "caption", speaker: "p1", item: "i", text: a.words, final: true });
        await world.pass(100); const text = document.querySelector(".said .text");
        const range = document.createRange(); range.selectNodeContents(text);
        const line = range.getBoundingClientRect(), box = text.getBoundingClientRect();
        return line.left - box.left < box.right - line.right ? "left" : "right";""",
        {"words": words},
    )
    assert result == side


def test_a_line_that_was_lost_stands_in_the_field_again(whole: Run) -> None:
    result = whole(
        JOIN
        + """const say = byId("say"); say.value = "turn off the stove";
        byId("say-form").requestSubmit(); await world.pass(100); const sent = say.value;
        world.answers = false; await world.pass(3000); world.answers = true; say.value = "now";
        await world.pass(3000); welcome("p2");
        window.mixminus.receive({ type: "state", upstream: "ready" }); await world.pass(4000);
        const told = document.querySelector("[data-code=unsaid]") !== null;
        const error = (text) => window.mixminus.receive(
          { type: "error", code: "not_said", message: "x", text });
        const once = say.value; error("turn off the stove"); error("and the light");
        return [sent, told, once, say.value];"""
    )
    assert result[:3] == ["", True, "turn off the stove now"]
    assert result[3] == "turn off the stove and the light now", (
        "what the gateway gives back, too, stands there once"
    )


ARCHIVE = """
const asked = window.fetch, waits = [];
window.fetch = (address, ...more) => {
  const { pathname, searchParams } = new URL(address);
  if (!/conversations$|search$/.test(pathname)) return asked(address, ...more);
  return new Promise((resolve) => waits.push((content) => resolve(
    { ok: true, json: async () => content })));
};
const listed = (count, from) => ({ conversations: Array.from({ length: count }, (_, index) => ({
  conversation: from - index, began: "2026-01-01T00:00:00Z", ended: null, entries: 1, people: [],
  begins_with: "x" })) });
const rows = (id) => [...byId(id).querySelectorAll("li")]
  .map((row) => Number(row.dataset.conversation));
byId("open-transcript").click(); await world.pass(100);
"""


def test_older_conversations_are_listed_once_however_often_they_are_asked_for(whole: Run) -> None:
    result = whole(
        JOIN
        + ARCHIVE
        + """waits.shift()(listed(50, 100)); await world.pass(100);
        const newest = rows("transcript-list");
        for (let i = 0; i < 2; i += 1) byId("transcript-older").click();
        await world.pass(100); for (const answer of waits) answer(listed(3, 50));
        await world.pass(100); return [newest.length, rows("transcript-list").slice(50)];"""
    )
    assert result == [50, [50, 49, 48]]


def test_an_older_search_does_not_replace_what_was_found_since(whole: Run) -> None:
    result = whole(
        JOIN
        + ARCHIVE
        + """waits.length = 0; const search = async (words) => {
          byId("transcript-words").value = words; byId("transcript-search").requestSubmit();
          await world.pass(100); };
        const found = (conversation) => ({ is_complete: true, hits: [{ conversation, item: "i",
          time: "2026-01-01T00:00:00Z", role: "user", name: "A", snippet: "x" }] });
        await search("one"); await search("two"); waits[1](found(2)); await world.pass(100);
        waits[0](found(1)); await world.pass(100); const now = rows("transcript-found");
        await search("three"); await search(""); waits[2](found(3)); await world.pass(100);
        return [now, rows("transcript-found")];"""
    )
    assert result == [[2], []]


def test_an_invitation_is_made_once_however_often_the_button_is_pressed(whole: Run) -> None:
    result = whole(
        JOIN
        + """const asked = window.fetch, waits = []; window.fetch = (address, init = {}) => (
          /invitations$/.test(address) && init.method === "POST"
            ? new Promise((resolve) => waits.push(resolve)) : asked(address, init));
        byId("open-invite").click(); await world.pass(100); const form = byId("invite-form");
        form.requestSubmit(); form.requestSubmit(); await world.pass(100);
        const once = waits.length;
        const refused = { ok: false, status: 500, statusText: "", headers: new Headers() };
        waits[0](refused); await world.pass(100); form.requestSubmit(); await world.pass(100);
        return [once, waits.length];"""
    )
    assert result == [1, 2], "after a refusal it can be asked for again"


@pytest.mark.parametrize("allowed", [True, False])
def test_a_copy_of_the_figures_says_whether_it_was_made(whole: Run, allowed: bool) -> None:
    result = whole(
        JOIN
        + """const writeText = async () => { if (!a.allowed) throw new Error("no"); };
        Object.defineProperty(navigator, "clipboard", { value: { writeText }, configurable: true });
        const button = byId("figures-copy"), before = button.textContent; button.click();
        await world.pass(100); const told = button.textContent; await world.pass(5000);
        return [told, button.textContent === before];""",
        {"allowed": allowed},
    )
    assert result == ["Copied" if allowed else "Not allowed to copy", True]


@pytest.mark.parametrize("word", ["stove", "🔥", "x" * 9000])
def test_what_is_too_long_for_one_line_is_sent_in_several(whole: Run, word: str) -> None:
    """Lines that are given back may be long together; a longer one than this is refused."""
    result = whole(
        JOIN
        + """const say = byId("say"), whole = `${a.word} `.repeat(9000).slice(0, 9000).trim();
        say.value = whole;
        for (let i = 0; i < 4; i += 1) byId("say-form").requestSubmit(), await world.pass(100);
        const lines = world.sent.filter(({ type }) => type === "say").map(({ text }) => text);
        const isWhole = lines.join(" ") === whole || lines.join("") === whole;
        const fits = lines.map((line) => line.length <= 4000 && line.isWellFormed());
        return [fits, isWhole, say.value];""",
        {"word": word},
    )
    assert result == [[True, True, True], True, ""]


def test_what_is_too_long_to_be_said_with_a_picture_stays_in_the_field(whole: Run) -> None:
    result = whole(
        JOIN
        + """const say = byId("say"), asked = (words) => {
          say.value = words; byId("open-picture").click(); byId("picture").close();
          return [byId("picture-text").value.length, say.value.length]; };
        return [asked("x".repeat(2000)), asked("x".repeat(2001))];"""
    )
    assert result == [[2000, 2000], [0, 2001]]


def test_whoever_joins_is_told_that_the_browser_asks(whole: Run) -> None:
    result = whole(
        """const byId = (id) => document.getElementById(id); await world.pass(100);
        const shown = () => !byId("join-prompt").hidden; const before = shown();
        world.openingMs = 5000; byId("join-button").click(); await world.pass(1000);
        const asked = shown(); byId("join-cancel").click(); await world.pass(100);
        const cancelled = shown(); await world.pass(6000); world.passes = false;
        byId("join-button").click(); await world.pass(1000); const again = shown();
        await world.pass(6000); const joins = byId("join-button").disabled;
        return [before, asked, cancelled, again, joins, shown()];"""
    )
    assert result == [False, True, False, True, True, False]

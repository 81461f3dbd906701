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

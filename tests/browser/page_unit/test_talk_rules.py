"""session/talk.js: what closes the microphone, and what the gateway is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

TALK = """
const { Store } = await import(location.origin + "/state/store.js");
const store = new Store();
const muted = []; const sent = [];
const talk = new m.Talk(store, {
  setMuted: (value) => muted.push(value), send: (message) => sent.push(message) });
store.set({ phase: "connected", participant: "p-1", ...a });
"""


def run_talk(run: Run, body: str, **state: Any) -> Any:
    """What ``body`` does with a ``talk`` of a connected person: ``[muted, sent]``."""
    return run("session/talk.js", f"{TALK} {body}; return [muted, sent];", state)


def test_mute_closes_the_microphone_and_tells_the_gateway(run: Run) -> None:
    muted, sent = run_talk(run, "talk.setMuted(true); talk.setMuted(false)")
    assert muted == [True, False]
    assert sent == [{"type": "mute", "muted": True}, {"type": "mute", "muted": False}]


def test_push_to_talk_opens_only_while_the_button_is_held(run: Run) -> None:
    hold = "await new Promise((done) => setTimeout(done, 60))"
    release = "talk.press(false); await new Promise((done) => setTimeout(done, 100))"
    muted, sent = run_talk(run, f'talk.setMode("hold"); talk.press(true); {hold}; {release}')
    assert muted == [True, False, True]
    press, released = sent
    assert press == {"type": "ptt", "down": True}
    assert released | {"held_ms": 0} == {"type": "ptt", "down": False, "held_ms": 0}
    assert 50 <= released["held_ms"] < 30_000


def test_nothing_leaves_before_the_gateway_has_said_whether_a_button_decides(run: Run) -> None:
    told = """
    talk.apply();
    const tell = (message) => inbox.take({ type: "welcome", participant: "p-1", ...message });
    const { Inbox } = await import(location.origin + "/session/inbox.js");
    const inbox = new Inbox(store, { rules: () => talk.apply(), heard() {}, welcomed() {} });
    tell({ push_to_talk: a.by_button });
    """
    state: dict[str, Any] = {"participant": ""}
    assert run_talk(run, told, by_button=False, **state)[0] == [True, False]
    assert run_talk(run, told, by_button=True, **state)[0] == [True, True]
    again = (
        told
        + """
    inbox.take({ type: "state", address: "push_to_talk" });
    tell({ push_to_talk: false });
    """
    )
    assert run_talk(run, again, by_button=False, **state)[0] == [True, False, True, True], (
        "what the room's rule is known to be holds on the next connection"
    )


def test_a_gateway_without_push_to_talk_is_not_told_of_presses(run: Run) -> None:
    _, sent = run_talk(run, "talk.pressesUnwanted(); talk.press(true)", talk="hold")
    assert sent == []
    _, sent = run_talk(run, "talk.pressesUnwanted(); talk.connected(); talk.press(true)")
    assert sent[-1] == {"type": "ptt", "down": True}


def test_a_press_that_was_told_is_taken_back_although_the_gateway_wants_none(run: Run) -> None:
    body = "{} talk.press(true); talk.pressesUnwanted(); talk.press(false)"
    _, sent = run_talk(run, body.format(""), talk="hold")
    assert [message["down"] for message in sent] == [True, False]
    _, sent = run_talk(run, body.format("store.set({ pressed: true }); talk.connected();"))
    assert [message["down"] for message in sent if message["type"] == "ptt"] == [True, False]


def test_in_a_place_presses_are_told_whatever_the_rule_of_the_room_is(run: Run) -> None:
    presses = "talk.pressesUnwanted(); talk.press(true); talk.press(false)"
    _, sent = run_talk(run, presses, talk="hold", place="Kitchen")
    assert [message["down"] for message in sent] == [True, False]


def test_who_joined_without_a_microphone_stays_muted(run: Run) -> None:
    muted, sent = run_talk(run, "talk.apply(); talk.press(true); talk.announce()", listenOnly=True)
    assert muted == [True]
    assert sent == [{"type": "mute", "muted": True}]


def test_talking_while_muted_is_noticed_after_half_a_second(run: Run) -> None:
    loud = (
        "for (let i = 0; i < {}; i += 1) talk.level(-20); muted.push(store.state.talkingWhileMuted)"
    )
    assert run_talk(run, loud.format(7), muted=True)[0] == [False]
    assert run_talk(run, loud.format(8), muted=True)[0] == [True]
    assert run_talk(run, loud.format(8))[0] == [False]

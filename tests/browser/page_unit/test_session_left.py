"""session/session.js: what is left of a room after it."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

ROOM = """
const { initialState } = await import(location.origin + "/state/store.js");
const { PROBLEM_CODES, problem } = await import(location.origin + "/state/problems.js");
const differs = (state) => {
  const usual = initialState();
  const same = (key) => JSON.stringify(state[key]) === JSON.stringify(usual[key]);
  return Object.keys(state).filter((key) => !same(key)).sort();
};
const live = (made) => {
  const tell = (message) => made.session.inbox.take(message);
  tell({ type: "welcome", participant: "p9", room: "home", epoch: 3, name: "Ana",
    role: "speak", silenced: true, verified: true, rules: { locked: true }, speaks: false,
    push_to_talk: true, images: { max_bytes: 100, max_edge_px: 100 } });
  tell({ type: "state", assistant: "speaking", upstream: "failed", detail: "x", persona: "Chef",
    simulated: true, address: "push_to_talk", transcript: false, recording_allowed: true,
    images: false, recording: { phase: "on", words: "Ben asked for it" } });
  tell({ type: "participants", participants: [{ participant: "p9", name: "Ana" }] });
  tell({ type: "caption", item: "i", speaker: "p9", text: "x", final: true, interrupted: true });
  tell({ type: "tool", call: "c", name: "t", status: "asking", question: "?" });
  tell({ type: "usage", usd: 1 }); tell({ type: "latency", x_ms: 1 });
  tell({ type: "forgotten", name: "Ben" });
  made.store.set({ talkingWhileMuted: true, interrupted: true, pressed: true, rttMs: 20 });
  for (const code of PROBLEM_CODES) made.store.raise(problem(code));
};
"""
STAYS = {
    "insecure",
    "no-webrtc",
    "gateway",
}
"""What is wrong with the browser is so in the lobby, too."""


def test_who_leaves_knows_nothing_of_the_room_any_more(world: Run) -> None:
    lived, left, codes = world(
        ROOM
        + """const made = await world.joined(); live(made); const lived = differs(made.store.state);
        await made.session.leave(); return [lived, differs(made.store.state), made.codes()];"""
    )
    assert {"recording", "persona", "rules", "role", "images", "upstream", "usage"} <= set(lived)
    assert left == ["audioRunning", "muted", "name", "problems"]
    assert set(codes) == STAYS


def test_who_is_not_let_in_again_knows_nothing_of_the_room_any_more(world: Run) -> None:
    left, codes = world(
        ROOM
        + """const made = await world.joined(); live(made);
        world.answer = () => [403, { title: "You need an invitation", detail: "it has ended" }];
        made.session.keeper.lost(); await world.pass(1000);
        return [differs(made.store.state), made.codes()];"""
    )
    assert left == ["audioRunning", "muted", "name", "problems"]
    assert set(codes) == {"forbidden", *STAYS}


def test_another_room_is_not_taken_for_recorded(world: Run) -> None:
    recorded = world(
        ROOM
        + """const made = await world.joined(); live(made); await made.session.leave();
        made.session.join({...world.choice, room: "other"}); await world.pass(500); made.welcome();
        made.session.inbox.take({ type: "state", upstream: "ready", assistant: "idle" });
        return [made.store.state.recording.phase, made.codes().filter((c) => /record/.test(c))];"""
    )
    assert recorded == ["off", []]

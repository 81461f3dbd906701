"""media-controls.js: the call on the lock screen, and what its keys do."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

SETUP = """
const did = [], handlers = {}, client = {
  state: {
    phase: "lobby", room: "home", persona: "Nova", assistant: "idle", muted: false, role: "speak",
  },
  setMuted(muted) { did.push(["muted", muted]); this.state.muted = muted; },
  interrupt() { did.push(["interrupt"]); }, leave() { did.push(["leave"]); },
};
const session = {
  metadata: null, playbackState: "none",
  setActionHandler(action, handler) {
    if (action === "hangup" && a === "old") throw new TypeError("unknown");
    handlers[action] = handler;
  },
};
const controls = new m.MediaControls(client, session);
const show = (change) => { Object.assign(client.state, change); controls.render(client.state); };
const shown = () => {
  const { title = null, artist = null } = session.metadata ?? {};
  return [title, artist, session.playbackState];
};
"""


def test_a_call_is_shown_and_its_keys_mute_stop_and_hang_up(run: Run) -> None:
    lobby, talking, muted, did, after, left = run(
        "ui/media-controls.js",
        SETUP
        + "show({}); const lobby = shown(); show({phase: 'connected'}); const talking = shown();"
        "handlers.pause(); show({}); const muted = shown();"
        "for (const key of ['togglemicrophone', 'pause', 'play', 'stop', 'hangup'])"
        " handlers[key]();"
        "show({phase: 'lobby'});"
        "return [lobby, talking, muted, did, shown(), Object.values(handlers)];",
        "new",
    )
    assert lobby == after == [None, None, "none"]
    assert talking == ["home · microphone on", "Nova: idle", "playing"]
    assert muted == ["home · microphone off", "Nova: idle", "paused"]
    assert did == [
        ["muted", True], ["muted", False], ["muted", True], ["muted", False],
        ["interrupt"], ["leave"],
    ]  # fmt: skip
    assert left == [None] * 5


def test_a_browser_that_knows_less_has_what_it_knows(run: Run) -> None:
    known = run(
        "ui/media-controls.js",
        SETUP
        + "show({phase: 'connected'}); new m.MediaControls(client, undefined).render(client.state);"
        "return Object.keys(handlers);",
        "old",
    )
    assert known == ["togglemicrophone", "play", "pause", "stop"]

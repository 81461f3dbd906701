"""Two connections side by side: the audio link's channels, and what a person is told of the gap."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

WORLD = """
const reports = [];
const link = new m.AudioLink((report) => reports.push(report));
const open = (generation) => {
  const sent = [];
  const channel = { readyState: 'open', bufferedAmount: 0, sent, closed: false,
    send(data) { sent.push(data); }, close() { this.closed = true; } };
  link.command({ type: 'channel', channel, generation });
  return channel;
};
const ports = [new MessageChannel(), new MessageChannel()];
link.command({ type: 'ports', capture: ports[0].port1, playback: ports[1].port1 });
const speak = async () => {
  ports[0].port2.postMessage({ pcm: new Int16Array(480), flags: 0 });
  await new Promise((resolve) => setTimeout(resolve, 20));
};
"""


def test_a_new_channel_waits_beside_the_one_in_use(run: Run) -> None:
    result = run(
        "audio/audio-link.js",
        WORLD
        + """
        const first = open(1); link.command({ type: 'use', generation: 1 }); await speak();
        const second = open(2); await speak();
        const before = [first.sent.length, second.sent.length, first.closed];
        link.command({ type: 'use', generation: 2 }); await speak();
        link.command({ type: 'detach', generation: 2 });
        return [before, [first.sent.length, second.sent.length, first.closed, second.closed],
          reports.filter((r) => r.type === 'open').map((r) => r.generation)];""",
    )
    assert result == [[2, 0, False], [2, 1, True, True], [1, 2]]


def test_an_attempt_that_is_given_up_leaves_the_one_in_use(run: Run) -> None:
    result = run(
        "audio/audio-link.js",
        WORLD
        + """
        const first = open(1); link.command({ type: 'use', generation: 1 });
        const second = open(2); link.command({ type: 'detach', generation: 2 });
        link.command({ type: 'use', generation: 2 }); await speak();
        const third = open(3); const fourth = open(4);
        link.command({ type: 'detach', generation: 1 });
        return [first.sent.length, first.closed, second.closed, third.closed, fourth.closed];""",
    )
    assert result == [1, True, True, True, False]


UNHEARD = """
const problems = [];
const store = { state: { phase: 'connected' }, clear() {}, raise: (p) => problems.push(p.title) };
const unheard = new m.Unheard(store);
const talk = (ms, dbfs = -20) => { for (let i = 0; i < ms / 60; i += 1) unheard.level(dbfs); };
"""


def test_what_was_said_while_the_connection_was_gone_is_told(run: Run) -> None:
    result = run(
        "session/unheard.js",
        UNHEARD
        + """talk(3000); unheard.heard(); talk(900); store.state.phase = 'reconnecting';
        unheard.heard(); talk(900); talk(5000, -60); unheard.tell(); unheard.tell();
        return problems;""",
    )
    assert result == ["About 1.8 s of what you said was not heard"]


def test_who_said_nothing_is_told_nothing(run: Run) -> None:
    result = run(
        "session/unheard.js",
        UNHEARD + "talk(300); talk(9000, -50); unheard.tell(); return problems;",
    )
    assert result == []


def test_a_button_that_is_held_is_pressed_again_on_the_new_connection(run: Run) -> None:
    result = run(
        "session/talk.js",
        """const sent = []; const muted = [];
        const state = { talk: 'hold', pressed: true, muted: false, listenOnly: false,
          pushToTalk: true, phase: 'connected', mutedByAdmin: false };
        const store = { state, set: (more) => Object.assign(state, more) };
        const setMuted = (is) => muted.push(is);
        const talk = new m.Talk(store, { setMuted, send: (message) => sent.push(message) });
        talk.connected(); const held = [...sent]; state.pressed = false; talk.connected();
        return [held, sent.slice(held.length), muted];""",
    )
    mute = {"type": "mute", "muted": False}
    assert result == [[mute, {"type": "ptt", "down": True}], [mute], [False, True]]

"""session/session.js: what a call needs while the page is hidden, lost, or about to end."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser


def test_views_hear_of_changes_in_a_page_that_is_hidden_within_a_frame(world: Run) -> None:
    result = world(
        """const { store } = await world.joined(); const told = [];
        store.subscribe(({ muted }) => told.push(muted)); await world.pass(100); told.length = 0;
        store.set({ muted: true }); world.hide(true); await world.pass(1);
        const first = [...told]; store.set({ muted: false }); await world.pass(100);
        const hidden = [...told]; world.hide(false); await world.pass(100);
        store.set({ muted: true }); await world.pass(100);
        return [first, hidden, told];"""
    )
    assert result == [[True], [True, False], [True, False, True]]


def test_the_screen_may_go_dark_after_a_call_with_losses(world: Run) -> None:
    result = world(
        """const { session } = await world.joined();
        for (let i = 0; i < 3; i += 1) { session.keeper.lost(); await world.pass(1500); }
        const during = world.locks.filter(({ released }) => !released).length;
        await session.leave(); await world.pass(100);
        return [during, world.locks.filter(({ released }) => !released).length];"""
    )
    assert result == [1, 0]


def test_a_lock_that_comes_after_leaving_is_given_back(world: Run) -> None:
    result = world(
        """const { session } = await world.joined(); world.locks[0].released = true;
        world.hide(true); world.hide(false); await world.pass(5);
        await session.leave(); await world.pass(100);
        return world.locks.map(({ released }) => released);"""
    )
    assert result == [True, True]


def test_a_screen_that_was_seen_again_stays_on(world: Run) -> None:
    result = world(
        """await world.joined(); world.locks[0].released = true;
        world.hide(true); world.hide(false); world.hide(true); world.hide(false);
        await world.pass(100); return world.locks.map(({ released }) => released);"""
    )
    assert result == [True, False]


PLAYBACK = """
const { FRAME_BYTES, HEADER_BYTES } = await import(location.origin + "/audio/wire.js");
const reports = []; let Playback;
Object.assign(window, { sampleRate: 24000, currentTime: 0,
  registerProcessor: (_, it) => { Playback = it; },
  AudioWorkletProcessor: class { port = { postMessage: (report) => reports.push(report) }; } });
await import(location.origin + "/audio/worklets/playback.js");
const playback = new Playback();
const command = (data) => playback.port.onmessage({ data });
for (let seq = 0; seq < 12; seq += 1) {
  const message = new ArrayBuffer(HEADER_BYTES + FRAME_BYTES);
  command({ type: "frame", seq, epoch: 3, flags: 0, message });
}
for (let i = 0; i < 20; i += 1) playback.process([], [[new Float32Array(128)]]);
"""


@pytest.mark.parametrize(
    ("ends", "is_cut"), [({"type": "reset"}, False), ({"type": "flush", "epoch": 4}, True)]
)
def test_only_a_flush_cuts_a_reply_off_and_a_handover_does_not(
    world: Run, ends: dict[str, object], is_cut: bool
) -> None:
    shown, interrupted, sent = world(
        PLAYBACK
        + """const { session, store } = await world.joined();
        const line = { type: "caption", item: "r", speaker: "assistant", text: "It is" };
        session.inbox.take(line); world.sent.length = 0; command(a);
        session.audio.callbacks.onPlayed(reports.findLast(({ type }) => type === "played"));
        session.inbox.take({ ...line, text: "It is late.", final: true });
        const [{ interrupted }] = store.state.captions;
        const [{ epoch, buffered_ms, last }] = world.sent;
        return [interrupted, store.state.interrupted, [epoch, buffered_ms > 0, last]];""",
        ends,
    )
    assert [shown, interrupted, sent] == [is_cut, is_cut, [3, True, is_cut]]


def test_old_pongs_tell_nothing_of_the_way(world: Run) -> None:
    shown = world(
        """const { session, store } = await world.joined();
        const pong = (ageMs) => session.inbox.take({ type: "pong", t: performance.now() - ageMs });
        await world.pass(3000); const before = Math.round(store.state.rttMs);
        pong(180000); return [before, Math.round(store.state.rttMs)];"""
    )
    assert shown == [20, 20]


def test_an_element_that_the_system_has_paused_plays_again_when_the_page_is_seen(
    world: Run,
) -> None:
    result = world(
        """const { store, codes } = await world.joined({ route: "element" });
        const [element] = world.elements; const [context] = world.contexts;
        const now = () => [element.paused, store.state.audioRunning, codes()];
        const before = now(); element.pause(); const paused = now();
        context.turn("running"); const turned = now();
        world.hide(true); world.hide(false); await world.pass(1000);
        return [before, paused, turned, now()];"""
    )
    off = [True, False, ["suspended"]]
    on = [False, True, []]
    assert result == [on, off, off, on]


def test_an_element_of_a_graph_that_is_gone_is_no_news(world: Run) -> None:
    result = world(
        """const { session, codes } = await world.joined({ route: "element" });
        session.microphone.rebuild(); await world.pass(500);
        return [world.elements.map(({ paused }) => paused), codes()];"""
    )
    assert result == [[True, False], []]


def test_who_joins_to_read_and_type_has_no_sound_to_turn_on(world: Run) -> None:
    result = world(
        """Object.defineProperty(window, "isSecureContext", { value: false });
        const { session, store, codes } = await world.session();
        session.join({ ...world.choice, listenOnly: true }); await world.pass(500);
        await session.resume(); return [store.state.phase, codes(), world.contexts.length];"""
    )
    assert result == ["connected", [], 0]

"""The page for everybody: axe-core finds nothing serious, a whole call goes by keyboard alone, and
the self-test measures a room."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import require
from tests.browser.support import shows, until, watched
from tests.support.gateway import Gateway
from tests.support.npm import installed

pytestmark = pytest.mark.browser

DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
SCAN = """async () => {
  const { violations, passes } = await axe.run(document);
  const bad = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  const where = ({ nodes }) => nodes.map(({ target, failureSummary }) => [target, failureSummary]);
  return { passes: passes.length, bad: bad.map((one) => [one.id, where(one)]) };
}"""
ROOM_FULL = """() => {
  const { receive, state } = window.mixminus;
  const me = state().participant;
  const person = (participant, name, more) => ({
    participant, name, muted: false, role: 'speak', verified: true, ...more,
  });
  receive({ type: 'participants', participants: [
    person(me, 'Ada', { role: 'admin', place: 'kitchen' }),
    person('p2', 'Bernadette Featherstonehaugh', { place: 'kitchen', plays: false }),
    person('p3', 'Dee', { role: 'listen', verified: false }),
  ] });
  receive({ type: 'caption', item: 'a', speaker: 'p2', text: 'And on Sunday?', final: true });
  receive({ type: 'caption', item: 'b', speaker: 'assistant', text: 'On Sun', final: true,
    cut: 'interrupted' });
  receive({ type: 'tool', call: 'c', name: 'door', status: 'asking', question: 'Open the door?',
    participant: 'p2', timeout_ms: 60000 });
  receive({ type: 'error', code: 'max_output_tokens', message: 'It was cut.' });
}"""
DEE_COMES_AND_LEAVES = """async () => {
  const { receive, state } = window.mixminus;
  const region = document.getElementById('announce');
  window.announced = [];
  new MutationObserver(() => window.announced.push(region.textContent))
    .observe(region, { childList: true, characterData: true, subtree: true });
  const stay = state().participants.filter(({ name }) => name !== 'Dee');
  const dee = { participant: 'p3', name: 'Dee', muted: false, role: 'listen', verified: false };
  receive({ type: 'participants', participants: [...stay, dee] });
  await new Promise((shown) => setTimeout(shown, 200));
  receive({ type: 'participants', participants: stay });
}"""
"""The gateway's own roster, which knows no Dee, may come at any time: then she has left, too."""
DIALOGS = ("settings", "invite", "transcript", "person", "picture")
FOCUS = """() => {
  const { activeElement: one } = document;
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  return { id: one.id || one.closest('[id]')?.id || one.tagName,
    isSeen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 };
}"""
SIMULATED_ROOM = """
let context = null;
const Native = AudioContext;
window.AudioContext = class extends Native {
  constructor(...all) { super(...all); context = this; }
};
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...more) {
  if (to instanceof AudioDestinationNode && this.context.air) connect.call(this, this.context.air);
  return connect.call(this, to, ...more);
};
navigator.mediaDevices.getUserMedia = async ({ audio }) => {
  const air = new DelayNode(context, { delayTime: 0.08 });
  const gain = new GainNode(context, { gain: audio.echoCancellation ? 0.001 : 0.1 });
  const ear = context.createMediaStreamDestination();
  connect.call(air, gain);
  connect.call(gain, ear);
  context.air = air;
  return ear.stream;
};
"""
"""What the page plays reaches its microphone 80 ms later; its browser cancels 40 dB of that."""
SPEAKERS = """
const media = navigator.mediaDevices;
const all = ['usb', 'other'];
window.speakers = all;
media.enumerateDevices = async () => window.speakers.map((id) => ({
  kind: 'audiooutput', deviceId: id, label: `Speaker ${id}`,
}));
window.sinks = [];
AudioContext.prototype.setSinkId = async function (id) {
  if (id && !window.speakers.includes(id)) throw new DOMException('gone', 'NotFoundError');
  window.sinks.push(id);
};
window.unplug = (id) => {
  window.speakers = window.speakers.filter((known) => known !== id);
  media.dispatchEvent(new Event('devicechange'));
};
"""
"""Two speakers that can be unplugged."""
UNPLUG_IN_MID_REPLY = """() => {
  const { state, playedMs } = window.mixminus.stats().playback;
  if (state !== "playing") return null;
  window.unplug("usb");
  return playedMs;
}"""
"""How much had been played of the reply then; null: there is none."""
RESULT = "() => document.querySelector('.measured[data-route=direct]')?.innerText ?? ''"


@pytest.fixture(scope="module")
def axe() -> Iterator[str]:
    """The rules, as a script."""
    require(shutil.which("npm"), "npm is not installed")
    with installed(Path(__file__).parents[1] / "axe", "axe") as folder:
        yield (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def open_page(open_browser: Callable[..., Any]) -> Callable[..., Any]:
    """``open_page(scheme)``: a page that takes scripts of tests."""

    def opened(scheme: str = "light") -> Any:
        return open_browser(None).new_context(bypass_csp=True, color_scheme=scheme).new_page()

    return opened


def has_no_fault(page: Any, axe: str, what: str) -> None:
    """Nothing serious, by axe-core, on the page as it is now at a desk and on a phone."""
    page.evaluate(axe)
    for size in (DESK, PHONE):
        page.set_viewport_size(size)
        found = page.evaluate(SCAN)
        assert found["bad"] == [], (what, size)
        assert found["passes"] > 10, what
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= size["width"], f"{what} is wider than the screen"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    gateway: Gateway, open_page: Callable[..., Any], axe: str, scheme: str
) -> None:
    page = open_page(scheme)
    page.goto(f"{gateway.url}/selftest")
    has_no_fault(page, axe, "self-test")
    page.goto(f"{gateway.url}/?room=axe-{scheme}&name=Ada")
    page.locator("#join-button:enabled").wait_for()
    has_no_fault(page, axe, "lobby")
    page.get_by_role("button", name="Join").click()
    until(page, "() => window.mixminus?.state().upstream === 'ready'", "the assistant did not come")
    page.evaluate(ROOM_FULL)
    page.locator(".question").wait_for()
    has_no_fault(page, axe, "room")
    page.evaluate(DEE_COMES_AND_LEAVES)
    said = "() => window.announced.some((text) => text.includes('Dee has left.'))"
    until(page, said, "a screen reader does not hear it")
    for dialog in DIALOGS:
        page.evaluate("(id) => document.getElementById(id).showModal()", dialog)
        has_no_fault(page, axe, dialog)
        page.keyboard.press("Escape")


def go_to(page: Any, wanted: str) -> None:
    """Tab to an element; whatever has the focus on the way shows it."""
    for _ in range(40):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        assert focus["isSeen"], f"nobody sees that {focus['id']} has the focus"
        if focus["id"] == wanted:
            return
    pytest.fail(f"the keyboard does not reach {wanted}")


def test_a_whole_call_by_keyboard_alone(gateway: Gateway, open_page: Callable[..., Any]) -> None:
    page = open_page()
    troubles = watched(page)
    page.goto(f"{gateway.url}/?room=keys")
    page.locator("#join-button:enabled").wait_for()
    go_to(page, "join-name")
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")
    until(page, "() => window.mixminus?.state().upstream === 'ready'", "the assistant did not come")
    page.keyboard.press("m")
    until(page, "() => window.mixminus.state().muted", "M does not mute")
    go_to(page, "say")
    page.keyboard.type("Good morning")
    page.keyboard.press("Enter")
    shows(page, "You wrote")
    page.keyboard.press("Escape")
    go_to(page, "open-settings")
    page.keyboard.press("Enter")
    until(page, "() => document.getElementById('settings').open", "no settings")
    go_to(page, "set-raw")
    page.keyboard.press("Space")
    until(page, "() => document.getElementById('set-raw').checked", "no headphones")
    page.keyboard.press("Escape")
    until(page, "() => !document.getElementById('settings').open", "settings stay")
    assert page.evaluate(FOCUS)["id"] == "open-settings"
    go_to(page, "leave")
    page.keyboard.press("Enter")
    until(page, "() => document.body.dataset.view === 'lobby'", "still in the room")
    assert troubles == []


def test_a_speaker_that_goes_in_mid_reply_is_followed_by_the_default(
    gateway: Gateway, open_page: Callable[..., Any]
) -> None:
    page = open_page()
    page.add_init_script(SPEAKERS)
    page.goto(f"{gateway.url}/?room=speakers&name=Ada")
    page.get_by_role("button", name="Join").click()
    until(page, "() => window.mixminus?.state().upstream === 'ready'", "the assistant did not come")
    page.locator("#open-settings").click()
    page.get_by_label("Speaker", exact=True).select_option("usb")
    until(page, "() => window.sinks.at(-1) === 'usb'", "the speaker is not used")
    page.keyboard.press("Escape")
    page.evaluate("() => window.unplug('other')")
    before_ms = None
    while before_ms is None:  # A slow page may look when a reply is over, and asks for another.
        page.locator("#say").fill(
            3 * "Please say this sentence again, all of it, to its very end. "
        )
        page.keyboard.press("Enter")
        until(page, "() => window.mixminus.stats().playback.state === 'playing'", "not played")
        before_ms = page.evaluate(UNPLUG_IN_MID_REPLY)
    until(page, "() => window.sinks.at(-1) === ''", "the default speaker is not used")
    shows_it = "() => document.body.innerText.includes('Your speaker has gone')"
    until(page, shows_it, "nobody is told")
    end = f"(e) => e.type === 'played' && e.why === 'end' && e.playedMs > {before_ms}"
    until(page, f"() => window.mixminus.events.some({end})", f"nothing goes on at {before_ms}")
    assert page.evaluate("() => window.sinks") == ["usb", ""]


def test_one_device_of_a_place_plays_and_another_may_take_that_over(
    gateway: Gateway, open_page: Callable[..., Any]
) -> None:
    pages = [open_page(), open_page()]
    for name, page in zip(("Ada", "Bo"), pages, strict=True):
        page.goto(f"{gateway.url}/?room=places&name={name}")
        page.get_by_text("Another device beside you?").click()
        page.locator("#join-place").fill("kitchen")
        page.get_by_role("button", name="Join").click()
        until(page, "() => window.mixminus?.state().upstream === 'ready'", "not joined")

    def is_silent(page: Any, name: str) -> str:
        strip = (
            f"[...document.querySelectorAll('.person')].find((p) => p.innerText.includes('{name}'))"
        )
        return f"() => {strip}?.innerText.includes('no sound here') === true"

    ada, bo = pages
    until(ada, is_silent(ada, "Bo"), "both play")
    assert not ada.evaluate(is_silent(ada, "Ada"))
    bo.locator("#open-settings").click()
    bo.get_by_label("Which device plays").select_option("take")
    until(ada, is_silent(ada, "Ada"), "Ada still plays")
    until(bo, is_silent(bo, "Ada"), "Bo is not told")
    bo.locator("#set-place").fill("")
    bo.keyboard.press("Tab")
    until(bo, f"() => !({is_silent(bo, 'Ada')})()", "Ada stays silent")
    assert "kitchen" not in bo.locator(".person").first.inner_text()


def test_the_self_test_measures_the_room(gateway: Gateway, open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.add_init_script(SIMULATED_ROOM)
    page.goto(f"{gateway.url}/selftest")
    page.get_by_role("button", name="Start").click()
    until(page, RESULT, "nothing is measured")
    told = page.evaluate(RESULT)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Test again").wait_for()
    assert "Echo cancellation works: it takes away 4" in told, told
    figures = dict(zip(told.splitlines()[2::2], told.splitlines()[3::2], strict=True))
    assert 80 <= int(figures["Speaker to microphone"].removesuffix(" ms")) < 200, figures
    assert float(figures["Frames per second"].removesuffix(" of 50")) > 40, figures

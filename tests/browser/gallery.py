"""Pictures of the page in every state, for people to look at: 1280 and 390 px, light and dark.

    python -m tests.browser.gallery DIRECTORY [--only STATE ...]

A gateway of its own, a real Chromium, and a page for each state, which is what the gateway would
tell (``window.mixminus.receive``). Beside the pictures it tells what is cut off: elements that are
wider than their window or their box.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.one_gateway.test_access_for_all import DESK, DIALOGS, PHONE, ROOM_FULL
from tests.browser.support import joined
from tests.support import audio
from tests.support.gateway import Gateway

SIZES = {"1280": DESK, "390": PHONE}
SCHEMES = ("light", "dark")
FULL = f"({ROOM_FULL})()"
CROWD = [
    {"participant": f"p{n}", "name": f"Person number {n}", "muted": n % 3 == 0, "role": "speak"}
    for n in range(12)
]
LONG = "Rindfleischetikettierungsueberwachungsaufgabenuebertragungsgesetz " * 4
LINES: Sequence[Mapping[str, Any]] = (
    {"item": "1", "speaker": "p2", "text": "What is for dinner?", "final": True},
    {"item": "2", "speaker": "assistant", "text": LONG, "final": True},
    {"item": "3", "speaker": "p2", "name": "Ada, Ben", "text": "Ada: Yes. / Ben: No."},
    {"item": "4", "speaker": "p2", "text": "", "final": False},
    {"item": "5", "speaker": "assistant", "text": "Well, that dep", "final": False},
)


CLOSED = "!document.querySelector('dialog[open]')"


def told(**message: Any) -> tuple[str, Any]:
    """Say this to the page."""
    return "(message) => window.mixminus.receive(message)", message


def state(**change: Any) -> tuple[str, Any]:
    """The assistant is like this."""
    return told(type="state", **{"assistant": "idle", "upstream": "ready", **change})


def captions() -> list[tuple[str, Any]]:
    """A conversation with every kind of line."""
    return [told(type="caption", **line) for line in LINES]


def opened(name: str) -> tuple[str, Any]:
    """Open a dialog, as people do: by its button, that of a person on the strip of another one."""
    if name == "person":
        other = "#roster .more-about:not([hidden])"
        return f"() => {CLOSED} && document.querySelector('{other}').click()", None
    return f"(id) => {CLOSED} && document.getElementById(`open-${{id}}`).click()", name


RECORDED = {"phase": "on", "words": "Ada records this room"}
OVER = {"phase": "off", "words": "Ben has ended the recording"}
SOON = {"phase": "soon", "words": "Ada wants to record this room"}
STATES: Mapping[str, Sequence[tuple[str, Any]]] = {
    "empty": [],
    "full": [("() => " + FULL, None)],
    "lines": captions(),
    "crowd": [told(type="participants", participants=CROWD)],
    "thinking": [*captions(), state(assistant="thinking")],
    "speaking": [*captions(), state(assistant="speaking")],
    "reconnecting": [state(upstream="reconnecting", detail="the network is gone")],
    "failed": [state(upstream="failed", code="invalid_api_key", detail="the key is refused")],
    "budget": [state(upstream="failed", code="budget_spent", detail="The budget of $1 is spent")],
    "recording-soon": [state(recording=SOON)],
    "recording": [state(recording=RECORDED)],
    "recording-over": [state(recording=RECORDED), state(recording=OVER)],
    "addressed": [state(address="addressed", persona="Nova")],
    "push-to-talk": [state(address="push_to_talk")],
    "unwritten": [
        state(transcript=False),
        told(type="error", code="no_words", message="Say it again."),
    ],
    "echo": [told(type="notice", code="echo", message="It hears the laptop: use headphones")],
    "stopping": [told(type="notice", code="stopping", message="an update", in_ms=30_000)],
    "given-up": [told(type="notice", code="given_up", message="the mixer ends again and again")],
    "silenced": [told(type="silenced", muted=True, locked=True)],
    "rules": [told(type="rules", message="The instructions changed now.")],
    "forgotten": [*captions(), told(type="forgotten", name="Ada")],
    "usage": [
        told(type="usage", kind="response", response={"tokens": {}, "cost_usd": 0.01},
             room={"tokens": {}, "cost_usd": 0.42, "unpriced": 0},
             day={"cost_usd": 0.9, "day": "2026-01-01", "budget_usd": 1.0}, people={"Ada": 0.42}),
        told(type="error", code="budget_low", message="90 % of $1.00 is spent"),
    ],
    **{f"dialog-{name}": [("() => " + FULL, None), opened(name)] for name in DIALOGS},
}  # fmt: skip
OUTSIDE = {"lobby": "/", "lobby-room": "/?room=kitchen&name=Ada", "selftest": "/selftest"}
"""Pages outside of a room."""
CUT_OFF = """() => [...document.querySelectorAll('body *')].filter((one) => {
  const box = one.getBoundingClientRect(), style = getComputedStyle(one);
  if (box.width < 2 || box.height < 2 || one.closest('[hidden], .sr, .announce, svg')) return false;
  if (style.visibility === 'hidden' || one.closest('dialog:not([open])')) return false;
  if (style.clipPath !== 'none' || box.bottom < 0 || box.top > innerHeight) return false;
  for (let outer = one.parentElement; outer; outer = outer.parentElement) {
    const { overflowX } = getComputedStyle(outer);
    if (outer !== document.body && (overflowX === 'auto' || overflowX === 'scroll')) return false;
  }
  const isOut = box.right > innerWidth + 1 || box.left < -1;
  const hides = one.scrollWidth > one.clientWidth + 1 && style.overflowX === 'hidden'
    && style.textOverflow !== 'ellipsis' && style.display !== 'inline';
  return isOut || hides;
}).map((one) => [one.tagName, one.id || one.closest('[id]')?.id, one.className].join(' '))"""


def look(page: Any, name: str, folder: Path) -> dict[str, list[str]]:
    """Take a picture in each width and scheme; returns what is cut off in each.

    The state is told anew each time: the gateway repeats its own every few seconds.
    """
    found: dict[str, list[str]] = {}
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            for script, argument in STATES.get(name, ()):
                page.evaluate(script, argument)
            page.wait_for_timeout(100)
            picture = f"{name}-{size}-{scheme}"
            page.screenshot(path=str(folder / f"{picture}.png"), animations="disabled")
            found[picture] = sorted(set(page.evaluate(CUT_OFF)))
    return found


def room_state(gateway: Gateway, browser: Any, name: str, folder: Path) -> dict[str, list[str]]:
    """A state of a room, on a page that is new, since states add up."""
    page = joined(gateway, browser, "room=gallery&name=Ada&talk=hold")
    found = look(page, name, folder)
    page.context.close()
    return found


def outer_state(gateway: Gateway, browser: Any, name: str, folder: Path) -> dict[str, list[str]]:
    """The page before a room, or the self-test."""
    page = browser.new_context().new_page()
    page.goto(f"{gateway.url}{OUTSIDE[name]}")
    page.wait_for_timeout(300)
    found = look(page, name, folder)
    page.context.close()
    return found


def main() -> int:
    """Entry point of the command; 1: something is cut off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=(), choices=(*OUTSIDE, *STATES), help="these")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    cut: dict[str, list[str]] = {}
    with TemporaryDirectory() as folder, Gateway(OPENAI_LINK__GREET=0) as gateway:
        silence = Path(folder) / "silence.wav"
        audio.write_wav(silence, np.zeros(audio.RATE_HZ))
        microphone = f"--use-file-for-fake-audio-capture={silence}%noloop"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=[*FLAGS, microphone]
            )
            for name in options.only or (*OUTSIDE, *STATES):
                take = outer_state if name in OUTSIDE else room_state
                cut |= take(gateway, browser, name, options.folder)
            browser.close()
    for name, elements in cut.items():
        if elements:
            print(f"{name}: cut off: {', '.join(elements[:5])}")
    print(f"{len(cut)} pictures in {options.folder}")
    return 1 if any(cut.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

"""What tests of the whole page share: joining, holding the talk button, recording, waiting."""

from __future__ import annotations

import base64
import time
from typing import Any

import numpy as np

from tests.support import audio
from tests.support.gateway import Gateway
from tests.support.waiting import wait_until

KEEP_MICROPHONE = """
const media = navigator.mediaDevices;
const open = media.getUserMedia.bind(media);
media.getUserMedia = async (wanted) => {
  window.microphone = await open(wanted);
  return window.microphone;
};
"""
TAP = """
registerProcessor('test-tap', class extends AudioWorkletProcessor {
  process(inputs) {
    const channel = inputs[0][0];
    this.port.postMessage(channel ? channel.slice() : new Float32Array(128));
    return true;
  }
});
"""
RECORD = """
async (source) => {
  const output = window.mixminus.playbackNode;
  const { context } = output;
  const microphone = context.createMediaStreamSource(window.microphone);
  await context.audioWorklet.addModule('data:text/javascript;base64,' + btoa(source));
  window.recorded = {};
  for (const [name, node] of Object.entries({ output, microphone })) {
    const options = { numberOfOutputs: 0, channelCount: 1, channelCountMode: 'explicit' };
    const tap = new AudioWorkletNode(context, 'test-tap', options);
    const pieces = window.recorded[name] = [];
    tap.port.onmessage = (event) => pieces.push(event.data);
    node.connect(tap);
  }
  return context.sampleRate;
}
"""
TAKE_RECORDING = """
(name) => {
  const pieces = window.recorded[name];
  const whole = new Float32Array(128 * pieces.length);
  pieces.forEach((piece, index) => whole.set(piece, 128 * index));
  const bytes = new Uint8Array(whole.buffer);
  let text = '';
  for (let i = 0; i < bytes.length; i += 32768)
    text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return btoa(text);
}
"""
HEARS = """() => {
  if (window.heardAt || !window.mixminus) return window.heardAt > 0;
  if (!window.tapped) {
    const { playbackNode } = window.mixminus;
    const analyser = playbackNode.context.createAnalyser();
    playbackNode.connect(analyser);
    window.tapped = analyser;
  }
  const samples = new Float32Array(window.tapped.fftSize);
  window.tapped.getFloatTimeDomainData(samples);
  if (samples.some((sample) => Math.abs(sample) > 0.003)) window.heardAt = performance.now();
  return window.heardAt > 0;
}"""
"""Whether a sample of the reply has been played."""
LOOK = """async () => {
  const condition = (%s);
  const end = performance.now() + 1000;
  while (true) {
    const found = await condition();
    if (found || performance.now() > end) return Boolean(found);
    await new Promise((again) => setTimeout(again, 50));
  }
}"""
"""Looks where the page is: a question from here takes three other processes."""
LINES = "() => [...document.querySelectorAll('#captions .text')].map((line) => line.textContent)"
PRESSED = "() => window.mixminus.state().pressed"


def watched(page: Any) -> list[str]:
    """The page's console errors and exceptions, as they come."""
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda m: troubles.append(_words(m)) if m.type == "error" else None)
    return troubles


def _words(message: Any) -> str:
    """A line of the console, and where it came from."""
    return f"{message.text} ({message.location['url']})"


def until(page: Any, condition: str, words: str) -> None:
    """Wait until a JavaScript function returns something true."""
    wait_until(
        lambda: _look(page, condition),
        words,
        lambda: page.inner_text("body"),
        turn=lambda: None,  # The page has waited.
    )


def _look(page: Any, condition: str) -> bool:
    """Whether it becomes true within a second; a new page in the same tab is looked at anew."""
    from playwright.sync_api import Error

    try:
        return bool(page.evaluate(LOOK % condition))
    except Error as error:
        if "context was destroyed" not in str(error):
            raise
        return False


def shows(page: Any, words: str) -> None:
    """Wait until a caption contains ``words``."""
    until(page, f"() => ({LINES})().some((line) => line.includes('{words}'))", words)


def joined(gateway: Gateway, browser: Any, query: str) -> Any:
    """A page that has joined by its button, with the assistant there."""
    page = browser.new_context(bypass_csp=True).new_page()
    page.add_init_script(KEEP_MICROPHONE)
    page.goto(f"{gateway.url}/?{query}")
    page.get_by_role("button", name="Join").click()
    ready = "() => window.mixminus?.state().upstream === 'ready'"
    until(page, ready, "the assistant did not come")
    return page


def hold(page: Any, held_s: float) -> float:
    """Hold the talk button with the mouse; returns how long it really was."""
    box = page.locator("#talk").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    began = time.monotonic()
    page.mouse.down()
    until(page, PRESSED, "not pressed")
    shown = "() => document.getElementById('talk').getAttribute('aria-pressed') === 'true'"
    until(page, shown, "the press is not shown")
    page.wait_for_timeout(int(1000 * held_s))
    page.mouse.up()
    until(page, f"() => !({PRESSED})()", "not released")
    return time.monotonic() - began


def open_microphone(page: Any) -> None:
    """Change from push-to-talk to an open microphone, in the settings."""
    page.locator("#open-settings").click()
    page.get_by_label("Open microphone").check()
    page.keyboard.press("Escape")


class Recording:
    """What a joined page plays, and what its microphone delivers."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._rate_hz = page.evaluate(RECORD, TAP)

    def output(self) -> audio.Samples:
        """What was played so far, at 24 kHz."""
        return self._taken("output")

    def microphone(self) -> audio.Samples:
        """What the microphone delivered so far, at 24 kHz."""
        return self._taken("microphone")

    def _taken(self, name: str) -> audio.Samples:
        data = base64.b64decode(self._page.evaluate(TAKE_RECORDING, name))
        return audio.resample(np.frombuffer(data, "<f4").astype(np.float64), self._rate_hz)

"""What tests of the whole page share: recording what it plays, waiting, joining."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from tests.support import audio
from tests.support.gateway import Gateway
from tests.support.waiting import wait_until

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
async ([source, what]) => {
  let node = window.mixminus?.playbackNode;
  if (what === 'microphone') {
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: false };
    window.stream = await navigator.mediaDevices.getUserMedia({ audio });
    node = new AudioContext().createMediaStreamSource(window.stream);
  }
  const context = node.context;
  await context.audioWorklet.addModule('data:text/javascript;base64,' + btoa(source));
  const options = { numberOfOutputs: 0, channelCount: 1, channelCountMode: 'explicit' };
  const tap = new AudioWorkletNode(context, 'test-tap', options);
  window.recorded = [];
  tap.port.onmessage = (event) => window.recorded.push(event.data);
  node.connect(tap);
  return context.sampleRate;
}
"""
TAKE_RECORDING = """
() => {
  let size = 0;
  for (const piece of window.recorded) size += piece.length;
  const whole = new Float32Array(size);
  let at = 0;
  for (const piece of window.recorded) { whole.set(piece, at); at += piece.length; }
  const bytes = new Uint8Array(whole.buffer);
  let text = '';
  for (let i = 0; i < bytes.length; i += 32768)
    text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return btoa(text);
}
"""


def watched(page: Any) -> list[str]:
    """The page's console errors and exceptions, as they come."""
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
    return troubles


def until(page: Any, expression: str, words: str) -> None:
    """Wait until a JavaScript expression is true."""
    wait_until(
        lambda: page.evaluate(expression),
        words,
        lambda: page.inner_text("body"),
        turn=lambda: page.wait_for_timeout(50),
    )


def taken(page: Any, rate_hz: int) -> audio.Samples:
    """What the tap of a page recorded, at 24 kHz."""
    data = base64.b64decode(page.evaluate(TAKE_RECORDING))
    return audio.resample(np.frombuffer(data, "<f4").astype(np.float64), rate_hz)


def joined(gateway: Gateway, browser: Any, query: str) -> Any:
    """A page that has joined by its button, with the assistant there."""
    page = browser.new_context(bypass_csp=True).new_page()
    page.goto(f"{gateway.url}/?{query}")
    page.get_by_role("button", name="Join").click()
    ready = "() => window.mixminus?.state().upstream === 'ready'"
    until(page, ready, "the assistant did not come")
    return page

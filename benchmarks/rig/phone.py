"""The real page in Chromium, behind a relay: a phone whose network can be made bad.

Chromium and playwright are needed only here.
"""

from __future__ import annotations

import shutil
import time
import wave
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mixer_core.bus.pcm import SAMPLE_BYTES, SAMPLE_RATE_HZ

from ..report.errors import BenchmarkError
from . import signals
from .closing import Closing
from .helper_process import HelperProcess

JOIN_S = 20.0
POLL_MS = 50
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
    "--autoplay-policy=no-user-gesture-required",
)
REROUTE = """
const set = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = async function ({ type, sdp }) {
  const lines = [];
  for (const line of sdp.split('\\r\\n')) {
    const parts = line.split(' ');
    if (line.startsWith('a=candidate:')) {
      if (parts[2].toLowerCase() !== 'udp') continue;
      parts[5] = String(await window.relayPort(parts[4], Number(parts[5])));
    }
    lines.push(parts.join(' '));
  }
  return set.call(this, { type, sdp: lines.join('\\r\\n') });
};
"""
"""The page sends to the relay wherever an answer says that the gateway is."""
CHANGED = """() => {
  navigator.connection?.dispatchEvent(new Event('change'));
  window.dispatchEvent(new Event('online'));
}"""
"""What a phone's browser says when the network has changed."""
LOOK = """() => {
  const { participant, phase, muted } = window.mixminus.state();
  const { link, playback } = window.mixminus.stats();
  return { participant, phase, muted, link, playback };
}"""


class Phone(Closing):
    """``with Phone(gateway_port) as phone: phone.join("room-0")``."""

    def __init__(self, gateway_port: int, directory: Path) -> None:
        """``directory``: for the microphone's file."""
        self._gateway_port = gateway_port
        self._directory = directory
        self._stack = ExitStack()

    def start(self) -> None:
        """Start relay and browser. Raises BenchmarkError where one is not installed."""
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        try:
            from playwright.sync_api import sync_playwright
        except ImportError as error:
            raise BenchmarkError("this needs playwright: pip install -e '.[test]'") from error
        if chromium is None:
            raise BenchmarkError("this needs Chromium: apt install chromium")
        self.relay = HelperProcess("benchmarks.rig.relay")
        self._stack.callback(self.relay.close)
        flags = [*FLAGS, f"--use-file-for-fake-audio-capture={self._microphone()}"]
        playwright = self._stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        self._stack.callback(browser.close)
        self._page: Any = browser.new_context(bypass_csp=True).new_page()
        self._page.expose_function("relayPort", self._relay_port)
        self._page.add_init_script(REROUTE)

    def close(self) -> None:
        """End both."""
        self._stack.close()

    def join(self, room: str) -> None:
        """Join by the button. Raises BenchmarkError where it takes too long."""
        port = self.relay.ask("tcp", port=self._gateway_port)
        self._page.goto(f"http://127.0.0.1:{port}/?room={room}&name=Phone&mode=conference&raw=1")
        self._page.get_by_role("button", name="Join").click()
        joined = "() => window.mixminus?.state().phase === 'connected'"
        self.until(lambda: bool(self._page.evaluate(joined)), JOIN_S, "the page did not join")

    def look(self) -> dict[str, Any]:
        """Participant, phase, and the counts of link and playback."""
        found: dict[str, Any] = self._page.evaluate(LOOK)
        return found

    def mute(self, muted: bool) -> None:
        """Press the microphone's button where it stands otherwise."""
        if self.look()["muted"] != muted:
            self._page.locator("#mic").click()

    def changed(self) -> None:
        """The browser notices that its network has changed."""
        self._page.evaluate(CHANGED)

    def rest(self, seconds: float, every: Callable[[], None] | None = None) -> None:
        """Let time pass; ``every`` is called many times a second."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self._page.wait_for_timeout(min(POLL_MS, max(1, int(1000 * left_s))))
            if every is not None:
                every()

    def until(self, condition: Callable[[], bool], seconds: float, words: str) -> None:
        """Wait until it is true. Raises BenchmarkError."""
        end_s = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end_s:
                raise BenchmarkError(f"{words}: {self._page.inner_text('body')[:300]}")
            self._page.wait_for_timeout(POLL_MS)

    def _relay_port(self, host: str, port: int) -> int:
        return int(self.relay.ask("udp", host=host, port=port))

    def _microphone(self) -> Path:
        """Somebody who never stops talking."""
        path = self._directory / "microphone.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(SAMPLE_BYTES)
            file.setframerate(SAMPLE_RATE_HZ)
            file.writeframes(b"".join(signals.speech(3)))
        return path

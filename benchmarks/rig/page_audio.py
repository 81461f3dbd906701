"""The page's audio modules in a real Chromium, without a gateway: what they do with given frames.

Chromium and playwright are needed only here.
"""

from __future__ import annotations

import functools
import shutil
import threading
from contextlib import ExitStack
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from signaling.http.pages import WEB_DIR

from ..report.errors import BenchmarkError
from .closing import Closing

TALK = """
const { ppm, minutes, jitterMs, follows = true } = a;
const buffer = new m.JitterBuffer();
const pcm = Int16Array.from({ length: 480 }, (_, i) => 8000 * Math.sin(2 * Math.PI * i / 48));
const out = new Float32Array(128), levels = new Float64Array(1000);
let seed = 1, owed = 0, sent = 0, worstMs = 0, worstAtStartMs = 0;
const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
const next = () => sent * 20 / (1 + ppm / 1e6) + random() * jitterMs;
let dueMs = next();
for (let n = 0; n < minutes * 60 * 375; n += 1) {
  const nowMs = n * 128 / 48;
  while (dueMs <= nowMs) { buffer.push(sent, 0, 0, pcm, nowMs); sent += 1; dueMs = next(); }
  owed += 64 * (1 + (follows ? buffer.driftPpm / 1e6 : 0));
  const count = Math.floor(owed);
  owed -= count;
  buffer.pull(out, count, nowMs);
  const waits = buffer.bufferedMs;
  if (nowMs < 60000) worstAtStartMs = Math.max(worstAtStartMs, waits);
  else worstMs = Math.max(worstMs, waits);
  levels[Math.floor(waits)] += 1;
}
const total = levels.reduce((sum, one) => sum + one);
let p95Ms = 0;
for (let sum = 0; sum < 0.95 * total; p95Ms += 1) sum += levels[p95Ms];
return { counts: buffer.counts, p95Ms, worstMs, worstAtStartMs, ppm: buffer.driftPpm, sent };
"""
"""Speech without a pause, in ``audio/jitter.js``, from a sender whose clock is ``ppm`` faster than
the device's; frames arrive up to ``jitterMs`` late. The device takes quanta of 128 samples at
48 kHz; of its resampler there is only the count, and without ``follows`` that is its clock's."""
HEAR = """
const { pcm, lost } = a;
const bytes = Uint8Array.from(atob(pcm), (one) => one.charCodeAt(0));
const sound = new Int16Array(bytes.buffer), missing = new Set(lost);
const buffer = new m.JitterBuffer();
const frames = sound.length / 480, block = new Float32Array(480);
const heard = new Float32Array(sound.length + 480 * 8);
let first = -1;
for (let n = 0; n < frames + 8; n += 1) {
  const frame = sound.slice(n * 480, n * 480 + 480);
  if (n < frames && !missing.has(n)) buffer.push(n, 0, n === frames - 1 ? 1 : 0, frame, n * 20);
  buffer.pull(block, 480, n * 20);
  heard.set(block, n * 480);
  if (first < 0 && buffer.playedMs > 0) first = n;
}
const part = heard.subarray(first * 480, first * 480 + sound.length);
const out = Int16Array.from(part, (x) => Math.round(x * 32768));
let text = '';
const octets = new Uint8Array(out.buffer);
for (let i = 0; i < octets.length; i += 32768)
  text += String.fromCharCode(...octets.subarray(i, i + 32768));
return btoa(text);
"""
"""What is heard of PCM16 (base64) whose ``lost`` frames do not arrive, in ``audio/jitter.js``, from
the first frame on that is played."""


class _Files(SimpleHTTPRequestHandler):
    """Silent, and sure of what a module's type is."""

    extensions_map = {  # noqa: RUF012 - the base class declares it so
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
    }

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class PageAudio(Closing):
    """``with PageAudio() as page: page.run("audio/jitter.js", TALK, {...})``."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def start(self) -> None:
        """Start the browser. Raises BenchmarkError where it is not installed."""
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        try:
            from playwright.sync_api import sync_playwright
        except ImportError as error:
            raise BenchmarkError("this needs playwright: pip install -e '.[test]'") from error
        if chromium is None:
            raise BenchmarkError("this needs Chromium: apt install chromium")
        handler = functools.partial(_Files, directory=str(WEB_DIR))
        server = self._stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._stack.callback(server.shutdown)
        self._origin = f"http://127.0.0.1:{server.server_address[1]}"
        playwright = self._stack.enter_context(sync_playwright())
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        self._stack.callback(browser.close)
        self._page = browser.new_page()
        self._page.goto(f"{self._origin}/icon.svg")

    def close(self) -> None:
        """End it."""
        self._stack.close()

    def run(self, module: str, body: str, argument: Any) -> Any:
        """What the body of an async function returns; it sees the module ``m`` and ``a``."""
        script = (
            "async ([url, a]) => { const m = await import(url); "
            f"return await (async () => {{ {body} }})(); }}"
        )
        return self._page.evaluate(script, [f"{self._origin}/{module}", argument])

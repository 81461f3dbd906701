"""The page itself in Chromium, several times in one room, in place of callers.

``python -m benchmarks.rig.page_process``, by the JSON lines of ``caller_process``. Every page is in
a profile of its own; its microphone hums so softly that the assistant takes it for silence.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
import wave
from array import array
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from mixer_core.bus.pcm import SAMPLE_RATE_HZ
from mixer_core.runtime.units import MS_NS

from ..report.errors import BenchmarkError
from .asking import AFTER_S, CALM_NS, CALM_TIMEOUT_S, JOIN_TIMEOUT_S, LOOK_S, until_answered
from .commands import serve

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
HUM_PEAK = 20
WATCH = """(name) => {
  const { playbackNode } = window.mixminus;
  const analyser = playbackNode.context.createAnalyser();
  analyser.fftSize = 1024;
  playbackNode.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const seen = window.seen = { loud: [], words: [], replies: 0, phases: 0, there: true };
  window.begin = () => {
    seen.loud.length = seen.words.length = seen.replies = seen.phases = 0;
  };
  const known = new Set();
  setInterval(() => {
    const now = performance.now();
    analyser.getFloatTimeDomainData(samples);
    if (samples.some((sample) => Math.abs(sample) > 0.05)) seen.loud.push(now);
    const { captions, phase } = window.mixminus.state();
    for (const { item, text, speaker } of captions) {
      const line = speaker === "assistant" ? item : text;
      if (known.has(line)) continue;
      known.add(line);
      if (text.startsWith(name)) seen.words.push(now);
      if (speaker === "assistant") seen.replies += 1;
    }
    const there = phase === "connected";
    if (there && !seen.there) seen.phases += 1;
    seen.there = there;
  }, 10);
}"""
LOOK = """() => ({
  now: performance.now(), there: seen.there, joins: seen.phases, asked: seen.words.length,
  replies: seen.replies,
  words: seen.words[0] ?? null, loud: seen.loud.slice(0, 2000), last: seen.loud.at(-1) ?? null,
})"""


class Page:
    """One person at the page."""

    def __init__(self, page: Any, name: str) -> None:
        self._page = page
        self.name = name
        self.joins = 0
        self.is_there = True
        self._asked = 0
        self._questions = 0
        self._seen: dict[str, Any] = {}
        self._offset_ns = 0

    async def join(self, url: str, room: str) -> None:
        """Come in by the button."""
        await self._page.goto(f"{url}/?room={room}&name={self.name}&raw=1&mode=conference")
        await self._page.get_by_role("button", name="Join").click()
        ready = "() => window.mixminus?.state().upstream === 'ready'"
        await self._page.wait_for_function(ready, timeout=1000 * JOIN_TIMEOUT_S)
        await self._page.evaluate(WATCH, self.name)

    async def begin(self) -> None:
        """Count from now on."""
        self._asked = 0
        await self._page.evaluate("() => window.begin()")
        await self.look()

    async def look(self) -> None:
        """Read what the page has seen."""
        began_ns = time.monotonic_ns()
        self._seen = await self._page.evaluate(LOOK)
        middle_ns = (began_ns + time.monotonic_ns()) // 2
        self._offset_ns = middle_ns - int(self._seen["now"] * MS_NS)
        self.is_there, self.joins = self._seen["there"], self._seen["joins"]

    async def ask(self) -> bool:
        """Write to the assistant; whether there is a call."""
        if not self.is_there:
            return False
        self._asked += 1
        self._questions += 1  # Every question is another: the page drops old lines.
        field = self._page.locator("#say")
        await field.fill(f"{self.name} asks for the {self._questions}. time")
        await field.press("Enter")
        return True

    def answered_ns(self) -> int:
        """As ``Caller.answered_ns``."""
        words = self._seen["words"]
        if self.joins and words is None:
            return 0
        since = words if self.joins else 0
        heard = next((at for at in self._seen["loud"] if at >= since), None)
        return 0 if heard is None else self._offset_ns + int(heard * MS_NS)

    def words_taken(self) -> int:
        """How many replies have begun: the page shows a question before anybody takes it."""
        return int(self._seen["replies"])

    def quiet_ns(self) -> int:
        """How long the assistant has not been heard."""
        last = self._seen["last"]
        return CALM_NS + 1 if last is None else int((self._seen["now"] - last) * MS_NS)

    def outcome(self, killed_ns: int) -> dict[str, Any]:
        """As ``Caller.outcome``; the page does not tell single frames."""
        answered_ns = self.answered_ns()
        return {
            "answered_ms": (answered_ns - killed_ns) / MS_NS if answered_ns else None,
            "silent_ms": 0.0,
            "frames_lost": 0,
            "stale": 0,
            "old_epoch": 0,
            "asked": self._asked,
            "words_lost": max(0, self._asked - self._seen["asked"]),
            "joins": self.joins,
            "refusals": [],
        }


class Pages:
    """The people of one room."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._pages: list[Page] = []

    async def do_join(self, url: str, room: str, count: int) -> None:
        """Let so many people join, and wait until all have been answered."""
        browser = await self._open_browser()
        for index in range(count):
            context = await browser.new_context(bypass_csp=True)
            page = Page(await context.new_page(), f"Person{index + 1}")
            await page.join(url, room)
            self._pages.append(page)
        for page in self._pages:
            await page.begin()
        await until_answered(self._pages, JOIN_TIMEOUT_S, self._look)

    async def do_begin(self) -> None:
        """Wait until the assistant is quiet and all are there, then count from now on."""
        end_s = time.monotonic() + CALM_TIMEOUT_S
        while time.monotonic() < end_s:
            await self._look()
            if all(page.is_there and page.quiet_ns() > CALM_NS for page in self._pages):
                break
            await asyncio.sleep(LOOK_S)
        for page in self._pages:
            await page.begin()

    async def do_outcome(self, killed_ns: int, patience_s: float) -> list[dict[str, Any]]:
        """Ask until everybody has been answered, or that time is over; what each has seen."""
        await until_answered(self._pages, patience_s, self._look)
        await asyncio.sleep(AFTER_S)
        await self._look()
        return [page.outcome(killed_ns) for page in self._pages]

    async def do_leave(self) -> None:
        """Everybody leaves."""
        await self._stack.aclose()

    async def _look(self) -> None:
        await asyncio.gather(*(page.look() for page in self._pages))

    async def _open_browser(self) -> Any:
        from playwright.async_api import async_playwright

        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        if chromium is None:
            raise BenchmarkError("Chromium is not installed")
        directory = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="mmb-"))
        hum = write_hum(Path(directory, "hum.wav"))
        playwright = await self._stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=chromium,
            args=[*FLAGS, f"--use-file-for-fake-audio-capture={hum}"],
            ignore_default_args=["--mute-audio"],
        )
        self._stack.push_async_callback(browser.close)
        return browser


def write_hum(path: Path) -> Path:
    """Two seconds of a very soft tone, as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        period = [HUM_PEAK] * 60 + [-HUM_PEAK] * 60
        file.writeframes(array("h", period * (2 * SAMPLE_RATE_HZ // len(period))).tobytes())
    return path


async def main() -> None:
    """Serve until standard input ends."""
    async with AsyncExitStack() as stack:
        await serve(Pages(stack))


if __name__ == "__main__":
    asyncio.run(main())

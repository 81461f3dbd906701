"""The page on devices with sound cards, and a guest who writes.

``python -m benchmarks.rig.device_pages``, by JSON lines. Each device is a Chromium of its own; what
it plays and what its microphone hears goes through the PulseAudio server of that device. The guest
has neither loudspeaker nor microphone.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from contextlib import AsyncExitStack
from typing import Any

from signaling.client import Call, join

from ..report.errors import BenchmarkError
from .asking import JOIN_TIMEOUT_S
from .commands import serve
from .page_process import FLAGS

FAKE_MICROPHONE = "--use-fake-device-for-media-stream"
LOOK = """() => {
  const { participants, problems, phase } = window.mixminus.state();
  const hears = participants.filter((one) => one.hears).map((one) => one.name);
  const { playback, output } = window.mixminus.stats();
  return { phase, hears, playback, output, problems: problems.map((one) => one.code) };
}"""


class Devices:
    """The devices of one room, and the guest."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._inside = AsyncExitStack()
        self._pages: list[Any] = []
        self._guest: Call | None = None
        self._flushes: list[int] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def do_start(self, servers: list[str]) -> None:
        """Start a browser for each sound server."""
        from playwright.async_api import async_playwright

        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        if chromium is None:
            raise BenchmarkError("Chromium is not installed")
        playwright = await self._stack.enter_async_context(async_playwright())
        self._browsers = [
            await playwright.chromium.launch(
                executable_path=chromium,
                args=[flag for flag in FLAGS if flag != FAKE_MICROPHONE],
                ignore_default_args=["--mute-audio"],
                env={**os.environ, "PULSE_SERVER": server},
            )
            for server in servers
        ]
        for browser in self._browsers:
            self._stack.push_async_callback(browser.close)

    async def do_join(self, url: str, room: str, raw: bool) -> None:
        """All leave where they are and join, the guest first.

        ``raw``: microphones without the browser's echo cancellation and noise suppression.
        """
        await self.do_leave()
        self._inside = AsyncExitStack()
        self._guest = await self._inside.enter_async_context(join(url, room, "Guest"))
        await self._guest.ready(JOIN_TIMEOUT_S)
        task = asyncio.create_task(self._read(self._guest))
        self._inside.callback(task.cancel)
        self._pages = []
        for number, browser in enumerate(self._browsers):
            context = await browser.new_context(bypass_csp=True)
            self._inside.push_async_callback(context.close)
            page = await context.new_page()
            await page.goto(f"{url}/?room={room}&name=Device{number + 1}&raw={int(raw)}")
            await page.get_by_role("button", name="Join").click()
            ready = "() => window.mixminus?.state().upstream === 'ready'"
            await page.wait_for_function(ready, timeout=1000 * JOIN_TIMEOUT_S)
            self._pages.append(page)

    async def do_ask(self, text: str) -> None:
        """The guest writes to the assistant."""
        assert self._guest is not None
        await self._guest.say(text)

    async def do_look(self) -> dict[str, Any]:
        """What the pages say now; when (monotonic ns) replies were cut off since the last look."""
        flushes, self._flushes = self._flushes, []
        pages = [await page.evaluate(LOOK) for page in self._pages]
        return {"flushes": flushes, "pages": pages}

    async def do_leave(self) -> None:
        """All leave."""
        await self._inside.aclose()
        self._pages, self._guest = [], None

    async def _read(self, guest: Call) -> None:
        async for message in guest.messages():
            if message["type"] == "flush":
                self._flushes.append(time.monotonic_ns())


async def main() -> None:
    """Serve until standard input ends."""
    async with AsyncExitStack() as stack:
        await serve(Devices(stack))


if __name__ == "__main__":
    asyncio.run(main())

"""A real Chromium with a WAV as its microphone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)


def require(condition: object, words: str) -> None:
    """Skip, or fail where MIXMINUS_REQUIRE_BROWSER says that a browser must be there."""
    if not condition:
        if os.environ.get("MIXMINUS_REQUIRE_BROWSER"):
            pytest.fail(words)
        pytest.skip(words)


@pytest.fixture
def open_browser() -> Iterator[Callable[[Path | None], object]]:
    """``open_browser(wav)`` gives a browser whose microphone plays ``wav`` once."""
    require(CHROMIUM, "Chromium is not installed")
    from playwright.sync_api import Browser, sync_playwright

    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())

        def open_one(microphone: Path | None) -> Browser:
            flags = list(FLAGS)
            if microphone is not None:
                flags.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=flags, ignore_default_args=["--mute-audio"]
            )
            stack.callback(browser.close)
            return browser

        yield open_one

"""A real Chromium with a WAV as its microphone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.support import audio
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
UNUSED = (
    "AimEnabled",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxPopup",
)
"""What Playwright turns off (a list of ours replaces its own), and pages of the address bar, which
is not there: they take a renderer of their own."""
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(UNUSED)}",
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


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody who never stops talking."""
    path = tmp_path_factory.mktemp("microphone") / "speech.wav"
    audio.write_wav(path, np.tile(audio.read_wav(audio.SENTENCE), 12))
    return path


@pytest.fixture(scope="session")
def silence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody who says nothing: Chromium's own microphone beeps, and is answered."""
    path = tmp_path_factory.mktemp("microphone") / "silence.wav"
    audio.write_wav(path, np.zeros(audio.RATE_HZ))
    return path


def patient(opened: Callable[..., Any]) -> Callable[..., Any]:
    """The same, with pages that wait as long as tests do: a busy machine is no failure."""

    def open_one(*arguments: Any, **options: Any) -> Any:
        found = opened(*arguments, **options)
        found.set_default_timeout(1000 * PATIENCE_S)
        return found

    return open_one


class Browsers:
    """A browser for each microphone, shared by the tests of a file; every test has contexts of its
    own."""

    def __init__(self, playwright: Playwright, silence: Path) -> None:
        self._playwright = playwright
        self._silence = silence
        self._open: dict[str, Browser] = {}

    def browser(self, microphone: Path | None, repeat: bool = False) -> Browser:
        """Its microphone plays ``microphone`` to each page, once or again and again; or nothing."""
        file = f"{microphone or self._silence}{'' if repeat else '%noloop'}"
        found = self._open.get(file)
        if found is None or not found.is_connected():
            found = self._open[file] = self._playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=[*FLAGS, f"--use-file-for-fake-audio-capture={file}"],
                ignore_default_args=["--mute-audio"],
            )
            vars(found).update(
                new_context=patient(found.new_context), new_page=patient(found.new_page)
            )
        return found

    def leave(self) -> None:
        """Close every page."""
        for browser in self._open.values():
            for context in browser.contexts:
                context.close()

    def close(self) -> None:
        """End the browsers."""
        for browser in self._open.values():
            browser.close()


@contextmanager
def opened_browsers(silence: Path) -> Iterator[Browsers]:
    """Browsers until the end of the block, with Playwright's loop running in this thread."""
    require(CHROMIUM, "Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = Browsers(playwright, silence)
        yield made
        made.close()


@pytest.fixture(scope="module")
def browsers(silence: Path) -> Iterator[Browsers]:
    """Those of one file. (Not of a session: other files run loops of their own.)"""
    with opened_browsers(silence) as made:
        yield made


@pytest.fixture
def open_browser(browsers: Browsers) -> Iterator[Callable[..., object]]:
    """``open_browser(wav)``: a browser whose microphone plays ``wav``, once or again and again."""
    yield browsers.browser
    browsers.leave()

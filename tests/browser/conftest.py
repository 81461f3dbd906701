"""A real Chromium with a WAV as its microphone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from tests.support import audio

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


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody who never stops talking."""
    path = tmp_path_factory.mktemp("microphone") / "speech.wav"
    audio.write_wav(path, np.tile(audio.read_wav(audio.SENTENCE), 12))
    return path


@pytest.fixture
def open_browser() -> Iterator[Callable[..., object]]:
    """``open_browser(wav)``: a browser whose microphone plays ``wav``, once or again and again."""
    require(CHROMIUM, "Chromium is not installed")
    from playwright.sync_api import Browser, sync_playwright

    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())

        def open_one(microphone: Path | None, repeat: bool = False) -> Browser:
            flags = list(FLAGS)
            if microphone is not None:
                file = f"{microphone}{'' if repeat else '%noloop'}"
                flags.append(f"--use-file-for-fake-audio-capture={file}")
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=flags, ignore_default_args=["--mute-audio"]
            )
            stack.callback(browser.close)
            return browser

        yield open_one

"""From an invitation's link to the first sample of the reply, on another machine of the network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.browser.conftest import CHROMIUM, require
from tests.browser.firefox import FIREFOX, PULSEAUDIO
from tests.support.networks import in_a_network

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("mode", "taps"), [("clicked", 3), ("trusted", 1)])
@pytest.mark.parametrize("browser", ["chromium", "firefox"])
def test_a_guest_hears_the_assistant(short_dir: Path, browser: str, mode: str, taps: int) -> None:
    if browser == "chromium":
        require(CHROMIUM, "Chromium is not installed")
    elif FIREFOX is None:
        pytest.skip("Firefox is not installed: apt install firefox-esr")
    elif PULSEAUDIO is None:
        pytest.skip("Firefox needs a sound server: apt install pulseaudio")
    if mode == "trusted":
        require(shutil.which("certutil"), "certutil is not installed: apt install libnss3-tools")
    found = in_a_network("tests.browser.lan_page", mode, str(short_dir), browser)
    assert found["taps"] == taps
    assert found["secure"] and found["name"] == "Ada"
    assert "invite" not in found["address"], "the token stays in the history"


def test_without_https_one_can_hear_and_read(short_dir: Path) -> None:
    require(CHROMIUM, "Chromium is not installed")
    found = in_a_network("tests.browser.lan_page", "listen", str(short_dir), "chromium")
    assert not found["secure"] and found["shows_the_form_again"]
    assert found["address"].endswith("/listen"), "the token stays in the history"

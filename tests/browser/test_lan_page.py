"""From an invitation's link to the first sample of the reply, on another machine of the network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.browser.conftest import CHROMIUM, require
from tests.support.networks import in_a_network

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("mode", "taps"), [("clicked", 3), ("trusted", 1)])
def test_a_guest_hears_the_assistant(short_dir: Path, mode: str, taps: int) -> None:
    require(CHROMIUM, "Chromium is not installed")
    if mode == "trusted":
        require(shutil.which("certutil"), "certutil is not installed: apt install libnss3-tools")
    found = in_a_network("tests.browser.lan_page", mode, str(short_dir))
    assert found["taps"] == taps
    assert found["secure"] and found["name"] == "Ada"
    assert "invite" not in found["address"], "the token stays in the history"


def test_without_https_one_can_hear_and_read(short_dir: Path) -> None:
    require(CHROMIUM, "Chromium is not installed")
    found = in_a_network("tests.browser.lan_page", "listen", str(short_dir))
    assert not found["secure"]
    assert found["address"].endswith("/listen"), "the token stays in the history"

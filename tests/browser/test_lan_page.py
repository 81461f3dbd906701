"""From an invitation's link to the first sample of the reply, on another machine of the network."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import CHROMIUM, require
from tests.browser.firefox import FIREFOX, PULSEAUDIO
from tests.support.networks import LONGEST_S, in_a_network

pytestmark = [pytest.mark.browser, pytest.mark.timeout(LONGEST_S)]

CERTUTIL = shutil.which("certutil")
PLAIN = "chromium-listen"
GUESTS = [
    ("chromium", "clicked", 3),
    ("chromium", "trusted", 1),
    ("firefox", "clicked", 3),
    ("firefox", "trusted", 1),
]
"""Browser, how it comes to trust the gateway, and the taps that it takes."""


def runs_here(name: str) -> bool:
    """Whether all is there that a visit needs."""
    browser, _, mode = name.partition("-")
    has_browser = CHROMIUM if browser == "chromium" else FIREFOX and PULSEAUDIO
    return bool(has_browser and (mode != "trusted" or CERTUTIL))


@pytest.fixture(scope="module")
def visits() -> Iterator[dict[str, Any]]:
    """What each visitor found who can come here; all visit one gateway."""
    names = [f"{browser}-{mode}" for browser, mode, _ in GUESTS]
    folder = Path(tempfile.mkdtemp(prefix="mm-", dir="/tmp"))
    yield in_a_network("tests.browser.lan_page", str(folder), *filter(runs_here, [*names, PLAIN]))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize(("browser", "mode", "taps"), GUESTS)
def test_a_guest_hears_the_assistant(
    request: pytest.FixtureRequest, browser: str, mode: str, taps: int
) -> None:
    if browser == "chromium":
        require(CHROMIUM, "Chromium is not installed")
    elif FIREFOX is None:
        pytest.skip("Firefox is not installed: apt install firefox-esr")
    elif PULSEAUDIO is None:
        pytest.skip("Firefox needs a sound server: apt install pulseaudio")
    if mode == "trusted":
        require(CERTUTIL, "certutil is not installed: apt install libnss3-tools")
    found = request.getfixturevalue("visits")[f"{browser}-{mode}"]
    assert "failed" not in found, found["failed"]
    if "stuck" in found:
        pytest.skip(found["stuck"])
    assert found["taps"] == taps
    assert found["secure"] and found["name"] == "Ada"
    assert "invite" not in found["address"], "the token stays in the history"


def test_without_https_one_can_hear_and_read(request: pytest.FixtureRequest) -> None:
    require(CHROMIUM, "Chromium is not installed")
    found = request.getfixturevalue("visits")[PLAIN]
    assert "failed" not in found, found["failed"]
    assert not found["secure"] and found["shows_the_form_again"]
    assert found["address"].endswith("/listen"), "the token stays in the history"

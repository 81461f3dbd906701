"""One set of browsers and one gateway for the files of this folder, which one worker runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Browsers, opened_browsers
from tests.support.gateway import Gateway


@pytest.fixture(scope="package")
def browsers(silence: Path) -> Iterator[Browsers]:
    """The folder's, where no file runs a loop or a Playwright of its own."""
    with opened_browsers(silence) as made:
        yield made


@pytest.fixture(scope="package")
def gateway() -> Iterator[Gateway]:
    """One for all tests that want no other settings; each has rooms of its own.

    Strangers need an invitation; the assistant may open a door; the studio may be recorded.
    """
    with Gateway(
        OPENAI_LINK__GREET=0,
        OPENAI_LINK__TOOLS='["tests.browser.door_tools"]',
        OPENAI_LINK__TOOL_CONFIRM_TIMEOUT_MS=15_000,
        ROOMS__STUDIO__RECORDING="true",
        SIGNALING__REQUIRE_INVITATION="true",
        SIMULATOR__BRAIN="script",
    ) as running:
        yield running

"""One set of browsers for all files of this folder, which one worker runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Browsers, opened_browsers


@pytest.fixture(scope="package")
def browsers(silence: Path) -> Iterator[Browsers]:
    """The folder's, where no file runs a loop or a Playwright of its own."""
    with opened_browsers(silence) as made:
        yield made

"""What tests that draw need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Before a test is held to memory: where no fonts are known yet, matplotlib asks fc-list."""
    if "fonts" in getattr(item, "fixturenames", ()):
        pytest.importorskip("matplotlib.font_manager")
    return (yield)


@pytest.fixture
def fonts() -> None:
    """Matplotlib is there, and knows the fonts of this machine; else the test is skipped."""

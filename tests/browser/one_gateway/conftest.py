"""One gateway and one set of browsers for all files of this folder, which one worker runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Browsers, opened_browsers
from tests.support.gateway import Gateway

FEW_ROOMS = 5
"""Of earlier tests, whose people have left without a word: they end by themselves."""


class House:
    """The gateway of the moment."""

    def __init__(self) -> None:
        self._gateway: Gateway | None = None

    def ready(self) -> Gateway:
        """One that takes newcomers: the same as before, or another one where a test broke that."""
        if self._gateway is not None:
            try:
                self._settle(self._gateway)
            except AssertionError:
                self.close()
        if self._gateway is None:
            self._gateway = Gateway(OPENAI_LINK__GREET=0, OPENAI_LINK__IMAGES_PER_MINUTE=60)
            self._gateway.start()
        return self._gateway

    def close(self) -> None:
        """End it."""
        if self._gateway is not None:
            self._gateway.close()
            self._gateway = None

    @staticmethod
    def _settle(gateway: Gateway) -> None:
        gateway.wait_ready()
        few = lambda: len(gateway.json("/rooms")["rooms"]) <= FEW_ROOMS  # noqa: E731
        gateway.wait(few, "earlier rooms stay")


@pytest.fixture(scope="package")
def house() -> Iterator[House]:
    """The folder's."""
    made = House()
    yield made
    made.close()


@pytest.fixture
def gateway(house: House) -> Gateway:
    """The folder's gateway; every test has rooms of its own, in all files, and leaves it whole."""
    return house.ready()


@pytest.fixture(scope="package")
def browsers(silence: Path) -> Iterator[Browsers]:
    """Those of the folder, where no file runs a loop or a Playwright of its own."""
    with opened_browsers(silence) as made:
        yield made

"""One gateway for all files of this folder, which one worker runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes.looking import set_faults, settle
from tests.support.gateway import Gateway
from tests.support.plain_client import use_loopback


@pytest.fixture(scope="package")
def house() -> Iterator[Gateway]:
    """Strangers need an invitation; what the assistant hears is recorded in its directory."""
    use_loopback()
    gateway = Gateway(
        OPENAI_LINK__GREET=0,
        OPENAI_LINK__RETRY_DELAY_MS=200,
        SIGNALING__REQUIRE_INVITATION="true",
    )
    gateway.env["MIXMINUS_SIMULATOR__RECORD_DIR"] = str(gateway.dir)
    with gateway:
        yield gateway


@pytest.fixture
def gateway(house: Gateway) -> Gateway:
    """The folder's gateway, whole; every test has rooms of its own, in all files."""
    house.wait_ready()
    return house


@pytest.fixture
def gateway_with(gateway: Gateway) -> Iterator[Callable[[str], Gateway]]:
    """The folder's gateway with nobody in it, whose server has a fault until the test's end."""

    def faulty(fault: str) -> Gateway:
        settle(gateway)
        set_faults(gateway, fault)
        return gateway

    yield faulty
    set_faults(gateway, "")
    gateway.wait(lambda: not gateway.json("/rooms")["rooms"], "a room stays")
    learnt = Path(gateway.env["MIXMINUS_RUNTIME__DIR"], "openai_link.reached")
    learnt.unlink(missing_ok=True)  # How rooms that open later would reach the server.

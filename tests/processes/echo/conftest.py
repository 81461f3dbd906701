"""One gateway for all files of this folder, which one worker runs."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes.looking import set_faults, settle
from tests.support.gateway import Gateway, free_port
from tests.support.plain_client import use_loopback

BROWSERS = 10
"""As many as there are ports."""


@pytest.fixture(scope="package")
def ports() -> range:
    """For the gateway's browsers, one for each."""
    while True:
        first = free_port()
        found = range(first, first + BROWSERS)
        if all(map(_is_free, found)):
            return found


@pytest.fixture(scope="package")
def house(ports: range) -> Iterator[Gateway]:
    """Strangers need an invitation; browsers have few ports; people may record the studio.

    What the assistant hears is recorded in the gateway's directory.
    """
    use_loopback()
    gateway = Gateway(
        MEDIA_WORKER__ICE_ADDRESSES="127.0.0.1",
        MEDIA_WORKER__UDP_PORTS=f"{ports[0]}-{ports[-1]}",
        OPENAI_LINK__GREET=0,
        OPENAI_LINK__RETRY_DELAY_MS=200,
        ROOMS__STUDIO__RECORDING="true",
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


@pytest.fixture
def free_ports(gateway: Gateway, ports: range) -> range:
    """All ports of the gateway's browsers, with nobody at any of them."""
    gateway.wait(lambda: all(map(_is_free, ports)), "an earlier browser has its port still")
    return ports


def _is_free(port: int) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

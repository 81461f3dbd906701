"""As many browsers as there are ports, and one more."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient

pytestmark = pytest.mark.processes


def used(client: PlainClient) -> list[int]:
    """The ports that the gateway has offered."""
    lines = client.pc.remoteDescription.sdp.splitlines()
    return [int(line.split()[5]) for line in lines if line.startswith("a=candidate:")]


def test_ten_browsers_have_ten_ports_and_the_next_one_is_told_why(
    gateway: Gateway, free_ports: range
) -> None:
    async def call() -> None:
        clients = [PlainClient(gateway.url, "ports", f"P{number}") for number in free_ports]
        assert len(clients) == 10
        for client in clients:
            await client.join()
        assert sorted(port for client in clients for port in used(client)) == list(free_ports)
        late = PlainClient(gateway.url, "ports", "Late")
        with pytest.raises(AssertionError, match="udp_ports"):
            await late.join()
        for client in (*clients, late):
            await client.close()

    asyncio.run(call())

"""Two real peer connections over 127.0.0.1."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiortc import RTCConfiguration, RTCPeerConnection

from mixer_core.patches.aioice.gathering import check_consent, offer_addresses
from tests.support.waiting import until


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a test whose connections use loopback only."""

    async def main() -> None:
        await scenario()

    offer_addresses(lambda: ["127.0.0.1"])
    try:
        asyncio.run(main())
    finally:
        offer_addresses(None)
        check_consent()


def _nothing() -> None:
    """No preparation."""


async def negotiate(
    caller: RTCPeerConnection,
    callee: RTCPeerConnection,
    *,
    offered: Callable[[], None] = _nothing,
    gathered: Callable[[], None] = _nothing,
) -> None:
    """Connect two peers.

    ``offered`` is called when the callee knows the offer, ``gathered`` when its answer is made.
    """
    await caller.setLocalDescription(await caller.createOffer())
    await callee.setRemoteDescription(caller.localDescription)
    offered()
    await callee.setLocalDescription(await callee.createAnswer())
    gathered()
    await caller.setRemoteDescription(callee.localDescription)
    await until(lambda: caller.connectionState == callee.connectionState == "connected")


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[RTCPeerConnection, RTCPeerConnection]]:
    """Two peers that are closed at the end."""
    caller, callee = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    try:
        yield caller, callee
    finally:
        await caller.close()
        await callee.close()

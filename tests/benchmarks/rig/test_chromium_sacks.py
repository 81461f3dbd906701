"""Acknowledgements of a load client: with its messages, or alone where there are none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcsctptransport import DataChunk

from benchmarks.rig import datagrams
from benchmarks.rig.chromium_sacks import ChromiumSacks
from mixer_core.patches.aioice.gathering import offer_addresses

pytestmark = pytest.mark.sockets

SACK_ALONE_BYTES = 28


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    datagrams.use_loopback()
    yield
    offer_addresses(None)


async def connect() -> tuple[list[RTCPeerConnection], list[Any], list[bytes]]:
    """A client with these acknowledgements and a stock peer, connected by one channel."""
    ends = [RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2)]
    channel = ends[0].createDataChannel("audio")
    other: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    ends[1].on("datachannel", other.set_result)
    sctp: Any = ends[0].sctp
    ChromiumSacks(sctp)
    alone: list[bytes] = []
    send = sctp.transport._send_data

    async def counted(packet: bytes) -> None:
        if packet[12] == 3 and len(packet) == SACK_ALONE_BYTES:
            alone.append(packet)
        await send(packet)

    sctp.transport._send_data = counted
    await ends[0].setLocalDescription(await ends[0].createOffer())
    await ends[1].setRemoteDescription(ends[0].localDescription)
    await ends[1].setLocalDescription(await ends[1].createAnswer())
    await ends[0].setRemoteDescription(ends[1].localDescription)
    return ends, [channel, await asyncio.wait_for(other, 10)], alone


@pytest.mark.parametrize("both", [True, False])
def test_few_acknowledgements_travel_alone(both: bool) -> None:
    async def main() -> None:
        ends, channels, alone = await connect()
        heard: list[bytes] = []
        channels[0].on("message", heard.append)
        alone.clear()
        for _ in range(60):
            channels[1].send(bytes(984))
            if both:
                await asyncio.sleep(0.002)
                channels[0].send(bytes(984))
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.3)
        assert len(heard) == 60
        sctp: Any = ends[1].sctp
        assert not sctp._sent_queue
        assert len(alone) <= (15 if both else 45)
        for end in ends:
            await end.close()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_packet_for_a_connection_that_has_just_closed_is_lost_without_a_word() -> None:
    async def main() -> None:
        ends, channels, _ = await connect()
        opened = asyncio.Event()
        channels[0].on("open", opened.set)
        if channels[0].readyState != "open":
            await opened.wait()
        near, far = (end.sctp.transport for end in ends)
        await far.stop()
        while near.state != "closed":
            await asyncio.sleep(0.001)
        sctp: Any = ends[0].sctp
        with pytest.raises(ConnectionError):
            await near._send_data(bytes(28))
        await sctp._send_chunk(DataChunk())
        await sctp._send_sack()
        sctp._sack_misordered = {sctp._last_received_tsn + 2}
        await sctp._send_sack()
        for end in ends:
            await end.close()

    asyncio.run(asyncio.wait_for(main(), 20))

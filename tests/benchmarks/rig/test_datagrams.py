"""Which datagrams may be lost, and that those are lost or late which are to be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop

from benchmarks.rig import datagrams

RTP, RTP_MARKER, RTCP = bytes([0x80, 96]), bytes([0x80, 0x80 | 96]), bytes([0x80, 200])
DTLS, STUN = bytes([22, 254]), bytes([0, 1])
FATES = {b"lost": None, b"late": 0.05, b"prompt": 0.0}


@pytest.mark.parametrize(
    ("data", "media", "rtp"),
    [
        (RTP + bytes(20), True, True),
        (RTP_MARKER + bytes(20), True, True),
        (RTCP + bytes(20), True, False),
        (RTP, True, False),
        (DTLS + bytes(20), True, False),
        (STUN + bytes(20), False, False),
        (b"", False, False),
    ],
)
def test_kinds_of_datagrams(data: bytes, media: bool, rtp: bool) -> None:
    assert (datagrams.is_media(data), datagrams.is_rtp(data)) == (media, rtp)


class End(asyncio.DatagramProtocol):
    """Collects what comes."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.heard.put_nowait(data)


@pytest.mark.sockets
@pytest.mark.parametrize("way", ["received", "sent"])
def test_datagrams_are_lost_late_or_passed_on(way: str) -> None:
    async def main() -> list[bytes]:
        loop = asyncio.get_running_loop()
        datagrams.delay_datagrams(**{way: FATES.__getitem__})
        ends = [
            (await loop.create_datagram_endpoint(End, local_addr=("127.0.0.1", 0)))[1]
            for _ in range(2)
        ]
        address = ends[1].transport.get_extra_info("sockname")
        for data in FATES:
            ends[0].transport.sendto(data, address)
        heard = [await asyncio.wait_for(ends[1].heard.get(), 10) for _ in range(2)]
        assert ends[1].heard.empty()
        for end in ends:
            end.transport.close()
        return heard

    assert uvloop.run(main()) == [b"prompt", b"late"]

"""RTP headers by hand against aiortc's own parser, and the way around its tasks end to end."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Iterator

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from openai_link.media.rtp_direct import is_rtp, parse
from openai_link.transport import aiortc_media
from openai_link.transport.aiortc_media import (
    LastDatagram,
    PacketTrack,
    TappedPacket,
    send_directly,
    tap_receiver,
)

from ..transport.test_aiortc_media import run, until


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    aiortc_media.use_host_addresses(["127.0.0.1"])
    yield
    aiortc_media.use_host_addresses(None)
    aiortc_media.tune_ice()


def extensions_map() -> HeaderExtensionsMap:
    table = HeaderExtensionsMap()
    mid = RTCRtpHeaderExtensionParameters(id=4, uri="urn:ietf:params:rtp-hdrext:sdes:mid")
    table.configure(RTCRtpParameters(headerExtensions=[mid]))
    return table


@given(
    seq=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFF_FFFF),
    ssrc=st.integers(0, 0xFFFF_FFFF),
    csrc=st.lists(st.integers(0, 0xFFFF_FFFF), max_size=15),
    marker=st.booleans(),
    mid=st.sampled_from([None, "0", "audio"]),
    padding=st.sampled_from([0, 1, 7, 255]),
    payload=st.binary(max_size=200),
)
def test_every_packet_is_read_as_aiortc_wrote_it(
    seq: int,
    timestamp: int,
    ssrc: int,
    csrc: list[int],
    marker: bool,
    mid: str | None,
    padding: int,
    payload: bytes,
) -> None:
    packet = RtpPacket(96, int(marker), seq, timestamp, ssrc, payload)
    packet.csrc, packet.padding_size = csrc, padding
    packet.extensions = HeaderExtensions(mid=mid)
    data = packet.serialize(extensions_map())
    assert is_rtp(data)
    assert parse(data) == (96 | marker << 7, seq, timestamp, ssrc, payload)


@given(st.binary(max_size=40))
def test_garbage_is_refused_or_read_and_nothing_else(data: bytes) -> None:
    try:
        payload = parse(data)[-1]
    except (ValueError, struct.error, IndexError) as error:
        assert not isinstance(error, IndexError)
    else:
        assert len(payload) <= len(data) - 12


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x80\x60", True),
        (b"\xbf\xe0", True),
        (b"\x80\xc8", False),  # A sender report.
        (b"\x81\xc9", False),  # A receiver report.
        (b"\x00\x01", False),  # STUN.
        (b"\x16\xfe", False),  # DTLS.
        (b"\x80", False),
        (b"", False),
    ],
)
def test_datagrams_are_told_apart_by_their_first_bytes(data: bytes, expected: bool) -> None:
    assert is_rtp(data) is expected


@pytest.mark.sockets
def test_packets_pass_without_tasks_and_reports_stay_true() -> None:
    async def scenario() -> None:
        arrived: list[TappedPacket] = []
        track = PacketTrack(max_queued=8)
        sender = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        receiver = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        sender.addTrack(track)
        assert send_directly(sender.getSenders()[0], track)
        track.send_packet(b"early", 0)
        await sender.setLocalDescription(await sender.createOffer())
        await receiver.setRemoteDescription(sender.localDescription)
        tap_receiver(receiver.getTransceivers()[0].receiver, arrived.append)
        await receiver.setLocalDescription(await receiver.createAnswer())
        await sender.setRemoteDescription(receiver.localDescription)
        await until(lambda: len(arrived) == 1)  # It waited for the connection.
        for number in range(1, 20):
            track.send_packet(bytes([number] * 10), number * 960, marker=number == 3)
            assert track.sent == number + 1  # Gone already.
        await until(lambda: len(arrived) == 20)
        assert [packet.payload for packet in arrived[1:]] == [bytes([n] * 10) for n in range(1, 20)]
        assert [p.seq - arrived[0].seq for p in arrived] == list(range(20))
        ticks = [(p.timestamp - arrived[0].timestamp) & 0xFFFF_FFFF for p in arrived]
        assert ticks == [number * 960 for number in range(20)]
        assert [p.marker for p in arrived].index(True) == 3

        def remote() -> list[object]:
            return [e for e in reports.values() if e.type == "remote-outbound-rtp"]

        reports = {}
        async with asyncio.timeout(10):  # A sender report comes within 1.5 s.
            while not any(entry.packetsSent == 20 for entry in remote()):
                await asyncio.sleep(0.05)
                reports = await receiver.getReceivers()[0].getStats()
        entry = next(e for e in reports.values() if e.type == "remote-outbound-rtp")
        assert entry.bytesSent == len(b"early") + 19 * 10
        age_s = (entry.timestamp - entry.remoteTimestamp).total_seconds()
        assert abs(age_s) < 10
        inbound = next(e for e in reports.values() if e.type == "inbound-rtp")
        assert (inbound.packetsReceived, inbound.packetsLost) == (20, 0)
        await sender.close()
        await receiver.close()
        track.send_packet(b"late", 20 * 960)
        assert (track.sent, track.readyState) == (20, "ended")

    run(scenario)


@pytest.mark.sockets
def test_every_datagram_is_heard_and_with_nothing_said_it_is_ice_consent() -> None:
    async def scenario() -> None:
        aiortc_media.tune_ice(0.05)
        ours = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        ours.createDataChannel("events")
        await ours.setLocalDescription(await ours.createOffer())
        await peer.setRemoteDescription(ours.localDescription)
        await peer.setLocalDescription(await peer.createAnswer())
        await ours.setRemoteDescription(peer.localDescription)
        await until(lambda: ours.connectionState == "connected")
        heard = LastDatagram()
        heard.listen(ours)
        transport = ours.sctp.transport
        await until(lambda: heard.count > 20)
        before, received = heard.count, transport._RTCDtlsTransport__rx_packets
        await until(lambda: heard.count > before + 20)
        assert transport._RTCDtlsTransport__rx_packets == received  # It was STUN.
        assert 0 < time.monotonic_ns() - heard.last_ns < 10**9
        await ours.close()
        await peer.close()

    run(scenario)


def test_a_track_that_wants_to_see_its_packets_keeps_aiortcs_way() -> None:
    class Watching(PacketTrack):
        async def recv(self):  # type: ignore[no-untyped-def]
            return await super().recv()

    async def scenario() -> None:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        track = Watching()
        sender = connection.addTrack(track)
        assert not send_directly(sender, track)
        assert "_run_rtp" not in vars(sender)
        await connection.close()

    run(scenario)

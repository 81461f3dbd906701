"""RTP headers by hand against aiortc's own parser, and the way around its tasks end to end."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from aiortc import RTCPeerConnection
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.patches.aiortc.rtp_receiver import TappedPacket, tap_receiver
from mixer_core.patches.aiortc.rtp_sender import name_stream
from mixer_core.patches.aiortc.rtp_wire import is_rtp, parse
from openai_link.media.packet_track import PacketTrack, send_directly
from tests.support.loopback import negotiate, pair, run
from tests.support.waiting import PATIENCE_S, until


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
def test_datagrams_are_distinguished_by_their_first_bytes(data: bytes, expected: bool) -> None:
    assert is_rtp(data) is expected


async def connect(
    sender: RTCPeerConnection, receiver: RTCPeerConnection, on_packet: Any, track: PacketTrack
) -> None:
    """Connect a sender of ``track`` to a receiver with a tap."""
    sender.addTrack(track)
    send_directly(sender.getSenders()[0], track)

    def tap() -> None:
        tap_receiver(receiver.getTransceivers()[0].receiver, on_packet)

    await negotiate(sender, receiver, offered=tap)


@pytest.mark.sockets
def test_packets_pass_without_tasks_and_reports_stay_true() -> None:
    async def scenario() -> None:
        arrived: list[TappedPacket] = []
        track = PacketTrack(max_queued=8)
        track.send_packet(b"early", 0)
        async with pair() as (sender, receiver):
            await connect(sender, receiver, arrived.append, track)
            await until(lambda: len(arrived) == 1)  # It waited for the connection.
            for number in range(1, 20):
                track.send_packet(bytes([number] * 10), number * 960, marker=number == 3)
                assert track.sent == number + 1  # Gone already.
            await until(lambda: len(arrived) == 20)
            assert [packet.payload for packet in arrived] == [
                b"early",
                *(bytes([n] * 10) for n in range(1, 20)),
            ]
            first = arrived[0]
            assert [p.sequence_number - first.sequence_number for p in arrived] == list(range(20))
            ticks = [(p.timestamp - first.timestamp) & 0xFFFF_FFFF for p in arrived]
            assert ticks == [number * 960 for number in range(20)]
            assert [p.marker for p in arrived].index(True) == 3
            await check_reports(receiver)
            assert receiver.getReceivers()[0].track._queue.qsize() <= 1  # Its end.
        track.send_packet(b"late", 20 * 960)
        assert (track.sent, track.readyState) == (20, "ended")

    run(scenario)


async def check_reports(receiver: RTCPeerConnection) -> None:
    """What the receiver counted, and what the sender reported, within 1.5 s."""
    reports: list[Any] = []
    async with asyncio.timeout(PATIENCE_S):
        while not any(getattr(report, "packetsSent", 0) == 20 for report in reports):
            await asyncio.sleep(0.05)
            stats = await receiver.getReceivers()[0].getStats()
            reports = [r for r in stats.values() if r.type == "remote-outbound-rtp"]
            inbound = next(r for r in stats.values() if r.type == "inbound-rtp")
    assert reports[0].bytesSent == len(b"early") + 19 * 10
    age_s = (reports[0].timestamp - reports[0].remoteTimestamp).total_seconds()
    assert abs(age_s) < 10
    assert (inbound.packetsReceived, inbound.packetsLost) == (20, 0)


@pytest.mark.sockets
def test_an_exception_in_the_callback_does_not_end_the_connection() -> None:
    async def scenario() -> None:
        seen: list[bytes] = []

        def fail(packet: TappedPacket) -> None:
            seen.append(packet.payload)
            raise RuntimeError("broken callback")

        track = PacketTrack()
        async with pair() as (sender, receiver):
            await connect(sender, receiver, fail, track)
            for number in range(3):
                track.send_packet(bytes([number] * 10), number * 960)
            await until(lambda: len(seen) == 3)
            assert receiver.connectionState == "connected"

    run(scenario)


@pytest.mark.sockets
def test_forged_and_malformed_packets_are_dropped() -> None:
    async def scenario() -> None:
        arrived: list[TappedPacket] = []
        track = PacketTrack()
        async with pair() as (sender, receiver):
            await connect(sender, receiver, arrived.append, track)
            track.send_packet(b"first", 0)
            await until(lambda: arrived)
            dtls: Any = sender.getSenders()[0].transport
            to_peer = dtls.transport._send
            await to_peer(b"\x80\x60" + bytes(30))
            await to_peer(dtls._tx_srtp.protect(b"\xa0\x60" + bytes(20)))  # Padding of 0 bytes.
            track.send_packet(b"last", 960)
            await until(lambda: len(arrived) == 2)
            assert [packet.payload for packet in arrived] == [b"first", b"last"]

    run(scenario)


def test_a_stream_is_named_in_the_answer() -> None:
    async def scenario() -> None:
        async with pair() as (peer, _):
            name_stream(peer.addTrack(PacketTrack()), "realtimeapi", "audio")
            assert "a=msid:realtimeapi audio\r\n" in (await peer.createOffer()).sdp

    run(scenario)

"""aiortc's seams, end to end between two real peer connections on loopback."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Awaitable, Callable, Iterator

import aiortc
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError

from mixer_core.runtime.errors import StartupError
from openai_link.media.opus import OpusDecoder, OpusEncoder
from openai_link.media.rtp_audio import RtpAudioReceiver
from openai_link.transport import aiortc_media
from openai_link.transport.aiortc_media import PacketTrack, TappedPacket, tap_receiver


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    aiortc_media.use_host_addresses(["127.0.0.1"])
    yield
    aiortc_media.use_host_addresses(None)


async def until(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    """Wait for a condition; the limit only ends a hopeless test."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def connected_pair(
    track: PacketTrack, on_packet: Callable[[TappedPacket], None]
) -> tuple[RTCPeerConnection, RTCPeerConnection]:
    """A sender of ``track`` and a receiver with a tap, connected."""
    sender = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender.addTrack(track)
    await sender.setLocalDescription(await sender.createOffer())
    await receiver.setRemoteDescription(sender.localDescription)
    tap_receiver(receiver.getTransceivers()[0].receiver, on_packet)
    await receiver.setLocalDescription(await receiver.createAnswer())
    await sender.setRemoteDescription(receiver.localDescription)
    await until(lambda: sender.connectionState == "connected")
    return sender, receiver


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await scenario()

    asyncio.run(bounded())


@pytest.mark.sockets
def test_packets_arrive_as_they_were_sent_and_statistics_keep_working() -> None:
    async def scenario() -> None:
        arrived: list[TappedPacket] = []
        track = PacketTrack()
        sender, receiver = await connected_pair(track, arrived.append)
        encoder = OpusEncoder()
        step = 2 * math.pi * 440 / 24_000
        sent = []
        for number in range(20):
            samples = (int(9_000 * math.sin(step * (number * 480 + i))) for i in range(480))
            sent.append(encoder.encode(array("h", samples).tobytes()))
            track.send_packet(sent[-1], number * 960)
            await until(lambda: track.sent == len(sent))
        await until(lambda: len(arrived) == len(sent))
        assert [packet.payload for packet in arrived] == sent
        ticks = [(packet.timestamp - arrived[0].timestamp) & 0xFFFF_FFFF for packet in arrived]
        assert ticks == [number * 960 for number in range(20)]
        assert [p.seq - arrived[0].seq for p in arrived] == list(range(20))

        audio = RtpAudioReceiver(OpusDecoder())
        frames = [
            frame
            for p in arrived
            for frame in audio.push(p.seq, p.timestamp, p.payload, p.arrival_ns, p.ssrc)
        ]
        assert len(frames) == 20
        assert max(array("h", frames[-1].pcm)) == pytest.approx(9_000, rel=0.1)

        stats = await receiver.getTransceivers()[0].receiver.getStats()
        inbound = [entry for entry in stats.values() if entry.type == "inbound-rtp"]
        assert inbound[0].packetsReceived == 20
        assert inbound[0].packetsLost == 0
        assert receiver.getTransceivers()[0].receiver.track._queue.qsize() <= 1  # Its end.
        await sender.close()
        await receiver.close()

    run(scenario)


@pytest.mark.sockets
def test_an_exception_in_the_callback_does_not_end_the_connection() -> None:
    async def scenario() -> None:
        seen: list[bytes] = []

        def fail(packet: TappedPacket) -> None:
            seen.append(packet.payload)
            raise RuntimeError("broken callback")

        track = PacketTrack()
        sender, receiver = await connected_pair(track, fail)
        for number in range(3):
            track.send_packet(bytes([number] * 10), number * 960)
        await until(lambda: len(seen) == 3)
        assert receiver.connectionState == "connected"
        await sender.close()
        await receiver.close()

    run(scenario)


def test_a_full_queue_drops_the_oldest_packet_and_counts_it() -> None:
    async def scenario() -> None:
        track = PacketTrack(max_queued=2)
        for number in range(5):
            track.send_packet(bytes([number]), number * 960)
        assert track.dropped == 3
        assert [bytes(await track.recv()) for _ in range(2)] == [b"\x03", b"\x04"]

    run(scenario)


def test_stopping_the_track_ends_a_pending_read() -> None:
    async def scenario() -> None:
        track = PacketTrack()
        reading = asyncio.ensure_future(track.recv())
        await asyncio.sleep(0)
        track.stop()
        with pytest.raises(MediaStreamError):
            await reading

    run(scenario)


def test_the_host_addresses_are_exactly_the_chosen_ones() -> None:
    import aioice.ice

    aiortc_media.use_host_addresses(["127.0.0.1", "::1"])
    assert aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False) == ["127.0.0.1"]
    assert aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=True) == ["127.0.0.1", "::1"]
    aiortc_media.use_host_addresses(None)
    assert "127.0.0.1" not in aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False)
    assert aiortc_media.host_addresses(include_loopback=True)[-1] == "127.0.0.1"
    with pytest.raises(ValueError, match="nowhere"):
        aiortc_media.use_host_addresses(["nowhere"])


def test_ice_consent_can_be_tuned_and_restored() -> None:
    import aioice.ice

    aiortc_media.tune_ice(1.0, 3)
    assert (aioice.ice.CONSENT_INTERVAL, aioice.ice.CONSENT_FAILURES) == (1.0, 3)
    aiortc_media.tune_ice()
    assert (aioice.ice.CONSENT_INTERVAL, aioice.ice.CONSENT_FAILURES) == (5.0, 6)


def test_an_unknown_release_is_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    aiortc_media.check_versions()
    monkeypatch.setattr(aiortc, "__version__", "1.17.0")
    with pytest.raises(StartupError, match=r"aiortc 1\.17\.0 is not supported"):
        aiortc_media.check_versions()

"""A track of ready-made Opus packets, in front of aiortc's sender."""

from __future__ import annotations

import asyncio
import math
from array import array

import pytest
from aiortc import RTCRtpTransceiver
from aiortc.mediastreams import MediaStreamError

from mixer_core.patches.aiortc.rtp_receiver import TappedPacket, tap_receiver
from openai_link.media.opus import OpusDecoder, OpusEncoder
from openai_link.media.packet_track import PacketTrack, speak_opus_only
from openai_link.media.rtp_audio import RtpAudioReceiver
from tests.support.loopback import negotiate, pair, run
from tests.support.waiting import until


@pytest.mark.sockets
def test_aiortc_sends_the_packets_as_they_are() -> None:
    async def scenario() -> None:
        arrived: list[TappedPacket] = []
        track, encoder = PacketTrack(), OpusEncoder()
        async with pair() as (sender, receiver):
            sender.addTrack(track)
            await negotiate(
                sender,
                receiver,
                offered=lambda: tap_receiver(
                    receiver.getTransceivers()[0].receiver, arrived.append
                ),
            )
            sent = []
            step = 2 * math.pi * 440 / 24_000
            for number in range(20):
                samples = (int(9_000 * math.sin(step * (number * 480 + i))) for i in range(480))
                sent.append(encoder.encode(array("h", samples).tobytes()))
                track.send_packet(sent[-1], number * 960)
                await until(lambda: track.sent == len(sent))
            await until(lambda: len(arrived) == len(sent))
            assert [packet.payload for packet in arrived] == sent
            ticks = [(packet.timestamp - arrived[0].timestamp) & 0xFFFF_FFFF for packet in arrived]
            assert ticks == [number * 960 for number in range(20)]
        audio = RtpAudioReceiver(OpusDecoder())
        frames = [
            frame
            for p in arrived
            for frame in audio.push(p.sequence_number, p.timestamp, p.payload, p.arrival_ns, p.ssrc)
        ]
        assert len(frames) == 20
        assert max(array("h", frames[-1].pcm)) == pytest.approx(9_000, rel=0.1)

    run(scenario)


def test_a_full_queue_drops_the_oldest_packet_and_counts_it() -> None:
    async def scenario() -> None:
        track = PacketTrack(max_queued=2)
        for number in range(5):
            track.send_packet(bytes([number]), number * 960)
        assert track.dropped == 3
        assert [bytes(await track.recv()) for _ in range(2)] == [b"\x03", b"\x04"]

    asyncio.run(scenario())


def test_stopping_the_track_ends_a_pending_read() -> None:
    async def scenario() -> None:
        track = PacketTrack()
        reading = asyncio.ensure_future(track.recv())
        await asyncio.sleep(0)
        track.stop()
        with pytest.raises(MediaStreamError):
            await reading

    asyncio.run(scenario())


def test_nothing_but_opus_is_offered() -> None:
    async def scenario() -> None:
        async with pair() as (peer, _):
            transceiver: RTCRtpTransceiver = peer.addTransceiver(PacketTrack())
            speak_opus_only(transceiver)
            sdp = (await peer.createOffer()).sdp
            assert [line for line in sdp.splitlines() if line.startswith("a=rtpmap")] == [
                "a=rtpmap:96 opus/48000/2"
            ]

    run(scenario)

"""A WebRTC client, and a simulator that listens in the same event loop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from mixer_core.bus.pcm import FRAME_BYTES, FRAME_NS, SILENCE
from mixer_core.patches.aioice.gathering import offer_addresses
from mixer_core.patches.aiortc.rtp_receiver import TappedPacket, tap_receiver
from openai_link.media.opus import OpusDecoder, OpusEncoder
from openai_link.media.packet_track import PacketTrack, speak_opus_only
from openai_link.media.rtp_audio import ReceivedFrame, RtpAudioReceiver
from openai_link.media.rtp_numbers import FRAME_TICKS
from openai_link.simulator.calls.switchboard import Switchboard
from openai_link.simulator.http.routes import make_app
from openai_link.simulator.settings import SimulatorSettings
from tests.support.waiting import PATIENCE_S, until

Json = dict[str, Any]

SESSION: Json = {"type": "realtime", "model": "gpt-realtime-2.1"}
UNANSWERED: Json = {
    **SESSION,
    "audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": False}}},
}
"""Turns are detected, and interrupt, but are not answered."""


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run one scenario on a fresh loop, media on loopback."""

    async def bounded() -> None:
        async with asyncio.timeout(2 * PATIENCE_S):
            await scenario()

    offer_addresses(lambda: ["127.0.0.1"])
    try:
        asyncio.run(bounded())
    finally:
        offer_addresses(None)


@asynccontextmanager
async def simulator(
    config: SimulatorSettings | None = None,
) -> AsyncIterator[tuple[str, Switchboard]]:
    """A listening simulator: its base URL (with ``/v1``) and its switchboard."""
    switchboard = Switchboard(config or SimulatorSettings(), seed=3)
    runner = web.AppRunner(make_app(switchboard), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}/v1", switchboard
    finally:
        await runner.cleanup()


class Caller:
    """Talks and listens in real time, and keeps everything with its time of arrival."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str) -> None:
        self.http = http
        self.base_url = base_url
        self.events: list[Json] = []
        self.event_times_ns: list[int] = []
        self.heard: list[ReceivedFrame] = []
        self.location = ""
        self._speech: list[bytes] = []
        self._track = PacketTrack()
        self._encoder = OpusEncoder(bitrate_bps=40_000)
        self._audio = RtpAudioReceiver(OpusDecoder())
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._sending: asyncio.Task[None] | None = None

    async def offer(self, with_channel: bool = True) -> str:
        """Return a complete SDP offer of audio and, if wanted, the events' channel."""
        transceiver = self.connection.addTransceiver(self._track, direction="sendrecv")
        speak_opus_only(transceiver)
        tap_receiver(transceiver.receiver, self._on_packet)
        if with_channel:
            self.channel = self.connection.createDataChannel("oai-events")
            self.channel.on("message", self._on_message)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def dial(self, session: Json | None = None, api_key: str = "sk-test") -> None:
        """Place a call by the multipart form and wait until it is up."""
        form = aiohttp.FormData()
        form.add_field("sdp", await self.offer(), content_type="application/sdp")
        form.add_field("session", json.dumps(session or SESSION), content_type="application/json")
        headers = {"Authorization": f"Bearer {api_key}"}
        url = f"{self.base_url}/realtime/calls"
        async with self.http.post(url, data=form, headers=headers) as response:
            assert response.status == 201, await response.text()
            await self.accept(response.headers["Location"], await response.text())

    async def accept(self, location: str, answer: str) -> None:
        """Take the answer, start to talk (silence), and wait for ``session.created``."""
        await self.join(location, answer)
        await until(lambda: self.events, "no session is created")

    async def join(self, location: str, answer: str) -> None:
        """Take the answer and start to talk (silence)."""
        self.location = location
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        self._sending = asyncio.create_task(self._send_audio())

    def say(self, pcm: bytes) -> None:
        """Speak PCM16 from now on, then silence again."""
        self._speech += [pcm[i : i + FRAME_BYTES] for i in range(0, len(pcm), FRAME_BYTES)]

    def send(self, **event: Any) -> None:
        """Send a client event."""
        self.channel.send(json.dumps(event))

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def last(self, kind: str) -> Json:
        return next(event for event in reversed(self.events) if event["type"] == kind)

    async def wait_for(self, kind: str, count: int = 1) -> Json:
        """Wait until an event has come ``count`` times; returns the last one."""
        await until(
            lambda: self.kinds().count(kind) >= count, f"too few {kind}", lambda: self.events[-5:]
        )
        return self.last(kind)

    def time_of(self, kind: str) -> int:
        """Monotonic arrival of the last event of a kind."""
        position = len(self.events) - 1 - self.kinds()[::-1].index(kind)
        return self.event_times_ns[position]

    def heard_pcm(self) -> bytes:
        return b"".join(frame.pcm for frame in self.heard)

    async def hang_up(self) -> int:
        """POST hangup; returns the HTTP status."""
        url = f"{self.base_url}{self.location.removeprefix('/v1')}/hangup"
        headers = {"Authorization": "Bearer sk-test"}
        async with self.http.post(url, headers=headers) as response:
            return response.status

    async def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
        await self.connection.close()

    def _on_message(self, message: str) -> None:
        self.event_times_ns.append(time.monotonic_ns())
        self.events.append(json.loads(message))

    def _on_packet(self, packet: TappedPacket) -> None:
        self.heard += self._audio.push(
            packet.sequence_number, packet.timestamp, packet.payload, packet.arrival_ns, packet.ssrc
        )

    async def _send_audio(self) -> None:
        """One frame per 20 ms of the monotonic clock; a stalled machine catches up, losing none."""
        due_ns, slot = time.monotonic_ns(), 0
        while True:
            frame = self._speech.pop(0).ljust(FRAME_BYTES, b"\0") if self._speech else SILENCE
            self._track.send_packet(self._encoder.encode(frame), slot * FRAME_TICKS)
            slot += 1
            due_ns += FRAME_NS
            await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)


@asynccontextmanager
async def call(
    config: SimulatorSettings | None = None, session: Json | None = None
) -> AsyncIterator[tuple[Caller, Switchboard]]:
    """A simulator and one caller who is already connected."""
    async with simulator(config) as (url, switchboard), aiohttp.ClientSession() as http:
        caller = Caller(http, url)
        try:
            await caller.dial(session)
            yield caller, switchboard
        finally:
            await caller.close()

"""A Realtime server that only echoes: ``python -m benchmarks.peers.echo_upstream``, by JSON lines.

RTP packets go back as they come, not decoded, so that the echo itself costs nothing in latency and
all of a round trip is the gateway's.
"""

from __future__ import annotations

import gc
import json
from typing import Any

import uvloop
from aiohttp import web
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from mixer_core.patches.aioice.gathering import offer_addresses
from mixer_core.patches.aiortc.rtp_receiver import TappedPacket, tap_receiver
from openai_link.media.packet_track import PacketTrack, speak_opus_only

from ..rig.helper_process import serve

SESSION = {"id": "sess_echo", "type": "realtime"}


class EchoCall:
    """One call."""

    def __init__(self) -> None:
        self._track = PacketTrack(8)
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.on("datachannel", self._on_channel)

    async def answer(self, offer: str) -> str:
        """The SDP answer."""
        transceiver = self._pc.addTransceiver(self._track, direction="sendrecv")
        speak_opus_only(transceiver)
        tap_receiver(transceiver.receiver, self._on_packet)
        await self._pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        return self._pc.localDescription.sdp

    def _on_packet(self, packet: TappedPacket) -> None:
        self._track.send_packet(packet.payload, packet.timestamp)

    def _on_channel(self, channel: RTCDataChannel) -> None:
        def on_message(message: str | bytes) -> None:
            if json.loads(message)["type"] == "session.update":
                channel.send(json.dumps({"type": "session.updated", "session": SESSION}))

        channel.on("message", on_message)
        channel.send(json.dumps({"type": "session.created", "session": SESSION}))


class EchoServer:
    """All calls."""

    def __init__(self) -> None:
        self._calls: list[EchoCall] = []

    async def call(self, request: web.Request) -> web.Response:
        """``POST /v1/realtime/calls``: a form with ``sdp``."""
        offer = (await request.post())["sdp"]
        assert isinstance(offer, (bytes, bytearray))
        self._calls.append(EchoCall())
        answer = await self._calls[-1].answer(offer.decode())
        location = f"/v1/realtime/calls/rtc_echo{len(self._calls)}"
        return web.Response(status=201, text=answer, headers={"Location": location})

    async def hang_up(self, request: web.Request) -> web.Response:
        """``POST …/hangup``."""
        return web.Response()

    async def handle(self, command: dict[str, Any]) -> Any:
        """``port``: start to serve; the port."""
        app = web.Application()
        app.router.add_post("/v1/realtime/calls", self.call)
        app.router.add_post("/v1/realtime/calls/{call}/hangup", self.hang_up)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])


async def main() -> None:
    """Serve until standard input ends."""
    offer_addresses(lambda: ["127.0.0.1"])
    gc.disable()
    await serve(EchoServer().handle)


if __name__ == "__main__":
    uvloop.run(main())

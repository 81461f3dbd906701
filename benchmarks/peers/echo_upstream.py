"""A Realtime server that only echoes: ``python -m benchmarks.peers.echo_upstream``, by JSON lines.

RTP packets go back undecoded as they come, so that the echo adds no latency and all of a round trip
is the gateway's.
"""

from __future__ import annotations

import gc
import json

import uvloop
from aiohttp import web
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from mixer_core.patches.aiortc.rtp_receiver import TappedPacket, tap_receiver
from openai_link.media.packet_track import PacketTrack, speak_opus_only

from ..rig import datagrams
from ..rig.commands import serve

SESSION = {"id": "sess_echo", "type": "realtime"}


class EchoSession:
    """One WebRTC connection."""

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
    """All connections."""

    def __init__(self) -> None:
        self._sessions: list[EchoSession] = []

    async def call(self, request: web.Request) -> web.Response:
        """``POST /v1/realtime/calls``: a form with ``sdp``."""
        offer = (await request.post())["sdp"]
        assert isinstance(offer, (bytes, bytearray))
        self._sessions.append(EchoSession())
        answer = await self._sessions[-1].answer(offer.decode())
        location = f"/v1/realtime/calls/rtc_echo{len(self._sessions)}"
        return web.Response(status=201, text=answer, headers={"Location": location})

    async def hang_up(self, request: web.Request) -> web.Response:
        """``POST …/hangup``."""
        return web.Response()

    async def do_port(self) -> int:
        """Start to serve; returns the port."""
        app = web.Application()
        app.router.add_post("/v1/realtime/calls", self.call)
        app.router.add_post("/v1/realtime/calls/{call}/hangup", self.hang_up)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])


async def main() -> None:
    """Serve until standard input ends."""
    datagrams.use_loopback()
    gc.disable()
    await serve(EchoServer())


if __name__ == "__main__":
    uvloop.run(main())

"""A connection with ourselves, in the fork server: what it loads and fills, all children share.

Certificates, SDP, HTTP, DTLS, SRTP and SCTP import modules and build tables on first use. Done once
before the fork, a child connects faster and has less memory of its own.
"""

from __future__ import annotations

import asyncio
import threading

import aiohttp
import uvloop
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from mixer_core.bus.pcm import SILENCE
from mixer_core.runtime import logs
from mixer_core.runtime.errors import MixminusError
from mixer_core.runtime.metrics import Histogram

from .media.opus import OpusDecoder, OpusEncoder
from .media.packet_track import PacketTrack
from .media.uplink import Uplink
from .realtime.session_object import session_object
from .realtime.upstream import Upstream
from .settings import OpenaiLinkSettings
from .transport.peer_call import RealtimeCall

TIMEOUT_S = 3.0
"""Longest wait; without the rehearsal the first connections are only slower."""
PACKETS = 5
"""Packets that the answerer sends."""


class _Answerer:
    """The other side: answers one offer and sends some silence."""

    def __init__(self) -> None:
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._track = PacketTrack(max_queued=PACKETS)

    async def answer(self, request: web.Request) -> web.Response:
        """As the Realtime API does."""
        form = await request.post()
        sdp = form["sdp"]
        if not isinstance(sdp, bytes | bytearray):
            raise web.HTTPBadRequest
        self._peer.on("datachannel", lambda channel: channel.send("{}"))
        await self._peer.setRemoteDescription(RTCSessionDescription(sdp.decode(), "offer"))
        self._peer.addTrack(self._track)
        await self._peer.setLocalDescription(await self._peer.createAnswer())
        packet = OpusEncoder().encode(SILENCE)
        for number in range(PACKETS):
            self._track.send_packet(packet, number * 960)
        return web.Response(
            status=201,
            text=self._peer.localDescription.sdp,
            headers={"Location": "/v1/realtime/calls/rtc_rehearsal"},
        )

    async def hang_up(self, request: web.Request) -> web.Response:
        """Close the connection."""
        await self._peer.close()
        return web.Response()


async def _connect(port: int, http: aiohttp.ClientSession) -> None:
    settings = OpenaiLinkSettings()
    track = PacketTrack(max_queued=PACKETS)
    uplink = Uplink(settings, track, Histogram())
    has_audio, has_event = asyncio.Event(), asyncio.Event()
    decoder = OpusDecoder()
    upstream = Upstream("rehearsal", f"http://127.0.0.1:{port}/v1", "none", False)
    call = RealtimeCall(
        upstream,
        http,
        track,
        logs.get("openai_link", "rehearsal"),
        on_answered=lambda: None,
        on_up=lambda: uplink.start(0),
        on_packet=lambda packet: has_audio.set() if decoder.decode(packet.payload) else None,
        on_event=lambda event: has_event.set(),
        on_lost=lambda error: None,
    )
    try:
        await call.connect(session_object(settings))
        await asyncio.wait_for(asyncio.gather(has_audio.wait(), has_event.wait()), TIMEOUT_S)
        uplink.frame(SILENCE, 0, False, 0)
    finally:
        await call.close()


async def _rehearse() -> None:
    answerer = _Answerer()
    app = web.Application()
    app.router.add_post("/v1/realtime/calls", answerer.answer)
    app.router.add_post("/v1/realtime/calls/{call}/hangup", answerer.hang_up)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession() as http:
            await _connect(port, http)
    finally:
        await runner.cleanup()


def rehearse() -> None:
    """Connect once; a failure is logged and otherwise harmless. Leaves no thread behind."""
    log = logs.get("openai_link")
    logging_level = log.logger.level
    log.logger.setLevel("WARNING")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_rehearse())
    except (TimeoutError, OSError, MixminusError) as error:
        log.warning("! the rehearsal failed: %r", error)
    finally:
        log.logger.setLevel(logging_level)
    if threading.active_count() > 1:
        log.warning("! the rehearsal left threads behind: %s", threading.enumerate())

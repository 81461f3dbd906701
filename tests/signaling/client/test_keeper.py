"""The connection of a call against a gateway that ends it at any time."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from signaling.client import join
from tests.signaling.edge import asynchronous

pytestmark = pytest.mark.sockets


class Gateway:
    """Answers offers; each of the first ``ends`` connections is ended before its channel opens."""

    def __init__(self, ends: int) -> None:
        self.offers = 0
        self.told = asyncio.Event()
        """Something was said on a channel."""
        self._ends = ends
        self._peers: list[RTCPeerConnection] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peers.append(peer)
        self.offers += 1
        if self.offers <= self._ends:

            async def connected() -> None:
                if peer.connectionState == "connected":
                    await peer.close()

            peer.on("connectionstatechange", connected)
        peer.on("datachannel", lambda channel: channel.on("message", lambda _: self.told.set()))
        await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        headers = {"Location": f"/rooms/home/participants/{self.offers}"}
        return web.Response(text=peer.localDescription.sdp, status=201, headers=headers)

    async def close(self) -> None:
        await asyncio.gather(*(peer.close() for peer in self._peers))


@asynchronous
async def test_an_attempt_that_was_ended_does_not_end_the_connection_that_follows() -> None:
    gateway = Gateway(ends=1)
    app = web.Application()
    app.router.add_post("/rooms/home/participants", gateway.answer)
    try:
        async with TestServer(app) as server:
            url = str(server.make_url("")).rstrip("/")
            async with join(url, keep_trying_s=60) as call:
                await call.mute(True)
                await asyncio.wait_for(gateway.told.wait(), 60)
                assert gateway.offers == 2
    finally:
        await gateway.close()

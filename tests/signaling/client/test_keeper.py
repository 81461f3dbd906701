"""The connection of a call against a gateway that ends it at any time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

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
        self.heard: asyncio.Queue[tuple[int, dict[str, Any]]] = asyncio.Queue()
        """What was said, with the number of the offer."""
        self._ends = ends
        self._peers: list[RTCPeerConnection] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peers.append(peer)
        self.offers += 1
        number = self.offers
        if self.offers <= self._ends:

            async def connected() -> None:
                if peer.connectionState == "connected":
                    await peer.close()

            peer.on("connectionstatechange", connected)

        def said(text: str) -> None:
            self.heard.put_nowait((number, json.loads(text)))
            self.told.set()

        peer.on("datachannel", lambda channel: channel.on("message", said))
        await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        headers = {"Location": f"/rooms/home/participants/{self.offers}"}
        return web.Response(text=peer.localDescription.sdp, status=201, headers=headers)

    async def lose(self) -> None:
        """End the newest connection."""
        await self._peers[-1].close()

    async def next_press(self) -> tuple[int, bool]:
        """The next word of the talk button, and the number of its offer."""
        while True:
            number, message = await asyncio.wait_for(self.heard.get(), 60)
            if message["type"] == "ptt":
                return number, message["down"]

    async def close(self) -> None:
        await asyncio.gather(*(peer.close() for peer in self._peers))


@asynccontextmanager
async def joined(gateway: Gateway) -> AsyncIterator[Any]:
    """A call through ``gateway``, which is closed behind it."""
    app = web.Application()
    app.router.add_post("/rooms/home/participants", gateway.answer)
    try:
        async with TestServer(app) as server:
            url = str(server.make_url("")).rstrip("/")
            async with join(url, keep_trying_s=60) as call:
                yield call
    finally:
        await gateway.close()


@asynchronous
async def test_an_attempt_that_was_ended_does_not_end_the_connection_that_follows() -> None:
    gateway = Gateway(ends=1)
    async with joined(gateway) as call:
        await call.mute(True)
        await asyncio.wait_for(gateway.told.wait(), 60)
        assert gateway.offers == 2


@asynchronous
async def test_a_talk_button_that_is_held_is_held_on_the_next_connection_too() -> None:
    gateway = Gateway(ends=0)
    async with joined(gateway) as call:
        await call.hold_to_talk(True)
        assert await gateway.next_press() == (1, True)
        await gateway.lose()
        assert await gateway.next_press() == (2, True)
        await call.hold_to_talk(False)
        assert await gateway.next_press() == (2, False)

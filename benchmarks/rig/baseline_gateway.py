"""The baseline: the whole gateway as one asyncio process with stock aiortc and NumPy.

``python -m benchmarks.rig.baseline_gateway PORT UPSTREAM_URL``. One room per process. It does the
same work: PCM of browsers from a data channel, averaged every 20 ms, sent to the Realtime server on
a stock aiortc track; the reply is resampled and sent to every browser.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine

from aiohttp import web
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)

from mixer_core.bus.pcm import FRAME_MS, SILENCE

from . import datagrams, stock_peer
from .averaging import average

MAX_QUEUED_FRAMES = 10


class BaselineGateway:
    """Everything in one event loop."""

    def __init__(self, upstream_url: str) -> None:
        self._upstream_url = upstream_url
        self._browsers: dict[RTCDataChannel, list[bytes]] = {}
        self._peers: set[RTCPeerConnection] = set()
        self._track = stock_peer.PcmTrack()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect to the Realtime server and start mixing."""
        peer = await stock_peer.connect(
            self._upstream_url, self._track, lambda track: self._spawn(self._play(track))
        )
        self._peers.add(peer)
        self._spawn(self._mix())

    async def join(self, request: web.Request) -> web.Response:
        """``POST``: one browser's offer."""
        offer = await request.json()
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peers.add(peer)
        peer.on("datachannel", self._admit)
        await peer.setRemoteDescription(RTCSessionDescription(offer["sdp"], offer["type"]))
        await peer.setLocalDescription(await peer.createAnswer())
        description = peer.localDescription
        answer = {"sdp": description.sdp, "type": description.type}
        return web.json_response(answer, status=201)

    def _admit(self, channel: RTCDataChannel) -> None:
        queue: list[bytes] = []
        self._browsers[channel] = queue
        channel.on("close", lambda: self._browsers.pop(channel, None))

        @channel.on("message")
        def on_message(message: bytes | str) -> None:
            if isinstance(message, bytes) and len(queue) < MAX_QUEUED_FRAMES:
                queue.append(message)

    async def _mix(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s += FRAME_MS / 1000
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            pieces = [queue.pop(0) for queue in self._browsers.values() if queue]
            self._track.push(average(pieces) if pieces else SILENCE)

    async def _play(self, track: MediaStreamTrack) -> None:
        async for _, pieces in stock_peer.receive(track):
            for pcm in pieces:
                for channel in list(self._browsers):
                    if channel.readyState == "open":
                        channel.send(pcm)

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        self._tasks.add(asyncio.create_task(coroutine))


async def serve(port: int, upstream_url: str) -> None:
    """Serve until killed."""
    gateway = BaselineGateway(upstream_url)
    await gateway.start()
    app = web.Application()
    app.router.add_post("/rooms/{room}/participants", gateway.join)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    datagrams.use_loopback()
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))

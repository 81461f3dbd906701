"""The baseline: the seed report's own design, one asyncio process with stock aiortc and NumPy.

``python -m benchmarks.seed_gateway PORT UPSTREAM_URL``. One room per process. It does the same
call as the gateway: raw PCM16 of browsers on a data channel, averaged every 20 ms, sent to the
Realtime API on a stock aiortc track; the reply is resampled and sent to every browser. Only the
baseline of the benchmarks uses it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine

import aiohttp
import aioice.ice
from aiohttp import web
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from av import AudioFrame, AudioResampler

from ..suites.kernels import average
from .pcm_track import PcmTrack

RATE_HZ = 24_000
FRAME_BYTES = 960
MAX_QUEUED_FRAMES = 10


class SeedGateway:
    """Everything in one loop under one GIL."""

    def __init__(self, upstream_url: str) -> None:
        self._upstream_url = upstream_url
        self._browsers: dict[RTCDataChannel, list[bytes]] = {}
        self._peers: set[RTCPeerConnection] = set()
        self._track = PcmTrack()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Call the Realtime API and start mixing."""
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peers.add(pc)
        pc.addTrack(self._track)
        pc.createDataChannel("oai-events")
        pc.on("track", lambda track: self._spawn(self._play(track)))
        await pc.setLocalDescription(await pc.createOffer())
        form = aiohttp.FormData()
        form.add_field("sdp", pc.localDescription.sdp, content_type="application/sdp")
        session = json.dumps({"type": "realtime", "model": "gpt-realtime-2.1"})
        form.add_field("session", session, content_type="application/json")
        headers = {"Authorization": "Bearer none"}
        url = f"{self._upstream_url}/realtime/calls"
        async with (
            aiohttp.ClientSession() as client,
            client.post(url, data=form, headers=headers) as answer,
        ):
            sdp = await answer.text()
        await pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        self._spawn(self._mix())

    async def join(self, request: web.Request) -> web.Response:
        """``POST``: one browser's offer."""
        offer = await request.json()
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peers.add(pc)
        pc.on("datachannel", self._admit)
        await pc.setRemoteDescription(RTCSessionDescription(offer["sdp"], offer["type"]))
        await pc.setLocalDescription(await pc.createAnswer())
        description = pc.localDescription
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
            due_s += 0.02
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            pieces = [queue.pop(0) for queue in self._browsers.values() if queue]
            mixed = average(pieces) if pieces else bytes(FRAME_BYTES)
            self._track.push(mixed)

    async def _play(self, track: MediaStreamTrack) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
        while True:
            received = await track.recv()
            assert isinstance(received, AudioFrame)
            for frame in resampler.resample(received):
                pcm = frame.to_ndarray().tobytes()
                for channel in list(self._browsers):
                    if channel.readyState == "open":
                        channel.send(pcm)

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)


async def serve(port: int, upstream_url: str) -> None:
    """Serve until killed."""
    gateway = SeedGateway(upstream_url)
    await gateway.start()
    app = web.Application()
    app.router.add_post("/rooms/{room}/participants", gateway.join)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))

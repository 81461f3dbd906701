"""A connection to the Realtime server as aiortc's documentation has it; only baselines use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from fractions import Fraction

import aiohttp
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av import AudioFrame, AudioResampler

from mixer_core.bus.pcm import SAMPLE_RATE_HZ

MAX_QUEUED_FRAMES = 10


class PcmTrack(MediaStreamTrack):
    """24 kHz mono frames that are pushed into it."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(MAX_QUEUED_FRAMES)
        self._pts = 0

    def push(self, pcm: bytes) -> None:
        """Queue one frame (960 bytes); a full queue drops it."""
        if not self._queue.full():
            self._queue.put_nowait(pcm)

    async def recv(self) -> AudioFrame:
        """The next frame, for aiortc's sender."""
        samples = np.frombuffer(await self._queue.get(), dtype=np.int16).reshape(1, -1)
        frame = AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts, frame.time_base = self._pts, Fraction(1, SAMPLE_RATE_HZ)
        self._pts += frame.samples
        return frame


async def connect(
    url: str, track: PcmTrack, on_track: Callable[[MediaStreamTrack], None]
) -> RTCPeerConnection:
    """Offer ``track`` to the Realtime server at base URL ``url``; returns when it has answered.

    ``on_track``: called with the server's track.
    """
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTrack(track)
    peer.createDataChannel("oai-events")
    peer.on("track", on_track)
    await peer.setLocalDescription(await peer.createOffer())
    form = aiohttp.FormData()
    form.add_field("sdp", peer.localDescription.sdp, content_type="application/sdp")
    form.add_field("session", '{"type":"realtime"}', content_type="application/json")
    headers = {"Authorization": "Bearer none"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/realtime/calls", data=form, headers=headers) as answer,
    ):
        sdp = await answer.text()
    await peer.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
    return peer


async def receive(track: MediaStreamTrack) -> AsyncIterator[tuple[int | None, list[bytes]]]:
    """Presentation time (samples at 48 kHz) and PCM (24 kHz, mono) of each frame of ``track``."""
    resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
    while True:
        received = await track.recv()
        assert isinstance(received, AudioFrame)
        frames = resampler.resample(received)
        yield received.pts, [frame.to_ndarray().tobytes() for frame in frames]

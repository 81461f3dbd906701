"""The same call with aiortc's own tracks, for ``bench link``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import aiohttp
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av import AudioFrame, AudioResampler

from mixer_core.bus.pcm import SAMPLE_RATE_HZ

from .pcm_track import PcmTrack

UP_TIMEOUT_S = 15.0


class Arrivals(Protocol):
    """Knows when packets came off the socket."""

    first_timestamp: int | None
    """RTP timestamp of the first packet."""

    def arrived_ns(self, timestamp: int) -> int | None:
        """When the packet with this RTP timestamp came."""


class StockCall:
    """A peer connection used as its documentation shows."""

    def __init__(self, wire: Arrivals, heard: Callable[[int], None]) -> None:
        """``heard`` is told the arrival of each packet whose PCM is in hand."""
        self._wire, self._heard = wire, heard
        self._track = PcmTrack()
        self._up = asyncio.Event()
        self.pcm_bytes = 0
        """PCM received so far."""

    async def connect(self, url: str) -> None:
        """Call the server; returns when media can flow."""
        peer = self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTrack(self._track)
        peer.createDataChannel("oai-events")
        peer.on("track", self._on_track)
        peer.on("connectionstatechange", self._on_state)
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
        await asyncio.wait_for(self._up.wait(), UP_TIMEOUT_S)

    def speak(self, pcm: bytes) -> None:
        """Send 20 ms."""
        self._track.push(pcm)

    def _on_state(self) -> None:
        if self._peer.connectionState == "connected":
            self._up.set()

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._listener = asyncio.ensure_future(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
        while True:
            received = await track.recv()
            assert isinstance(received, AudioFrame)
            for frame in resampler.resample(received):
                self.pcm_bytes += len(frame.to_ndarray().tobytes())
            first = self._wire.first_timestamp
            if received.pts is not None and first is not None:
                arrived_ns = self._wire.arrived_ns(first + received.pts)
                if arrived_ns is not None:
                    self._heard(arrived_ns)

"""The same link with aiortc's own tracks, for ``bench link``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from aiortc import MediaStreamTrack

from . import stock_peer

UP_TIMEOUT_S = 15.0
POLL_S = 0.02


class Arrivals(Protocol):
    """Knows when packets came off the socket."""

    first_timestamp: int | None
    """RTP timestamp of the first packet."""

    def arrived_ns(self, timestamp: int) -> int | None:
        """When the packet with this RTP timestamp came."""


class StockLink:
    """A peer connection used as its documentation shows."""

    def __init__(self, wire: Arrivals, on_pcm: Callable[[int], None]) -> None:
        """``on_pcm`` is given the arrival time of each packet once its PCM is there."""
        self._wire, self._on_pcm = wire, on_pcm
        self._track = stock_peer.PcmTrack()
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, url: str) -> None:
        """Connect to the server; returns when media can flow."""
        peer = await stock_peer.connect(url, self._track, self._on_track)
        async with asyncio.timeout(UP_TIMEOUT_S):
            while peer.connectionState != "connected":
                await asyncio.sleep(POLL_S)

    def speak(self, pcm: bytes) -> None:
        """Send 20 ms."""
        self._track.push(pcm)

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._tasks.add(asyncio.ensure_future(self._listen(track)))

    async def _listen(self, track: MediaStreamTrack) -> None:
        async for pts, _ in stock_peer.receive(track):
            first = self._wire.first_timestamp
            if pts is not None and first is not None:
                arrived_ns = self._wire.arrived_ns(first + pts)
                if arrived_ns is not None:
                    self._on_pcm(arrived_ns)

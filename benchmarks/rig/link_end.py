"""One end of an Opus link for ``bench link``: ``python -m benchmarks.rig.link_end SUBJECT LOSS``.

Takes commands as JSON lines. Both subjects do the same on one uvloop: every 20 ms they send 20 ms
of PCM (24 kHz, mono), and they turn what they receive into such PCM.

``ours``: the gateway's link without its mixer client. ``stock``: aiortc as documented, with tracks
of ``AudioFrame``, its jitter buffer, its decoder thread, and PyAV's resampler.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import time
from array import array
from collections.abc import Callable
from typing import Protocol

import uvloop

from mixer_core.bus.pcm import FRAME_NS
from mixer_core.runtime.units import S_NS, US_NS

from . import datagrams, signals
from .commands import serve
from .link_ours import OurLink
from .link_stock import StockLink

REMEMBERED_PACKETS = 1_024


class Link(Protocol):
    """What both subjects offer."""

    async def connect(self, url: str) -> None:
        """Connect to the Realtime server at base URL ``url``; returns when media can flow."""

    def speak(self, pcm: bytes) -> None:
        """Send 20 ms."""


class Wire:
    """Watches RTP packets as they come off the socket, and loses some of them."""

    def __init__(self, loss: float) -> None:
        """``loss``: share of packets lost, 0–1."""
        self._loss = loss
        self._dice = random.Random(5)
        self._arrived_ns: dict[int, int] = {}
        self.first_timestamp: int | None = None
        """RTP timestamp of the first packet that got through."""
        datagrams.delay_datagrams(received=self._delay_s)

    def arrived_ns(self, timestamp: int) -> int | None:
        """When the packet with this RTP timestamp came (monotonic); None where it is unknown."""
        return self._arrived_ns.get(timestamp & 0xFFFF_FFFF)

    def newest_arrival_ns(self, now_ns: int) -> int | None:
        """When the newest packet before ``now_ns`` came; None before the first."""
        arrivals = reversed(self._arrived_ns.values())
        return next((at_ns for at_ns in arrivals if at_ns <= now_ns), None)

    def _delay_s(self, data: bytes) -> float | None:
        if not datagrams.is_rtp(data):
            return 0.0
        if self._dice.random() < self._loss:
            return None
        timestamp = int.from_bytes(data[4:8], "big")
        if self.first_timestamp is None:
            self.first_timestamp = timestamp
        self._arrived_ns[timestamp] = time.monotonic_ns()
        if len(self._arrived_ns) > REMEMBERED_PACKETS:
            del self._arrived_ns[next(iter(self._arrived_ns))]
        return 0.0


class End:
    """One link, its clock, and what it saw."""

    def __init__(self, subject: str, loss: float) -> None:
        self.wire = Wire(loss)
        self._latency_us: array[int] = array("q")
        make: Callable[[Wire, Callable[[int], None]], Link]
        make = OurLink if subject == "ours" else StockLink
        self._link = make(self.wire, self._on_pcm)
        self._due_ns = self._position = 0
        self._voice = signals.speech(3)

    async def do_connect(self, url: str) -> None:
        """Connect to the Realtime server and begin to talk."""
        await self._link.connect(url)
        gc.collect()
        gc.freeze()
        self._due_ns = time.monotonic_ns()
        self._tick()

    async def do_look(self) -> list[int]:
        """Receive latency of every packet since the last look, µs."""
        latency_us = self._latency_us.tolist()
        del self._latency_us[:]
        return latency_us

    def _on_pcm(self, arrived_ns: int) -> None:
        """The packet that arrived at ``arrived_ns`` is PCM now."""
        self._latency_us.append((time.monotonic_ns() - arrived_ns) // US_NS)

    def _tick(self) -> None:
        self._link.speak(self._voice[self._position % len(self._voice)])
        self._position += 1
        self._due_ns += FRAME_NS
        delay_s = max(0, self._due_ns - time.monotonic_ns()) / S_NS
        asyncio.get_running_loop().call_later(delay_s, self._tick)


async def main() -> None:
    """Serve until standard input ends."""
    datagrams.use_loopback()
    await serve(End(sys.argv[1], float(sys.argv[2])))


if __name__ == "__main__":
    uvloop.run(main())

"""One end of an Opus call for ``bench link``: ``python -m benchmarks.link_end SUBJECT``.

Driven by JSON lines. Both subjects do the same on one uvloop: they take 20 ms of PCM (24 kHz, mono)
every 20 ms and send it, and they turn what they receive into PCM (24 kHz, mono).

``ours``: the gateway's link without its line to the mixer. ``stock``: aiortc as documented, with
tracks of ``AudioFrame``, its jitter buffer, its decoder thread, and PyAV's resampler.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import time
from array import array
from collections.abc import Callable
from typing import Any, Protocol

import aioice.ice
import uvloop

from mixer_core.bus.pcm import FRAME_NS

from . import signals
from .helper_process import serve
from .link_ours import OurCall
from .link_stock import StockCall

REMEMBERED_PACKETS = 1_024


class Call(Protocol):
    """What both subjects offer."""

    async def connect(self, url: str) -> None:
        """Call the Realtime server at base URL ``url``; returns when media can flow."""

    def speak(self, pcm: bytes) -> None:
        """Send 20 ms."""


class Wire:
    """Watches RTP packets as they come off the socket, and loses some of them."""

    def __init__(self, loss: float) -> None:
        self._loss = loss
        self._dice = random.Random(5)
        self._arrived_ns: dict[int, int] = {}
        self.first_timestamp: int | None = None
        """RTP timestamp of the first packet that got through."""
        self.received = self.lost = 0
        loop: Any = asyncio.get_running_loop()
        self._open_socket = loop.create_datagram_endpoint
        loop.create_datagram_endpoint = self._create_datagram_endpoint

    def arrived_ns(self, timestamp: int) -> int | None:
        """When the packet with this RTP timestamp came (monotonic); None where it is unknown."""
        return self._arrived_ns.get(timestamp & 0xFFFF_FFFF)

    async def _create_datagram_endpoint(self, make: Callable[[], Any], **options: Any) -> Any:
        """Stand in front of whoever reads the socket, whatever the subject makes of it."""
        protocol = make()
        transport, _ = await self._open_socket(lambda: Watched(protocol, self._passes), **options)
        return transport, protocol

    def _passes(self, data: bytes) -> bool:
        self.received += 1
        if self._dice.random() < self._loss:
            self.lost += 1
            return False
        timestamp = int.from_bytes(data[4:8], "big")
        if self.first_timestamp is None:
            self.first_timestamp = timestamp
        self._arrived_ns[timestamp] = time.monotonic_ns()
        if len(self._arrived_ns) > REMEMBERED_PACKETS:
            del self._arrived_ns[next(iter(self._arrived_ns))]
        return True


class Watched:
    """A socket's protocol, behind the question which RTP packets get through."""

    def __init__(self, protocol: Any, passes: Callable[[bytes], bool]) -> None:
        self._protocol = protocol
        self._passes = passes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)

    def datagram_received(self, data: bytes, address: Any) -> None:
        if not _is_rtp(data) or self._passes(data):
            self._protocol.datagram_received(data, address)


class End:
    """One call with its clock and its notes."""

    def __init__(self, subject: str, loss: float) -> None:
        self.wire = Wire(loss)
        self._latency_us: array[int] = array("q")
        self._heard_ms: array[int] = array("q")
        make: Callable[[Wire, Callable[[int], None]], Call]
        make = OurCall if subject == "ours" else StockCall
        self._call = make(self.wire, self._heard)
        self._due_ns = self._position = 0
        self._voice = signals.speech(3)

    async def handle(self, command: dict[str, Any]) -> Any:
        """``call`` once, then ``look``."""
        if command["do"] == "call":
            await self._call.connect(command["url"])
            gc.collect()
            gc.freeze()
            self._due_ns = time.monotonic_ns()
            self._tick()
            return None
        look = {
            "latency_us": self._latency_us.tolist(),
            "heard_ms": self._heard_ms.tolist(),
            "received": self.wire.received,
            "lost": self.wire.lost,
        }
        del self._latency_us[:], self._heard_ms[:]
        return look

    def _heard(self, arrived_ns: int) -> None:
        """PCM of a packet that had arrived at ``arrived_ns`` is in hand now."""
        now_ns = time.monotonic_ns()
        self._latency_us.append((now_ns - arrived_ns) // 1_000)
        self._heard_ms.append(now_ns // 1_000_000)

    def _tick(self) -> None:
        self._call.speak(self._voice[self._position % len(self._voice)])
        self._position += 1
        self._due_ns += FRAME_NS
        delay_s = max(0, self._due_ns - time.monotonic_ns()) / 1e9
        asyncio.get_running_loop().call_later(delay_s, self._tick)


def _is_rtp(data: bytes) -> bool:
    """Whether a datagram is SRTP and not SRTCP (RFC 5761, RFC 7983)."""
    return len(data) > 12 and 127 < data[0] < 192 and not 192 <= data[1] < 224


async def main() -> None:
    """Serve until standard input ends."""
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    await serve(End(sys.argv[1], float(sys.argv[2])).handle)


if __name__ == "__main__":
    uvloop.run(main())

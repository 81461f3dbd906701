"""A bad network, made inside a process: packets of its WebRTC connections are lost or late.

Applies to DTLS (data channels, handshakes) and SRTP; STUN passes, so that what is measured is the
reaction to loss and not the library's judgement of the connection. Works by replacing two methods
of aioice's socket, in the process that plays the browser or the Realtime server; the gateway is
not touched.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

import aioice.ice


@dataclass
class Impairment:
    """What happens to the packets of this process, in both directions."""

    loss: float = 0.0
    """Share of packets lost, 0–1."""
    jitter_ms: float = 0.0
    """Each packet is late by a random time up to this; packets overtake each other."""
    outage_until_ns: int = 0
    """Until then everything is lost (monotonic)."""
    lost: int = 0
    """Packets lost so far."""

    def verdict(self, dice: random.Random) -> float | None:
        """Seconds by which to delay a packet; None: it is lost."""
        down = self.outage_until_ns and time.monotonic_ns() < self.outage_until_ns
        if down or (self.loss and dice.random() < self.loss):
            self.lost += 1
            return None
        return dice.random() * self.jitter_ms / 1000 if self.jitter_ms else 0.0


def is_media(data: Any) -> bool:
    """Whether a datagram is DTLS or SRTP (RFC 7983)."""
    return isinstance(data, bytes) and bool(data) and (19 < data[0] < 64 or 127 < data[0] < 192)


def install(state: Impairment, seed: int = 3) -> None:
    """Let ``state`` rule over all connections that this process makes from now on."""
    dice = random.Random(seed)
    protocol: Any = aioice.ice.StunProtocol
    send, receive = protocol.send_data, protocol.datagram_received

    async def send_data(self: Any, data: bytes, addr: Any) -> None:
        delay_s = state.verdict(dice) if is_media(data) else 0.0
        if delay_s is None:
            return
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, _send_late, self, data, addr)
        else:
            await send(self, data, addr)

    def datagram_received(self: Any, data: Any, addr: Any) -> None:
        delay_s = state.verdict(dice) if is_media(data) else 0.0
        if delay_s is None:
            return
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, receive, self, data, addr)
        else:
            receive(self, data, addr)

    protocol.send_data, protocol.datagram_received = send_data, datagram_received


def _send_late(protocol: Any, data: bytes, addr: Any) -> None:
    if not protocol.transport.is_closing():
        protocol.transport.sendto(data, addr)

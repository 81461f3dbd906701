"""A bad network, made inside a process: datagrams of its WebRTC connections are lost or late.

Applies to DTLS (data channels, handshakes) and SRTP. STUN passes, so that the reaction to loss is
measured and not ICE's judgement of the connection. It rules in the process that plays the browser
or the Realtime server; the gateway is not touched.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from mixer_core.runtime.units import S_NS

from . import datagrams


@dataclass
class Impairment:
    """What happens to the datagrams of this process, in both directions."""

    loss: float = 0.0
    """Share lost, 0–1."""
    jitter_ms: float = 0.0
    """Each datagram is late by a random time up to this, so that they overtake each other."""
    outage_until_ns: int = 0
    """Until then everything is lost (monotonic)."""
    lost: int = 0
    """Datagrams lost so far."""

    def delay_s(self, dice: random.Random, now_ns: int) -> float | None:
        """Seconds by which to delay a datagram; None: it is lost."""
        if now_ns < self.outage_until_ns or (self.loss and dice.random() < self.loss):
            self.lost += 1
            return None
        return dice.random() * self.jitter_ms / 1000 if self.jitter_ms else 0.0


class ImpairedNetwork:
    """The network of this process, and the commands that change it."""

    def __init__(self, seed: int = 3) -> None:
        """Rules over all sockets that the running loop opens from now on."""
        self._state = Impairment()
        self._dice = random.Random(seed)
        datagrams.delay_datagrams(received=self._delay_s, sent=self._delay_s)

    async def do_network(self, loss: float = 0.0, jitter_ms: float = 0.0) -> None:
        """Share of datagrams lost and greatest delay from now on."""
        self._state.loss, self._state.jitter_ms = loss, jitter_ms

    async def do_outage(self, seconds: float) -> int:
        """Nothing passes for ``seconds`` from now on; returns when it ends (monotonic ns)."""
        self._state.outage_until_ns = time.monotonic_ns() + int(seconds * S_NS)
        return self._state.outage_until_ns

    def _delay_s(self, data: bytes) -> float | None:
        if not datagrams.is_media(data):
            return 0.0
        return self._state.delay_s(self._dice, time.monotonic_ns())

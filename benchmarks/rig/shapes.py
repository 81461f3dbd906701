"""Networks as data, and what one of them does to each datagram. Sans-I/O, seeded.

Two kinds of figures: *recorded* ones are taken from the traces named in ``source``; *chosen* ones
are what the source says is possible, without a recording behind the number.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from mixer_core.runtime.units import MS_NS, S_NS

HEADERS_BYTES = 28
"""IPv4 and UDP."""
TRACES = "Winstein, Sivaraman, Balakrishnan: Stochastic Forecasts, NSDI 2013 (mahimahi traces)"
"""Delivery opportunities recorded by saturating a cellular link; one datagram each 20 ms waits for
the next one. Waits are quantiles over the whole trace, stalls all gaps of more than 100 ms."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Gilbert's and Elliott's two states (Haßlinger, Hohlfeld, MMB 2008), per datagram."""

    to_bad: float = 0.0
    """Probability of going from the good state to the bad one."""
    to_good: float = 1.0
    """Probability of going back: its inverse is the mean length of a burst, in datagrams."""
    in_good: float = 0.0
    """Share lost in the good state."""
    in_bad: float = 0.0
    """Share lost in the bad one."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One direction of a network; both directions have their own dice."""

    name: str
    source: str
    delay_ms: float = 0.0
    """Of every datagram."""
    waits_ms: tuple[float, ...] = ()
    """More delay, drawn evenly between these quantiles of equal weight, smallest first."""
    loss: Loss = field(default_factory=Loss)
    overtaken: float = 0.0
    """Share that is late by one more ``waits_ms`` maximum, so that later ones overtake it."""
    doubled: float = 0.0
    """Share that comes twice."""
    stall_every_s: float = 0.0
    """Mean time between stalls, in which everything waits and then comes at once; 0: none."""
    stalls_ms: tuple[float, ...] = ()
    """Lengths of stalls, one drawn each time."""
    mtu_bytes: int = 1500
    """A larger IP packet does not pass."""
    rebind_s: float = 0.0
    """Time after which a NAT on the way gives a flow another port; 0: never."""
    drift_ppm: float = 0.0
    """By which the clock of the device in it is faster than that of the others."""


CLEAN = Shape("clean", "for comparison: nothing is done to a datagram")
WIFI = Shape(
    "Wi-Fi",
    "chosen: RFC 8869, section 4 (contention, interference); a scan takes the radio away",
    delay_ms=2.0,
    waits_ms=(0, 0.5, 1, 2, 4, 8, 20),
    loss=Loss(to_bad=0.004, to_good=0.25, in_good=0.001, in_bad=0.6),
    overtaken=0.002,
    doubled=0.001,
    stall_every_s=10.0,
    stalls_ms=(200,),
    drift_ppm=200.0,
)
LTE = Shape(
    "LTE",
    f"recorded: {TRACES}, Verizon-LTE-short; chosen: 25 ms of way, loss at a handover",
    delay_ms=25.0,
    waits_ms=(0, 0, 1, 3, 5, 9, 20),
    loss=Loss(to_bad=0.0005, to_good=0.2, in_bad=0.8),
    stall_every_s=9.3,
    stalls_ms=(391, 375, 335, 189, 171, 152, 147, 131, 119, 117, 117, 105, 103, 102),
    drift_ppm=-200.0,
)
CAR = Shape(
    "LTE in a car",
    f"recorded: {TRACES}, ATT-LTE-driving-2016; chosen: 30 ms of way, loss at a handover",
    delay_ms=30.0,
    waits_ms=(0, 2, 5, 8, 15, 36, 60),
    loss=Loss(to_bad=0.001, to_good=0.1, in_bad=0.8),
    stall_every_s=1.9,
    stalls_ms=(123, 140, 160, 180, 247, 265, 308, 322, 450, 574, 669, 900),
    drift_ppm=-200.0,
)
VPN = Shape(
    "VPN",
    "chosen: WireGuard and Tailscale (MTU 1280, the least of IPv6, RFC 8200); several queues",
    delay_ms=35.0,
    waits_ms=(0, 1, 2, 3, 5, 8, 15),
    loss=Loss(in_good=0.005),
    overtaken=0.01,
    doubled=0.002,
    mtu_bytes=1280,
    drift_ppm=200.0,
)
NAT = Shape(
    "a NAT that forgets",
    "chosen: RFC 4787, section 4.3 (mappings end), and routers that restart",
    delay_ms=10.0,
    waits_ms=(0, 1, 2, 3),
    rebind_s=5.0,
)
BURSTS = Shape(
    "20 % lost in bursts",
    "chosen: Haßlinger and Hohlfeld's model at a load that speech hardly bears",
    delay_ms=15.0,
    waits_ms=(0, 2, 4, 10),
    loss=Loss(to_bad=0.05, to_good=0.2, in_bad=1.0),
)
SHAPES = (CLEAN, WIFI, LTE, CAR, VPN, NAT, BURSTS)
BY_NAME = {shape.name: shape for shape in SHAPES}


class Path:
    """One direction of a network with a shape: decides for each datagram."""

    def __init__(self, shape: Shape, seed: int, now_ns: int) -> None:
        self._shape = shape
        self._dice = random.Random(seed)
        self._is_bad = False
        self._last_ns = now_ns
        """When the last datagram arrives: one that is not overtaken comes no sooner."""
        self._stall_ns = self._next_stall(now_ns)
        self._stalled_until_ns = now_ns
        self.passed = self.lost = self.too_long = 0

    def fate(self, size_bytes: int, now_ns: int) -> list[int]:
        """When copies of a datagram of ``size_bytes`` arrive (ns); none: it is lost."""
        shape, dice = self._shape, self._dice
        if size_bytes + HEADERS_BYTES > shape.mtu_bytes:
            self.too_long += 1
            return []
        if self._loses():
            self.lost += 1
            return []
        arrival_ns = now_ns + int(MS_NS * (shape.delay_ms + self._wait_ms()))
        if dice.random() < shape.overtaken:
            late_ms = max(shape.waits_ms, default=0.0) + shape.delay_ms
            arrivals = [arrival_ns + int(MS_NS * late_ms)]
        else:
            self._last_ns = max(arrival_ns, self._last_ns, self._after_stall(now_ns))
            arrivals = [self._last_ns]
        if dice.random() < shape.doubled:
            arrivals.append(arrivals[0] + MS_NS)
        self.passed += 1
        return arrivals

    def _loses(self) -> bool:
        loss, dice = self._shape.loss, self._dice
        turns = dice.random() < (loss.to_good if self._is_bad else loss.to_bad)
        self._is_bad ^= turns
        return dice.random() < (loss.in_bad if self._is_bad else loss.in_good)

    def _wait_ms(self) -> float:
        waits = self._shape.waits_ms
        if len(waits) < 2:
            return waits[0] if waits else 0.0
        place = self._dice.random() * (len(waits) - 1)
        below = int(place)
        return waits[below] + (place - below) * (waits[below + 1] - waits[below])

    def _after_stall(self, now_ns: int) -> int:
        """Until when everything waits."""
        if self._stall_ns is not None and now_ns >= self._stall_ns:
            length_ns = int(MS_NS * self._dice.choice(self._shape.stalls_ms))
            self._stalled_until_ns = now_ns + length_ns
            self._stall_ns = self._next_stall(now_ns + length_ns)
        return self._stalled_until_ns

    def _next_stall(self, now_ns: int) -> int | None:
        every_s = self._shape.stall_every_s
        if not every_s:
            return None
        return now_ns + int(S_NS * self._dice.expovariate(1 / every_s))

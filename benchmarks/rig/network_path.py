"""A browser's way to the gateway: shapes, outages, a change of networks. Sans-I/O.

A *network* is what the browser's device is in now. Flows belong to the network in which they began:
after a change, what belongs to the old one gets nowhere, as with a phone that leaves Wi-Fi.
"""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.runtime.units import S_NS

from .shapes import CLEAN, Path, Shape

RETRIES_S = (0.2, 0.6, 1.4, 3.0, 6.2, 12.6)
"""When TCP sends again what got no answer (RFC 6298, with Linux's least timeout of 200 ms)."""
CONNECT_RETRIES_S = (1.0, 3.0, 7.0, 15.0)
"""When it asks again for a connection."""


@dataclass(slots=True)
class Way:
    """Both directions of one network."""

    up: Path
    down: Path


class Network:
    """What the browser's device is in, and has been in."""

    def __init__(self, now_ns: int, seed: int = 7) -> None:
        self._seed = seed
        self.number = 0
        """Of the network; flows of another number are dead."""
        self.up_ns = now_ns
        """When the device is in it."""
        self.rebinds = 0
        """How often a NAT has given flows another port."""
        self._dead_ns = now_ns
        self._rebind_ns: int | None = None
        self.shape = CLEAN
        self.way = self._make(CLEAN, now_ns)

    def set_shape(self, shape: Shape, now_ns: int) -> None:
        """The network is like this from now on."""
        self.shape, self.way = shape, self._make(shape, now_ns)
        self._rebind_ns = now_ns + int(shape.rebind_s * S_NS) if shape.rebind_s else None

    def outage(self, seconds: float, now_ns: int) -> int:
        """Nothing passes for a while; returns until when."""
        self._dead_ns = now_ns + int(seconds * S_NS)
        return self._dead_ns

    def change(self, shape: Shape, gap_s: float, now_ns: int) -> int:
        """Leave this network, be in none for a while, then in another; returns from when."""
        self.number += 1
        self.up_ns = now_ns + int(gap_s * S_NS)
        self.set_shape(shape, now_ns)
        return self.up_ns

    def alive(self, number: int, now_ns: int) -> bool:
        """Whether anything passes for a flow of network ``number``."""
        return number == self.number and now_ns >= max(self._dead_ns, self.up_ns)

    def fate(self, is_up: bool, size_bytes: int, number: int, now_ns: int) -> list[int]:
        """When copies of a datagram arrive."""
        if not self.alive(number, now_ns):
            return []
        return (self.way.up if is_up else self.way.down).fate(size_bytes, now_ns)

    def stream_arrival_ns(self, began_ns: int, retries_s: tuple[float, ...]) -> int:
        """When something of a TCP connection arrives that was first sent at ``began_ns``."""
        delay_ns = int(self.shape.delay_ms * 1e6)
        alive_ns = max(self._dead_ns, self.up_ns)
        if began_ns >= alive_ns:
            return began_ns + delay_ns
        for retry_s in retries_s:
            at_ns = began_ns + int(retry_s * S_NS)
            if at_ns >= alive_ns:
                return at_ns + delay_ns
        return alive_ns + delay_ns

    def rebinds_now(self, now_ns: int) -> bool:
        """Whether the NAT gives all flows another port; true once each time."""
        if self._rebind_ns is None or now_ns < self._rebind_ns:
            return False
        self._rebind_ns = now_ns + int(self.shape.rebind_s * S_NS)
        self.rebinds += 1
        return True

    def _make(self, shape: Shape, now_ns: int) -> Way:
        self._seed += 2
        return Way(Path(shape, self._seed, now_ns), Path(shape, self._seed + 1, now_ns))

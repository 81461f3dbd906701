"""Between a connection's sockets and aioice: notes arrivals, and takes what somebody else reads.

aioice tries to parse every datagram as STUN and hands the rest through a queue to a task of aiortc.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

ATTRIBUTE = "mixminus_datagrams"
"""Ours, on the connection."""
LAST_STUN_BYTE = 3
"""A datagram that begins with a larger byte is not STUN (RFC 7983)."""


class Datagrams:
    """What comes off the sockets of one connection."""

    __slots__ = ("last_ns", "take")

    def __init__(self) -> None:
        self.last_ns = 0
        """When the peer's newest datagram came, STUN included (monotonic); 0: none since then.

        Datagrams of strangers do not count: a port may have belonged to somebody else before.
        """
        self.take: Callable[[bytes], bool] | None = None
        """Is offered every datagram that is not STUN; returns False to leave it to aioice."""


def datagrams(connection: Any) -> Datagrams:
    """Listen to an aioice.Connection that has gathered its candidates.

    Returns the same object every time that it is called with a connection.
    """
    found: Datagrams | None = vars(connection).get(ATTRIBUTE)
    if found is None:
        found = vars(connection)[ATTRIBUTE] = Datagrams()
        for protocol in connection._protocols:
            _listen(protocol, found, _Peers(connection))
    return found


class _Peers:
    """The addresses from which a connection's peer may send."""

    __slots__ = ("_connection", "_known")

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._known: set[tuple[str, int]] = set()

    def include(self, address: Any) -> bool:
        """Whether the peer may send from ``address``, as a socket gives it."""
        endpoint = (address[0], address[1])
        if endpoint not in self._known:
            self._known = {pair.remote_addr for pair in self._connection._check_list}
        return endpoint in self._known


def _listen(protocol: Any, found: Datagrams, peers: _Peers) -> None:
    on_stun, on_other = protocol.datagram_received, protocol.receiver.data_received
    component = protocol.local_candidate.component
    clock_ns = time.monotonic_ns

    def datagram_received(data: bytes, address: Any) -> None:
        if peers.include(address):
            found.last_ns = clock_ns()
        if data and data[0] > LAST_STUN_BYTE:
            take = found.take
            if take is None or not take(data):
                on_other(data, component)
        else:
            on_stun(data, address)

    protocol.datagram_received = datagram_received


def set_gate(connection: Any, is_shut: Callable[[], bool]) -> None:
    """Drop all datagrams of a connection, both ways, while ``is_shut()``."""
    datagrams(connection)  # The gate must be the first to see what comes.
    for protocol in connection._protocols:
        _guard(protocol, is_shut)


def _guard(protocol: Any, is_shut: Callable[[], bool]) -> None:
    beneath = protocol.datagram_received

    def datagram_received(data: bytes, address: Any) -> None:
        if not is_shut():
            beneath(data, address)

    protocol.datagram_received = datagram_received
    protocol.transport = _Outlet(protocol.transport, is_shut)


class _Outlet:
    """A datagram transport that sends only while the gate is open."""

    def __init__(self, transport: Any, is_shut: Callable[[], bool]) -> None:
        self._transport = transport
        self._is_shut = is_shut

    def sendto(self, data: bytes, address: Any = None) -> None:
        if not self._is_shut():
            self._transport.sendto(data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

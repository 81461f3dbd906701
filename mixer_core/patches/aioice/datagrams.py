"""Between a connection's sockets and aioice: notes arrivals, and takes what somebody else reads.

aioice tries to parse every datagram as STUN and hands the rest through a queue to a task of aiortc.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mixer_core.runtime import logs
from mixer_core.runtime.repeated import Repeated
from mixer_core.runtime.units import S_NS

log = logs.get("aioice")
QUIET_NS = 6 * S_NS // 10
"""A peer that has something to acknowledge is never quiet for so long, unless the network is."""
STRANGERS = 10
"""Strangers together get this part of the limit: nobody can use up what belongs to the peer."""
ATTRIBUTE = "mixminus_datagrams"
"""Ours, on the connection."""
LAST_STUN_BYTE = 3
"""A datagram that begins with a larger byte is not STUN (RFC 7983)."""
STUN_BYTES = 20
"""The head of a STUN message. aioice takes what is shorter for data, and aiortc trips over it."""
MAX_QUEUED = 256
"""Datagrams that wait for aiortc. Before the handshake nobody takes them out."""


class Datagrams:
    """What comes off the sockets of one connection."""

    __slots__ = (
        "authentic",
        "dropped_total",
        "flooded",
        "last_ns",
        "limit_per_s",
        "moved",
        "resumed",
        "take",
    )

    def __init__(self) -> None:
        self.limit_per_s = 0
        """The peer's datagrams of one second that are read, and a tenth of strangers'; 0: all."""
        self.flooded: Callable[[], None] | None = None
        """Is called for each datagram of the peer beyond the limit."""
        self.dropped_total = 0
        """Datagrams that nobody read: beyond the limit, empty, or too many at once."""
        self.authentic = False
        """Set by ``take``: the last datagram was encrypted by the peer."""
        self.resumed: Callable[[], None] | None = None
        """Is called when the peer is heard after ``QUIET_NS``, before the datagram is read, and
        when it is first heard where it is sent to from now on."""
        self.moved: Callable[[Any, tuple[str, int]], None] | None = None
        """Is told a socket, and an address that the peer encrypts from and is not sent to."""
        self.last_ns = 0
        """When the peer's newest datagram came, STUN included (monotonic); 0: none since then.

        Datagrams of strangers do not count: a port may have belonged to somebody else before. Who
        encrypts as the peer does is the peer, wherever it sends from.
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
            protocol.datagram_received = _tolerant(protocol.datagram_received)
            _listen(protocol, found, _Peers(connection, protocol))
    return found


def _tolerant(read: Callable[[bytes, Any], None]) -> Callable[[bytes, Any], None]:
    """aioice's reader, which trips over messages that are damaged: those count as not sent.

    Anybody may send them, and what it raises is a traceback in the log for each.
    """
    mistakes = Repeated()

    def datagram_received(data: bytes, address: Any) -> None:
        try:
            read(data, address)
        except Exception as error:
            more = mistakes.line("stun", time.monotonic_ns())
            if more is not None:
                log.warning("! < a STUN message cannot be read: %r%s", error, more)

    return datagram_received


class _Peers:
    """The addresses from which a connection's peer may send, and the one that it is sent to."""

    __slots__ = (
        "_component",
        "_connection",
        "_known",
        "_pair",
        "_protocol",
        "_used",
        "has_moved",
    )

    def __init__(self, connection: Any, protocol: Any) -> None:
        self._connection, self._protocol = connection, protocol
        self._component = protocol.local_candidate.component
        self.has_moved = False
        """The peer is sent to another address than before, and has not been heard from there."""
        self._known: set[tuple[str, int]] = set()
        self._pair: Any = None
        self._used: tuple[str, int] | None = None

    def include(self, address: Any) -> bool:
        """Whether the peer may send from ``address``, as a socket gives it."""
        endpoint = (address[0], address[1])
        if endpoint not in self._known:
            self._known = {pair.remote_addr for pair in self._connection._check_list}
        return endpoint in self._known

    def uses(self, address: Any) -> bool:
        """Whether the peer is sent to ``address``, by this socket.

        A check from there alone nominates nothing.
        """
        pair = self._connection._nominated.get(self._component)
        if pair is not self._pair:
            self.has_moved = self._pair is not None
            is_here = pair is not None and pair.protocol is self._protocol
            self._pair, self._used = pair, pair.remote_addr if is_here else None
        return (address[0], address[1]) == self._used


def _listen(protocol: Any, found: Datagrams, peers: _Peers) -> None:
    on_stun, on_other = protocol.datagram_received, protocol.receiver.data_received
    component, queue = protocol.local_candidate.component, protocol.receiver._queue
    clock_ns = time.monotonic_ns
    second_ns = 0
    left = {True: 0, False: 0}

    def floods(now_ns: int, is_known: bool) -> bool:
        nonlocal second_ns
        if now_ns - second_ns >= S_NS:
            second_ns = now_ns
            left[True], left[False] = found.limit_per_s, found.limit_per_s // STRANGERS
        left[is_known] -= 1
        if left[is_known] >= 0 or not found.limit_per_s:
            return False
        found.dropped_total += 1
        if is_known and found.flooded is not None:
            found.flooded()
        return True

    def datagram_received(data: bytes, address: Any) -> None:
        now_ns, is_known = clock_ns(), peers.include(address)
        if is_known:
            quiet_ns, found.last_ns = now_ns - found.last_ns, now_ns
            if quiet_ns > QUIET_NS and found.resumed is not None:
                found.resumed()
        if floods(now_ns, is_known):
            return
        if data and data[0] > LAST_STUN_BYTE:
            take = found.take
            if take is None or not take(data):
                if queue.qsize() < MAX_QUEUED:
                    on_other(data, component)
                else:
                    found.dropped_total += 1
            elif found.authentic:
                if not peers.uses(address):
                    found.last_ns = now_ns
                    if found.moved is not None:
                        found.moved(protocol, (address[0], address[1]))
                elif peers.has_moved:
                    peers.has_moved = False
                    if found.resumed is not None:
                        found.resumed()
        elif len(data) >= STUN_BYTES:
            on_stun(data, address)
        else:
            found.dropped_total += 1

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

"""The transports beneath a peer connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from aiortc import RTCDtlsTransport, RTCPeerConnection

from ..aioice.checks import Endpoint
from ..aioice.checks import limit_checks as limit_ice_checks
from ..aioice.datagrams import Datagrams, datagrams, set_gate
from ..aioice.moves import follow_peer
from .sctp_limits import Excess, SctpLimits

DATAGRAMS_PER_S = 2_000
"""A browser in a call sends a hundred."""


class Route(NamedTuple):
    """Where the datagrams of a connection go directly."""

    local_host: str
    remote: tuple[str, int]


def _transports(connection: RTCPeerConnection) -> set[RTCDtlsTransport]:
    """One when everything is bundled, as it is here once the connection is up."""
    found = {transceiver.receiver.transport for transceiver in connection.getTransceivers()}
    if connection.sctp is not None:
        found.add(connection.sctp.transport)
    return found


def has_one_transport(connection: RTCPeerConnection) -> bool:
    """Whether everything goes over the data channel's transport; once the offer has been read.

    Any other would have its own socket, and nothing here would limit what comes there.
    """
    sctp: Any = connection.sctp
    return sctp is not None and sctp.transport is not None and len(_transports(connection)) == 1


def listen_to(connection: RTCPeerConnection) -> Datagrams:
    """Listen to the sockets of a connection that is up and has a data channel."""
    assert connection.sctp is not None
    ice: Any = connection.sctp.transport.transport
    return datagrams(ice._connection)


def route_of(connection: RTCPeerConnection) -> Route | None:
    """The way of a connection that is up and has a data channel; None: by a relay, or not known."""
    assert connection.sctp is not None
    ice: Any = connection.sctp.transport.transport
    pair = next(iter(ice._connection._nominated.values()), None)
    if pair is None or pair.local_candidate.type == "relay":
        return None
    host = pair.protocol.local_candidate.host
    return Route(host, (pair.remote_addr[0], pair.remote_addr[1]))


def gate(connection: RTCPeerConnection, is_shut: Callable[[], bool]) -> None:
    """Drop all datagrams, both ways, while ``is_shut()``: a firewall that can be switched.

    The connection has gathered its candidates.
    """
    for dtls in _transports(connection):
        ice: Any = dtls.transport
        set_gate(ice._connection, is_shut)


def limit_checks(
    connection: RTCPeerConnection,
    allow: Callable[[Endpoint, int], bool],
    answered: Callable[[Endpoint], None],
) -> None:
    """Ask ``allow`` (with ``now_ns``) before every connectivity check; tell ``answered`` who did.

    To be called as soon as the local description is set.
    """
    for dtls in _transports(connection):
        ice: Any = dtls.transport
        limit_ice_checks(ice._connection, allow, answered)


def bound_peer(connection: RTCPeerConnection, on_excess: Excess) -> SctpLimits:
    """Limit what the peer may cost, and follow it where its address changes.

    To be called as soon as the local description is set, once.
    """
    assert connection.sctp is not None
    limits = SctpLimits(connection.sctp, on_excess)
    arrivals = listen_to(connection)
    arrivals.limit_per_s = DATAGRAMS_PER_S
    arrivals.flooded = lambda: limits.refuse(
        f"this browser sends more than {DATAGRAMS_PER_S} packets a second: the rest is dropped"
    )
    ice: Any = connection.sctp.transport.transport
    follow_peer(ice._connection, arrivals)
    return limits


def answer_dtls_as(connection: RTCPeerConnection, role: Literal["active", "passive"]) -> None:
    """Choose the side of the DTLS handshake, where the offer leaves it open; before createAnswer.

    aiortc's own choice is active.
    """
    if role == "active":
        return
    for dtls in _transports(connection):
        private: Any = dtls
        if private._role == "auto":
            private._set_role("server")

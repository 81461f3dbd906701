"""A firewall for one connection: passes its datagrams, or drops them all.

Works on private parts of aioice 0.13, whose release ``aiortc_media`` checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiortc import RTCPeerConnection


def install(connection: RTCPeerConnection, is_shut: Callable[[], bool]) -> None:
    """Drop the datagrams of a connection while ``is_shut()``; it has gathered its candidates."""
    transports = {transceiver.receiver.transport for transceiver in connection.getTransceivers()}
    if connection.sctp is not None:
        transports.add(connection.sctp.transport)
    seen: set[int] = set()
    for dtls in transports:
        ice: Any = dtls.transport
        for protocol in ice._connection._protocols:
            if id(protocol) not in seen:
                seen.add(id(protocol))
                _guard(protocol, is_shut)


def _guard(protocol: Any, is_shut: Callable[[], bool]) -> None:
    receive = protocol.datagram_received

    def datagram_received(data: bytes, address: Any) -> None:
        if not is_shut():
            receive(data, address)

    protocol.datagram_received = datagram_received
    protocol.transport = _Outlet(protocol.transport, is_shut)


class _Outlet:
    """A datagram transport that drops what is sent while the gate is shut."""

    def __init__(self, transport: Any, is_shut: Callable[[], bool]) -> None:
        self._transport = transport
        self._is_shut = is_shut

    def sendto(self, data: bytes, address: Any = None) -> None:
        if not self._is_shut():
            self._transport.sendto(data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

"""Datagrams of this process, lost or delayed between its sockets and their users."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mixer_core.patches.aioice.gathering import offer_addresses

Delay = Callable[[bytes], float | None]
"""Datagram → seconds by which it is delayed; None: it is lost."""


def use_loopback() -> None:
    """Offer 127.0.0.1 as the only ICE address of this process."""
    offer_addresses(lambda: ["127.0.0.1"])


def is_media(data: bytes) -> bool:
    """Whether a datagram is DTLS or SRTP (RFC 7983)."""
    return bool(data) and (19 < data[0] < 64 or 127 < data[0] < 192)


def is_rtp(data: bytes) -> bool:
    """Whether a datagram is SRTP and not SRTCP (RFC 5761, RFC 7983)."""
    return len(data) > 12 and 127 < data[0] < 192 and not 192 <= data[1] < 224


def delay_datagrams(received: Delay | None = None, sent: Delay | None = None) -> None:
    """Let these decide over all datagrams of sockets that the running loop opens from now on."""
    loop: Any = asyncio.get_running_loop()
    open_socket = loop.create_datagram_endpoint

    async def create_datagram_endpoint(make: Callable[[], Any], **options: Any) -> Any:
        protocol = make()
        transport, _ = await open_socket(lambda: _Protocol(protocol, received, sent), **options)
        return transport, protocol

    loop.create_datagram_endpoint = create_datagram_endpoint


class _Protocol:
    """In place of a socket's protocol."""

    def __init__(self, protocol: Any, received: Delay | None, sent: Delay | None) -> None:
        self._protocol = protocol
        self._received, self._sent = received, sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)

    def connection_made(self, transport: Any) -> None:
        outlet = transport if self._sent is None else _Transport(transport, self._sent)
        self._protocol.connection_made(outlet)

    def datagram_received(self, data: bytes, address: Any) -> None:
        delay_s = 0.0 if self._received is None else self._received(data)
        if delay_s:
            asyncio.get_running_loop().call_later(
                delay_s, self._protocol.datagram_received, data, address
            )
        elif delay_s is not None:
            self._protocol.datagram_received(data, address)


class _Transport:
    """In place of a socket's transport."""

    def __init__(self, transport: Any, sent: Delay) -> None:
        self._transport = transport
        self._sent = sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def sendto(self, data: bytes, address: Any = None) -> None:
        delay_s = self._sent(data)
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self._send_late, data, address)
        elif delay_s is not None:
            self._transport.sendto(data, address)

    def _send_late(self, data: bytes, address: Any) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(data, address)

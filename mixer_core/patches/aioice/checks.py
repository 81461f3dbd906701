"""Where the connectivity checks of a connection may go."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from aioice import stun

Endpoint = tuple[str, int]


def limit_checks(
    connection: Any, allow: Callable[[Endpoint, int], bool], answered: Callable[[Endpoint], None]
) -> None:
    """Ask ``allow`` (with ``now_ns``) before every datagram of a check; tell ``answered`` who did.

    ``connection``: an aioice.Connection that has gathered and is not connecting yet. Its answers to
    checks are not limited; each follows a datagram from there.
    """
    for protocol in connection._protocols:
        _limit(protocol, allow, answered)


def _limit(
    protocol: Any, allow: Callable[[Endpoint, int], bool], answered: Callable[[Endpoint], None]
) -> None:
    send, ask = protocol.send_stun, protocol.request

    def send_stun(message: stun.Message, addr: Endpoint) -> None:
        if message.message_class != stun.Class.REQUEST or allow(addr, time.monotonic_ns()):
            send(message, addr)

    async def request(
        request: stun.Message,
        addr: Endpoint,
        integrity_key: bytes | None = None,
        retransmissions: int | None = None,
    ) -> tuple[stun.Message, Endpoint]:
        response, source = await ask(request, addr, integrity_key, retransmissions)
        if source == addr:  # Else nobody has answered there.
            answered(addr)
        return response, source

    protocol.send_stun, protocol.request = send_stun, request

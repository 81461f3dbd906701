"""TCP listeners: clear errors if a port is not available, timeouts for slow clients."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any

from aiohttp import web

from mixer_core.runtime import logs
from mixer_core.runtime.errors import PortBusyError, UnavailableError

from ..access.gate import is_loopback
from .acceptor import Acceptor, CountedRequestHandler
from .mistakes import Mistakes

BACKLOG = 128
HEADERS_TIMEOUT_S = 30.0
"""Timeout after which an idle connection, or one with an incomplete request head, is closed."""
LINGER_S = 2.0
"""How long the rest of a refused body is read and dropped."""
HANDSHAKE_TIMEOUT_S = 10.0
"""Timeout after which a TLS handshake is given up."""
SHUTDOWN_S = 0.2
"""How long running requests may go on after the stop."""


def bind(host: str, port: int, setting: str = "HTTP_PORT") -> list[socket.socket]:
    """Listening sockets for every address of ``host``; port 0 takes a free one.

    ``setting``: the key that a person may change if the port is not free.

    Raises:
        PortBusyError: the port is in use, or this user may not use it.
        UnavailableError: ``host`` is not an address of this machine now.
    """
    cure = "set MIXMINUS_SIGNALING__HTTP_HOST to an address of this machine"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        words = f"http_host {host!r} cannot be resolved ({error}): {cure}"
        raise UnavailableError(words) from error
    listening: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            listening.append(_listen(socket.AddressFamily(family), address))
    except OSError as error:
        for other in listening:
            other.close()
        raise _explained(error, host, port, setting) from error
    return listening


def url(host: str, port: int) -> str:
    """The page's address on this machine."""
    name = host
    if host in ("", "0.0.0.0", "::"):
        name = "127.0.0.1"
    elif ":" in host:
        name = f"[{host}]"
    return f"http://{name}:{port}" + ("" if is_loopback(host) else "/?token=…")


class Listener:
    """Serves an application on listening sockets."""

    def __init__(self, app: web.Application, context: ssl.SSLContext | None = None) -> None:
        """``context``: for HTTPS."""
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        self._tls: dict[str, Any] = {}
        if context is not None:
            self._tls = {"ssl": context, "ssl_handshake_timeout": HANDSHAKE_TIMEOUT_S}
        self._app = app
        self._acceptors: list[Acceptor] = []
        self._mistakes = Mistakes(logs.get("signaling"))

    async def start(self, sockets: list[socket.socket]) -> None:
        """Accept connections."""
        await self._runner.setup()
        for sock in sockets:
            await self.add(sock)

    async def add(self, sock: socket.socket) -> Acceptor:
        """Accept connections on one more socket; closing the result keeps those it has."""
        server = self._runner.server
        assert server is not None
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {
            "access_log": None,
            "keepalive_timeout": HEADERS_TIMEOUT_S,
            "lingering_time": LINGER_S,
            "auto_decompress": False,  # Bodies are small; unpacked ones may be of any size.
        }

        def make(on_lost: Callable[[], None]) -> CountedRequestHandler:
            handler = CountedRequestHandler(on_lost, server, loop=loop, **options)
            handler.mistakes = self._mistakes
            return handler

        acceptor = Acceptor(sock, self._app, make, self._tls)
        self._acceptors.append(acceptor)
        return acceptor

    async def stop(self) -> None:
        """Close the sockets and the connections; running requests get a moment to finish."""
        for acceptor in self._acceptors:
            acceptor.close()
        await self._runner.cleanup()


def _listen(family: socket.AddressFamily, address: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _explained(
    error: OSError, host: str, port: int, setting: str
) -> PortBusyError | UnavailableError:
    if error.errno == errno.EADDRINUSE:
        return PortBusyError(
            f"port {port} on {host} is in use by another program: "
            f"stop it, or set MIXMINUS_SIGNALING__{setting}"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return PortBusyError(
            f"port {port} on {host} is not allowed for this user: "
            f"set MIXMINUS_SIGNALING__{setting} to a port above 1023"
        )
    return UnavailableError(
        f"cannot listen on http_host {host} ({error.strerror}): "
        "set MIXMINUS_SIGNALING__HTTP_HOST to an address of this machine"
    )

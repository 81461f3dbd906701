"""Accepts TCP connections, within the limits per address.

The limits count from the moment a connection is accepted: one that never sends a request, or never
ends its TLS handshake, counts like any other.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import resource
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web

from mixer_core.runtime import logs

from ..limits.clients import client_of
from ..limits.connections import MOST, Connections
from .forwarded import Proxies
from .mistakes import Mistakes
from .problems import CONTENT_TYPE, ProblemRequestHandler

OPEN_FILES = 4_096
RESERVED_FILES = 200
"""Files that this process needs beside connections."""
RETRY_AFTER_S = 5
AT_ONCE = 64
"""Connections accepted before others have their turn."""
PAUSE_S = 0.2
"""After an error of the system, such as no more files."""


class OpenConnections:
    """The connections of all listeners that share it, and how to close each."""

    def __init__(self, per_client: int = MOST) -> None:
        """Raises this process's limit of open files, if need be."""
        self._table = Connections(per_client, _affordable())
        self._closers: dict[int, Callable[[], object]] = {}
        self._numbers = itertools.count(1)
        self._mistakes = Mistakes(logs.get("signaling"))

    def admit(self, client: str, exempt: bool) -> int | None:
        """The number of a new connection, for which another one may be closed; None: refused."""
        number = next(self._numbers)
        victim = self._table.admit(client, number, exempt)
        if victim == number:
            if self._table.report(client):
                words = f"{client}: too many connections: it gets 429"
                self._mistakes.warn("connections", words)
            return None
        if victim is not None:
            self._closers.pop(victim)()
        return number

    def closes_by(self, number: int, closer: Callable[[], object]) -> None:
        """How to close a connection from now on."""
        self._closers[number] = closer

    def lost(self, client: str, number: int) -> None:
        """A connection is gone."""
        self._table.closed(client, number)
        self._closers.pop(number, None)


CONNECTIONS = web.AppKey("connections", OpenConnections)
PROXIES = web.AppKey("proxies", Proxies)
"""Whose connections are those of many people."""


class CountedRequestHandler(ProblemRequestHandler):
    """aiohttp's connection, which says when it is lost."""

    __slots__ = ("_on_lost",)

    def __init__(self, on_lost: Callable[[], None], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._on_lost = on_lost

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone."""
        super().connection_lost(exc)
        self._on_lost()


Factory = Callable[[Callable[[], None]], CountedRequestHandler]


class Acceptor:
    """One listening socket."""

    def __init__(
        self, sock: socket.socket, app: web.Application, make: Factory, tls: dict[str, Any]
    ) -> None:
        """Accepts from now on.

        Args:
            sock: listening, not blocking; closed by ``close``.
            app: whose connections and proxies count, if it has any.
            make: a connection's protocol; its argument is called when it is lost.
            tls: options of ``connect_accepted_socket``; empty: plain.
        """
        self._sock = sock
        self._make = make
        self._tls = tls
        self._connections = app.get(CONNECTIONS) or OpenConnections()
        self._proxies = app.get(PROXIES, Proxies(""))
        self._mistakes = Mistakes(logs.get("signaling"))
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._readable)

    def close(self) -> None:
        """Accept no more; connections go on."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _readable(self) -> None:
        for _ in range(AT_ONCE):
            try:
                sock, peer = self._sock.accept()
            except (BlockingIOError, ConnectionError, InterruptedError):
                return
            except OSError as error:
                words = f"no connection can be accepted: {error.strerror}"
                self._mistakes.warn(error.errno, words)
                self._loop.remove_reader(self._sock.fileno())
                self._loop.call_later(PAUSE_S, self._resume)
                return
            self._admit(sock, str(peer[0]))

    def _resume(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.add_reader(self._sock.fileno(), self._readable)

    def _admit(self, sock: socket.socket, peer: str) -> None:
        client = client_of(peer)
        number = self._connections.admit(client, self._proxies.trusts(peer))
        if number is None:
            _refuse(sock, plain=not self._tls)
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._serve(sock, client, number))
        self._connections.closes_by(number, task.cancel)

    async def _serve(self, sock: socket.socket, client: str, number: int) -> None:
        def lost() -> None:
            self._connections.lost(client, number)

        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: self._make(lost), sock, **self._tls
            )
        except (OSError, asyncio.CancelledError):  # The handshake failed, or was given up.
            lost()
            sock.close()
            return
        if not transport.is_closing():
            self._connections.closes_by(number, transport.abort)


def _affordable() -> int:
    """Raise this process's limit of open files; how many connections fit in."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    fits = soft - RESERVED_FILES if soft != resource.RLIM_INFINITY else MOST
    return max(10, min(MOST, fits))


def _refuse(sock: socket.socket, plain: bool) -> None:
    """Say 429 and close; only as much as goes without waiting."""
    with sock:
        sock.setblocking(False)
        if not plain:
            return
        try:
            sock.send(_REFUSAL)
            sock.shutdown(socket.SHUT_WR)
            sock.recv(65_536)  # What is left unread would reset the connection.
        except OSError:
            return


_DETAIL = "too many connections come from your address: close some, or wait a few seconds"
_BODY = json.dumps(
    {"type": "about:blank", "title": "Too many connections", "status": 429, "detail": _DETAIL}
).encode()
_REFUSAL = (
    f"HTTP/1.1 429 Too Many Requests\r\nServer: mixminus\r\nContent-Type: {CONTENT_TYPE}\r\n"
    f"Content-Length: {len(_BODY)}\r\nRetry-After: {RETRY_AFTER_S}\r\n"
    "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
).encode() + _BODY

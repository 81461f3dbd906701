"""Carries packets between socket and data channel without a task and a queue for each.

The library hands every datagram through a queue to a task, and starts a task for every message
sent, although nothing on the way ever waits. Here the same coroutines are run on the spot, which
saves a wake-up per packet. It takes over once DTLS is connected, and only what is DTLS.

Works on private parts of aiortc (pinned by range); objects are passed in, nothing is imported.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

PPID_BINARY = 53
"""WebRTC Binary (RFC 8831)."""
DATAGRAM_BYTES = 1500


class FastPath:
    """The packets of one association."""

    def __init__(self, sctp: Any, on_fault: Callable[[], None]) -> None:
        """``sctp``: an RTCSctpTransport. ``on_fault`` is called from within ``except``."""
        self._sctp = sctp
        self._dtls = sctp.transport
        self._connected = type(self._dtls._state).CONNECTED
        self.connection: Any = self._dtls.transport._connection
        """The ICE connection whose datagrams these are."""
        self._queue: asyncio.Queue[Any] = self.connection._queue
        self._on_fault = on_fault
        self._tasks: set[asyncio.Task[None]] = set()

    def receive(self, data: bytes) -> bool:
        """Take one DTLS datagram; False where the library must have it (handshake, backlog)."""
        receiver = self._dtls._data_receiver
        if self._dtls._state is not self._connected or receiver is None or not self._queue.empty():
            return False
        ssl = self._dtls._ssl
        ssl.bio_write(data)
        try:
            plain = ssl.recv(DATAGRAM_BYTES)
        except Exception as error:
            if type(error).__name__ == "ZeroReturnError":
                self._queue.put_nowait(None)
                return True
            plain = b""
        try:
            if plain:
                self._run(receiver._handle_data(plain))
            else:
                self._run(self._dtls._write_ssl())
        except ConnectionError:
            self._queue.put_nowait(None)
        except Exception:
            self._on_fault()
        return True

    def send(self, channel: Any, data: bytes) -> None:
        """Send one binary message on an open channel."""
        channel._addBufferedAmount(len(data))
        self._sctp._data_channel_queue.append((channel, PPID_BINARY, data))
        try:
            self._run(self._sctp._data_channel_flush())
        except ConnectionError:
            self._queue.put_nowait(None)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end; what does wait after all goes on as a task."""
        try:
            waits_for = work.send(None)
        except StopIteration:
            return
        task = asyncio.ensure_future(_rest(work, waits_for))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@types.coroutine
def _rest(work: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """The remainder of a coroutine that has begun and waits for ``waits_for``."""
    while True:
        value = yield waits_for
        try:
            waits_for = work.send(value)
        except StopIteration:
            return

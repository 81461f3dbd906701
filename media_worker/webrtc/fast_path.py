"""Carries packets between socket and data channel without a task and a queue for each.

The library hands every datagram through a queue to a task, and starts a task for every message
sent, although nothing on the way ever waits. Here the same coroutines are run on the spot, which
saves a wake-up per packet; the most common packets do without them (``sctp_fastpath``). It takes
over once DTLS is connected, and only what is DTLS.

Works on private parts of aiortc; ``take_over`` leaves any other version of it alone. Objects are
passed in, nothing of it is imported.
"""

from __future__ import annotations

import asyncio
import logging
import time
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from .dtls_records import Records, take_records
from .sctp_fast_path import Receiver, SctpFastPath
from .sctp_wire import PPID_BINARY

KNOWN_VERSION = "1.16."
"""The aiortc whose private parts these are."""


def take_over(
    sctp: Any,
    chunk_class: type[Any],
    version: str,
    on_fault: Callable[[], None],
    log: logging.LoggerAdapter[logging.Logger],
) -> FastPath | None:
    """The fast path of an RTCSctpTransport, or None with a line in the log: stock behaviour.

    ``chunk_class``: the library's DataChunk. ``version``: the library's. ``on_fault`` is called
    from within ``except``.
    """
    if not version.startswith(KNOWN_VERSION):
        log.warning("! aiortc %s is not %sx: a call costs more here", version, KNOWN_VERSION)
        return None
    return FastPath(sctp, chunk_class, on_fault)


class FastPath:
    """The packets of one association."""

    def __init__(self, sctp: Any, chunk_class: type[Any], on_fault: Callable[[], None]) -> None:
        """See ``take_over``."""
        self._sctp = sctp
        self._dtls = sctp.transport
        self._connected = type(self._dtls._state).CONNECTED
        self.connection: Any = self._dtls.transport._connection
        """The ICE connection whose datagrams these are."""
        self._queue: asyncio.Queue[Any] = self.connection._queue
        self._on_fault = on_fault
        self._tasks: set[asyncio.Task[None]] = set()
        self._records: Records | None = None
        self._plain = SctpFastPath(sctp, chunk_class, self._transmit, self._run, time.time)

    def listen(self, channel: Any, receiver: Receiver) -> None:
        """Hand the whole binary messages of an open channel to ``receiver`` directly."""
        self._plain.listen(channel, receiver)

    def close(self) -> None:
        """Let no timer fire any more."""
        self._plain.close()

    def receive(self, data: bytes) -> bool:
        """Take one DTLS datagram; False where the library must have it (handshake, backlog)."""
        receiver = self._dtls._data_receiver
        if self._dtls._state is not self._connected or receiver is None or not self._queue.empty():
            return False
        records = self._records or self._open()
        try:
            plain = records.decrypt(data)
        except Exception as error:
            if type(error).__name__ == "ZeroReturnError":
                self._queue.put_nowait(None)
                return True
            plain = b""
        try:
            if not plain:
                self._run(self._dtls._write_ssl())
            elif not self._plain.receive(plain):
                self._run(receiver._handle_data(plain))
        except ConnectionError:
            self._queue.put_nowait(None)
        except Exception:
            self._on_fault()
        return True

    def send(self, channel: Any, data: bytes, protocol: int = PPID_BINARY) -> None:
        """Send one message (not empty) on an open channel; ``protocol`` says whether it is text."""
        try:
            if not self._plain.send(channel, data, protocol):
                channel._addBufferedAmount(len(data))
                self._sctp._data_channel_queue.append((channel, protocol, data))
                self._run(self._sctp._data_channel_flush())
        except ConnectionError:
            self._queue.put_nowait(None)

    def _transmit(self, packet: bytes) -> None:
        """Encrypt one packet and send it to the peer."""
        pair = self.connection._nominated.get(1)
        if self._dtls._state is not self._connected or pair is None:
            raise ConnectionError("not connected")
        records = self._records or self._open()
        pair.protocol.transport.sendto(records.encrypt(packet), pair.remote_addr)

    def _open(self) -> Records:
        self._records = take_records(self._dtls._ssl)
        return self._records

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

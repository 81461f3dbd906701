"""Carries packets between socket and data channel without a task and a queue for each.

aiortc passes every datagram through a queue to a task and starts a task for every message sent,
although nothing on the way ever waits. Here its coroutines are run on the spot, which saves a
wake-up per packet; the common packets do without them (``sctp_fast_path``).
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from aiortc import RTCSctpTransport

from ..aioice.datagrams import datagrams
from ..pyopenssl import Records, take_records
from .sctp_fast_path import Receiver, SctpFastPath
from .sctp_wire import PPID_BINARY

_COMPONENT = 1
"""Of ICE: the only one there is."""


class FastPath:
    """Takes over the packets of one association, once DTLS is connected."""

    def __init__(self, sctp: RTCSctpTransport, on_fault: Callable[[], None]) -> None:
        """``sctp``: its ICE candidates are gathered. ``on_fault`` is called within ``except``."""
        self._sctp: Any = sctp
        self._dtls: Any = sctp.transport
        self._connected = type(self._dtls._state).CONNECTED
        connection = self._dtls.transport._connection
        self._nominated = connection._nominated
        self._queue: asyncio.Queue[Any] = connection._queue
        self._on_fault = on_fault
        self._tasks: set[asyncio.Task[None]] = set()
        self._records: Records | None = None
        self._plain = SctpFastPath(sctp, self._transmit, self._run)
        self._datagrams = datagrams(connection)
        self._datagrams.take = self.receive

    @property
    def heard_ns(self) -> int:
        """When the newest datagram came, STUN included (monotonic); 0: none yet."""
        return self._datagrams.last_ns

    def listen(self, channel: Any, receiver: Receiver) -> None:
        """Pass the whole binary messages of an open channel to ``receiver`` directly."""
        self._plain.listen(channel, receiver)

    def close(self) -> None:
        """Leave the rest to aiortc, and cancel the timers."""
        self._datagrams.take = None
        self._plain.close()

    def receive(self, data: bytes) -> bool:
        """Take a DTLS datagram; False where aiortc must (other kinds, handshake, backlog)."""
        receiver = self._dtls._data_receiver
        if (
            not 19 < data[0] < 64  # RFC 7983
            or self._dtls._state is not self._connected
            or receiver is None
            or not self._queue.empty()
        ):
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
        pair = self._nominated.get(_COMPONENT)
        if self._dtls._state is not self._connected or pair is None:
            raise ConnectionError("not connected")
        records = self._records or self._open()
        pair.protocol.transport.sendto(records.encrypt(packet), pair.remote_addr)

    def _open(self) -> Records:
        self._records = take_records(self._dtls._ssl)
        return self._records

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end; if it waits after all, it goes on as a task."""
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
    try:
        yield waits_for
    except BaseException as error:
        try:
            waits_for = work.throw(error)
        except StopIteration:
            return
        yield from _rest(work, waits_for)
    else:
        yield from work

"""Carries packets between socket and data channel without a task and a queue for each.

aiortc passes every datagram through a queue to a task and starts a task for every message sent,
although nothing on the way ever waits. Here its coroutines are run on the spot, which saves a
wake-up per packet; the common packets do without them (``sctp_fast_path``).
"""

from __future__ import annotations

import asyncio
import time
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from aiortc import RTCSctpTransport

from mixer_core.runtime.units import MS_NS

from ..aioice.datagrams import datagrams
from ..pyopenssl import Records, take_records
from .data_channels import Perishable, drop_perished
from .sctp_fast_path import Receiver, SctpFastPath
from .sctp_wire import PPID_BINARY

_COMPONENT = 1
"""Of ICE: the only one there is."""
FRESH_NS = 300 * MS_NS
"""A binary message that has waited for longer when something has to be sent again is dropped: after
an outage the present is heard."""
RECORD_HEAD_BYTES = 13
"""Of DTLS 1.2 (RFC 6347, section 4.1); the last two bytes are the length of the rest."""
DTLS_13 = 32
"""Records that begin with this byte or a larger one have no fixed head (RFC 9147, section 4)."""
MAX_RECORD_BYTES = 1500
"""A longer record would be read in pieces, each one datagram late."""
MAX_RECORDS = 8
"""Records of one datagram. OpenSSL reads one at a time, and keeps the others without a bound."""


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
        self._datagrams.resumed = self._plain.resume
        self._plain.before_retry(self._drop_stale)
        self.stale_total = 0
        """Binary messages that waited for too long."""

    @property
    def heard_ns(self) -> int:
        """When the newest datagram came, STUN included (monotonic); 0: none yet."""
        return self._datagrams.last_ns

    def listen(self, channel: Any, receiver: Receiver) -> None:
        """Pass the whole binary messages of an open channel to ``receiver`` directly."""
        self._plain.listen(channel, receiver)

    def close(self) -> None:
        """Leave the rest to aiortc, and cancel the timers."""
        self._datagrams.take = self._datagrams.resumed = None
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
        self._datagrams.authentic = False
        for record in split(data):
            self._read(record, receiver)
        return True

    def _read(self, record: bytes, receiver: Any) -> None:
        """Read one DTLS record."""
        records = self._records or self._open()
        try:
            plain = records.decrypt(record)
        except Exception as error:
            if type(error).__name__ == "ZeroReturnError":
                self._queue.put_nowait(None)
                return
            plain = b""
        try:
            if not plain:
                self._run(self._dtls._write_ssl())
                return
            self._datagrams.authentic = True
            if not self._plain.receive(plain):
                self._run(receiver._handle_data(plain))
        except ConnectionError:
            self._queue.put_nowait(None)
        except Exception:
            self._on_fault()

    def send(self, channel: Any, data: bytes, protocol: int = PPID_BINARY) -> None:
        """Send one message (not empty) on an open channel; ``protocol`` says whether it is text."""
        try:
            if not self._plain.send(channel, data, protocol):
                channel._addBufferedAmount(len(data))
                if protocol == PPID_BINARY:
                    data = Perishable(data)
                    data.until_ns = time.monotonic_ns() + FRESH_NS
                self._sctp._data_channel_queue.append((channel, protocol, data))
                self._run(self._sctp._data_channel_flush())
        except ConnectionError:
            self._queue.put_nowait(None)

    def _drop_stale(self) -> None:
        if self._sctp._data_channel_queue:
            self.stale_total += drop_perished(self._sctp, time.monotonic_ns())

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


def split(datagram: bytes) -> list[bytes]:
    """The DTLS records of a datagram, without what is too long or no whole record."""
    size = len(datagram)
    if datagram[0] >= DTLS_13 or (
        RECORD_HEAD_BYTES < size <= MAX_RECORD_BYTES
        and size == RECORD_HEAD_BYTES + (datagram[11] << 8 | datagram[12])
    ):
        return [datagram]
    found: list[bytes] = []
    at = 0
    while at + RECORD_HEAD_BYTES <= size and len(found) < MAX_RECORDS:
        end = at + RECORD_HEAD_BYTES + (datagram[at + 11] << 8 | datagram[at + 12])
        if end > size:
            break
        if end - at <= MAX_RECORD_BYTES:
            found.append(datagram[at:end])
        at = end
    return found


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

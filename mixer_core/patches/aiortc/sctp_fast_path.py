"""The common SCTP packets, read and written without aiortc's objects and tasks.

Nearly all packets are alike: one whole message in the expected order, an acknowledgement without
gaps, or both. Those are handled here and in ``sctp_sender``, on aiortc's own state, which is left
exactly as aiortc would have left it. Everything else (setup, loss, reordering, fragments, incoming
text, resets) is left to aiortc.

Two things differ from aiortc on purpose, both within RFC 9260:

- An acknowledgement waits for the next message out, a second packet in, or ``SACK_DELAY_NS``
  (section 6.2: at least every second packet, within 500 ms). Packets left to aiortc are
  acknowledged at once, as it does.
- The retransmission timer is one that is cheap to move.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.units import MS_NS

from .sctp_sender import Run, SctpSender
from .sctp_wire import (
    DATA,
    HEAD_BYTES,
    IMMEDIATE,
    PPID_BINARY,
    SACK,
    TYPE_DATA,
    TYPE_SACK,
    U16,
    U32,
    UNORDERED,
    WHOLE,
    Heads,
    sack_chunk,
)

SACK_DELAY_NS = 100 * MS_NS
"""Longest wait of an acknowledgement. A shorter one wakes the process up more often. It matters
only after the last packet before a pause, which the peer would retransmit after 400 ms or more."""

Receiver = Callable[[bytes], None]


class SctpFastPath:
    """The common packets of one association: the receiving half, and the sender."""

    def __init__(
        self,
        sctp: Any,
        transmit: Callable[[bytes], None],
        run: Run,
    ) -> None:
        """``sctp``: an RTCSctpTransport whose timers are taken over.

        ``transmit`` sends one packet and raises ConnectionError where nothing can be sent; ``run``
        runs a coroutine of aiortc.
        """
        self._sctp = sctp
        self._transmit = transmit
        self._run = run
        self._established = type(sctp._association_state).ESTABLISHED
        self._receivers: dict[int, tuple[Any, Receiver]] = {}
        self._heads = Heads(sctp)
        self._sack_timer = LazyTimer(sctp._loop, self._sack_due)
        self._sender = SctpSender(sctp, self._heads, transmit, run, self._waiting_sack)
        self.send = self._sender.send
        """Sends one message of a channel now; False where it must queue."""
        self.resume = self._sender.resume
        """Sends again what an outage has lost, without waiting for the timer."""
        self.before_retry = self._sender.before_retry
        self.taken_total = 0
        """Packets that were received and handled here."""

    def listen(self, channel: Any, receiver: Receiver) -> None:
        """Pass the whole binary messages of an open channel to ``receiver`` directly."""
        self._receivers[channel.id] = (channel, receiver)

    def close(self) -> None:
        """Cancel the timers."""
        self._sack_timer.close()
        self._sender.close()

    def receive(self, packet: bytes) -> bool:
        """Handle one decrypted packet; False, with nothing changed, where aiortc must."""
        size = len(packet)
        if (
            size < HEAD_BYTES + SACK.size
            or self._sctp._association_state is not self._established
            or not self._heads.begins(packet)
        ):
            return False
        at, acked = HEAD_BYTES, None
        if packet[at] == TYPE_SACK:
            _, _, length, acked, _, gaps, duplicates = SACK.unpack_from(packet, at)
            if length != SACK.size or gaps or duplicates or not self._sender.expects(acked):
                return False
            at += SACK.size
        data = None
        if at != size:
            data = self._expected(packet, at, size)
            if data is None:
                return False
        if not self._heads.intact(packet):
            return False
        self.taken_total += 1
        if acked is not None:
            self._sender.acknowledged(acked)
        if data is not None:
            self._take_data(data, packet, at)
        return True

    def _expected(self, packet: bytes, at: int, size: int) -> tuple[int, ...] | None:
        """Fields of the DATA chunk at ``at`` if it is whole, the next one, and ends the packet."""
        if size <= at + DATA.size:
            return None
        fields = DATA.unpack_from(packet, at)
        kind, flags, length, tsn, stream_id, stream_seq, protocol = fields
        sctp = self._sctp
        if (
            kind != TYPE_DATA
            or flags & WHOLE != WHOLE
            or protocol != PPID_BINARY
            or length <= DATA.size
            or at + (length + 3) // 4 * 4 != size
            or tsn != (sctp._last_received_tsn + 1) & U32
            or sctp._sack_misordered
            or sctp._sack_duplicates
            or sctp._reconfig_deferred is not None
        ):
            return None
        stream = sctp._inbound_streams.get(stream_id)
        if stream is None or stream.reassembly or stream_id not in self._receivers:
            return None
        if not flags & UNORDERED and stream_seq != stream.sequence_number:
            return None
        if sctp._data_channels.get(stream_id) is not self._receivers[stream_id][0]:
            return None
        return fields

    def _take_data(self, fields: tuple[int, ...], packet: bytes, at: int) -> None:
        _, flags, length, tsn, stream_id, stream_seq, _ = fields
        sctp = self._sctp
        sctp._last_received_tsn = tsn
        if not flags & UNORDERED:
            sctp._inbound_streams[stream_id].sequence_number = (stream_seq + 1) & U16
        now = sctp._sack_needed or flags & IMMEDIATE
        sctp._sack_needed = True
        if not self._sack_timer.running:
            self._sack_timer.arm_after(SACK_DELAY_NS)
        try:
            self._receivers[stream_id][1](packet[at + DATA.size : at + length])
        finally:
            if now and sctp._sack_needed:
                self._transmit(self._heads.packet(self._sack()))

    # Acknowledgements

    def _waiting_sack(self) -> bytes:
        """The acknowledgement that is due, if no packet is missing; else nothing."""
        if self._sctp._sack_misordered or self._sctp._sack_duplicates:
            return b""
        return self._sack()

    def _sack(self) -> bytes:
        """The acknowledgement of everything so far, where nothing is missing."""
        sctp = self._sctp
        sctp._sack_needed = False
        self._sack_timer.stop()
        return sack_chunk(sctp._last_received_tsn, max(0, sctp._advertised_rwnd))

    def _sack_due(self) -> None:
        if self._sctp._sack_needed and self._sctp._association_state is self._established:
            # Without a connection there is nobody to tell; aioice notices for itself.
            with contextlib.suppress(ConnectionError):
                self._run(self._sctp._send_sack())

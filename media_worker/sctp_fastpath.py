"""The common SCTP packets, read and written without the library's objects and tasks.

In a call nearly every packet is alike: one whole binary message in the expected order, an
acknowledgement without gaps, or both. Those are handled here, on the library's own state, which is
left exactly as the library would have left it. Everything else — setup, loss, reordering,
fragments, text, resets — is the library's, which finds nothing unusual.

Two things differ from the library on purpose, both within RFC 9260:

- An acknowledgement waits for the next message out, a second packet in, or ``SACK_DELAY_S``
  (section 6.2: at least every second packet, within 500 ms). Whatever goes the library's way is
  acknowledged at once, as it does.
- The retransmission timer is one that moves lazily.

Works on private parts of aiortc 1.16.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from struct import Struct
from typing import Any

from google_crc32c import extend as crc32c_extend
from google_crc32c import value as crc32c

from .lazy_timer import LazyTimer

PPID_BINARY = 53
"""WebRTC Binary (RFC 8831)."""
SACK_DELAY_S = 0.1
"""Longest wait of an acknowledgement. Shorter wakes the process up more often; it only ever
matters after the last packet of a pause, where the peer would repeat after 400 ms or more."""
MAX_PACKET_BYTES = 1189
"""What one SCTP packet may hold inside the smallest IPv6 packet."""

HEAD = Struct("!HHL")
"""Source port, destination port, verification tag; the checksum follows, little-endian."""
CHECKSUM = Struct("<L")
SACK = Struct("!BBHLLHH")
"""Type, flags, length, cumulative TSN, receive window, gap blocks, duplicates."""
DATA = Struct("!BBHLHHL")
"""Type, flags, length, TSN, stream, its sequence number, protocol; the message follows."""
HEAD_BYTES = HEAD.size + CHECKSUM.size
MAX_MESSAGE_BYTES = (MAX_PACKET_BYTES - HEAD_BYTES - DATA.size) // 4 * 4
"""Longer messages are fragmented."""

TYPE_DATA, TYPE_SACK = 0, 3
WHOLE = 3
"""DATA flags: first and last fragment."""
UNORDERED = 4
IMMEDIATE = 8
"""DATA flag: the sender wants its acknowledgement now (RFC 7053)."""
NO_CHECKSUM = bytes(4)
PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")
U16, U32, HALF_U32 = 0xFFFF, 0xFFFF_FFFF, 0x8000_0000

Run = Callable[[Coroutine[Any, Any, None]], None]
Receiver = Callable[[bytes], None]


class SctpFastPath:
    """The plain packets of one association."""

    def __init__(
        self,
        sctp: Any,
        chunk_class: type[Any],
        transmit: Callable[[bytes], None],
        run: Run,
        clock_s: Callable[[], float],
    ) -> None:
        """``sctp``: an RTCSctpTransport whose timers are taken over.

        ``chunk_class``: the library's DataChunk. ``transmit`` sends one packet (raises
        ConnectionError where nothing can be sent); ``run`` runs a coroutine of the library;
        ``clock_s`` is the clock by which the library stamps chunks.
        """
        self._sctp = sctp
        self._chunk_class = chunk_class
        self._clock_s = clock_s
        self._transmit = transmit
        self._run = run
        self._established = type(sctp._association_state).ESTABLISHED
        self._closed = type(sctp._association_state).CLOSED
        self._receivers: dict[int, tuple[Any, Receiver]] = {}
        self._tags = (0, 0)
        self._head_in = self._head_out = b""
        self._crc_in = self._crc_out = 0
        self._sack_timer = LazyTimer(sctp._loop, self._sack_due)
        self._t3 = LazyTimer(sctp._loop, sctp._t3_expired)
        vars(sctp).update(
            _t3_start=self._t3_start, _t3_restart=self._t3_start, _t3_cancel=self._t3_cancel
        )
        self.taken_total = 0
        """Packets that came and were handled here."""

    def listen(self, channel: Any, receiver: Receiver) -> None:
        """Hand the whole binary messages of an open channel to ``receiver`` directly."""
        self._receivers[channel.id] = (channel, receiver)

    def close(self) -> None:
        """Let no timer fire any more."""
        self._sack_timer.close()
        self._t3.close()

    # In

    def receive(self, packet: bytes) -> bool:
        """Handle one decrypted packet; False, and nothing is changed, where the library must."""
        sctp = self._sctp
        size = len(packet)
        if size < HEAD_BYTES + SACK.size or sctp._association_state is not self._established:
            return False
        if self._tags != (sctp._local_verification_tag, sctp._remote_verification_tag):
            self._learn_tags()
        if packet[: HEAD.size] != self._head_in:
            return False
        at, acked = HEAD_BYTES, None
        if packet[at] == TYPE_SACK:
            _, _, length, acked, _, gaps, duplicates = SACK.unpack_from(packet, at)
            if length != SACK.size or gaps or duplicates or not self._plain_ack(acked):
                return False
            at += SACK.size
        data = None
        if at != size:
            data = self._expected(packet, at, size)
            if data is None:
                return False
        if CHECKSUM.unpack_from(packet, HEAD.size)[0] != crc32c_extend(
            self._crc_in, packet[HEAD_BYTES:]
        ):
            return False
        self.taken_total += 1
        if acked is not None:
            self._take_ack(acked)
        if data is not None:
            self._take_data(data, packet, at)
        return True

    def _expected(self, packet: bytes, at: int, size: int) -> tuple[int, ...] | None:
        """The fields of the DATA chunk at ``at`` if it is the plain next one and ends there."""
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
            self._sack_timer.start(SACK_DELAY_S)
        try:
            self._receivers[stream_id][1](packet[at + DATA.size : at + length])
        finally:
            if now and sctp._sack_needed:
                self._send_packet(self._sack())

    def _plain_ack(self, acked: int) -> bool:
        """Whether an acknowledgement up to ``acked`` has nothing to do with loss."""
        sctp = self._sctp
        return (
            (acked - sctp._last_sacked_tsn) & U32 < HALF_U32
            and sctp._advanced_peer_ack_tsn == sctp._last_sacked_tsn
            and sctp._fast_recovery_exit is None
            and sctp._forward_tsn_chunk is None
            and not sctp._forward_tsn_streams
        )

    def _take_ack(self, acked: int) -> None:
        """As ``_receive_sack_chunk`` without gaps and outside of recovery."""
        sctp = self._sctp
        sent = sctp._sent_queue
        full = sctp._flight_size >= sctp._cwnd
        done = done_bytes = 0
        while sent and (acked - sent[0].tsn) & U32 < HALF_U32:
            chunk = sent.popleft()
            done += 1
            if not chunk._acked:
                done_bytes += chunk._book_size
            if chunk._in_flight:
                chunk._in_flight = False
                sctp._flight_size -= chunk._book_size
            if done == 1 and chunk._sent_count == 1:
                sctp._update_rto(self._clock_s() - chunk._sent_time)
        sctp._last_sacked_tsn = sctp._advanced_peer_ack_tsn = acked
        if done and full:
            self._widen(done_bytes)
        if not sent:
            self._t3_cancel()
        elif done:
            self._t3_start()
        if sctp._data_channel_queue or sctp._outbound_queue or self._to_repeat():
            sctp._update_advanced_peer_ack_point()
            self._run(sctp._data_channel_flush())
            self._run(sctp._transmit())

    def _widen(self, done_bytes: int) -> None:
        """Slow start, or congestion avoidance."""
        sctp = self._sctp
        if sctp._cwnd <= sctp._ssthresh:
            sctp._cwnd += min(done_bytes, MAX_MESSAGE_BYTES)
            return
        sctp._partial_bytes_acked += done_bytes
        if sctp._partial_bytes_acked >= sctp._cwnd:
            sctp._partial_bytes_acked -= sctp._cwnd
            sctp._cwnd += MAX_MESSAGE_BYTES

    def _to_repeat(self) -> bool:
        return any(chunk._retransmit or chunk._abandoned for chunk in self._sctp._sent_queue)

    # Out

    def send(self, channel: Any, data: bytes) -> bool:
        """Send one binary message now; False where it must queue, or is no plain one."""
        sctp = self._sctp
        length = len(data)
        if (
            sctp._association_state is not self._established
            or not 0 < length <= MAX_MESSAGE_BYTES
            or channel.id is None
            or sctp._data_channel_queue
            or sctp._outbound_queue
            or sctp._forward_tsn_chunk is not None
            or sctp._reconfig_queue
            or sctp._flight_size >= sctp._cwnd
            or (sctp._sent_queue and self._to_repeat())
        ):
            return False
        chunk = self._chunk(channel, data)
        content = (
            DATA.pack(
                TYPE_DATA,
                chunk.flags,
                DATA.size + length,
                chunk.tsn,
                chunk.stream_id,
                chunk.stream_seq,
                PPID_BINARY,
            )
            + data
            + PADDING[length & 3]
        )
        sctp._sent_queue.append(chunk)
        sctp._flight_size += length
        if sctp._t3_handle is None:
            self._t3_start()
        if (
            sctp._sack_needed
            and not sctp._sack_misordered
            and not sctp._sack_duplicates
            and len(content) <= MAX_PACKET_BYTES - HEAD_BYTES - SACK.size
        ):
            content = self._sack() + content
        self._send_packet(content)
        return True

    def _chunk(self, channel: Any, data: bytes) -> Any:
        """The library's record of a message that is being sent for the first time."""
        sctp = self._sctp
        chunk: Any = object.__new__(self._chunk_class)
        stream_id = channel.id
        stream_seq, flags = 0, WHOLE | UNORDERED
        if channel.ordered:
            stream_seq, flags = sctp._outbound_stream_seq.get(stream_id, 0), WHOLE
            sctp._outbound_stream_seq[stream_id] = (stream_seq + 1) & U16
        now_s = self._clock_s()
        lifetime_ms = channel.maxPacketLifeTime
        chunk.__dict__ = {
            "flags": flags,
            "tsn": sctp._local_tsn,
            "stream_id": stream_id,
            "stream_seq": stream_seq,
            "protocol": PPID_BINARY,
            "user_data": data,
            "_abandoned": False,
            "_acked": False,
            "_book_size": len(data),
            "_expiry": now_s + lifetime_ms / 1000 if lifetime_ms else None,
            "_in_flight": True,
            "_max_retransmits": channel.maxRetransmits,
            "_misses": 0,
            "_retransmit": False,
            "_sent_count": 1,
            "_sent_time": now_s,
        }
        sctp._local_tsn = (sctp._local_tsn + 1) & U32
        return chunk

    def _send_packet(self, chunks: bytes) -> None:
        sctp = self._sctp
        if self._tags != (sctp._local_verification_tag, sctp._remote_verification_tag):
            self._learn_tags()
        checksum = CHECKSUM.pack(crc32c_extend(self._crc_out, chunks))
        self._transmit(self._head_out + checksum + chunks)

    def _sack(self) -> bytes:
        """The acknowledgement of all that came, where nothing is missing; none is due then."""
        sctp = self._sctp
        sctp._sack_needed = False
        self._sack_timer.stop()
        window = max(0, sctp._advertised_rwnd)
        return SACK.pack(TYPE_SACK, 0, SACK.size, sctp._last_received_tsn, window, 0, 0)

    def _sack_due(self) -> None:
        if self._sctp._sack_needed and self._sctp._association_state is self._established:
            # Without a connection there is nobody to tell; the ICE library notices for itself.
            with contextlib.suppress(ConnectionError):
                self._run(self._sctp._send_sack())

    def _learn_tags(self) -> None:
        """The heads of the packets of both directions, and the checksums of those alone."""
        sctp = self._sctp
        self._tags = (sctp._local_verification_tag, sctp._remote_verification_tag)
        self._head_in = HEAD.pack(sctp._remote_port, sctp._local_port, self._tags[0])
        self._head_out = HEAD.pack(sctp._local_port, sctp._remote_port, self._tags[1])
        self._crc_in = crc32c(self._head_in + NO_CHECKSUM)
        self._crc_out = crc32c(self._head_out + NO_CHECKSUM)

    # Retransmission timer, in place of the library's

    def _t3_start(self) -> None:
        self._sctp._t3_handle = self._t3
        self._t3.start(self._sctp._rto)

    def _t3_cancel(self) -> None:
        self._sctp._t3_handle = None
        if self._sctp._association_state is self._closed:
            self._t3.close()
            self._sack_timer.close()
        else:
            self._t3.stop()

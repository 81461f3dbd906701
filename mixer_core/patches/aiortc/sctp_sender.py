"""Messages out and their acknowledgements in, on the state of aiortc's SCTP.

Each message is recorded as aiortc would have recorded it, so that aiortc can take over at any
moment: to retransmit, or because something unusual comes. Its retransmission timer is replaced by
one that is cheap to move.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

from aiortc.rtcsctptransport import DataChunk

from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.units import S_NS

from .sctp_wire import (
    MAX_BESIDE_SACK_BYTES,
    MAX_MESSAGE_BYTES,
    PPID_BINARY,
    U16,
    U32,
    UNORDERED,
    WHOLE,
    Heads,
    data_chunk,
    reached,
)

Run = Callable[[Coroutine[Any, Any, None]], None]


MAX_RTT_S = 60.0
"""The longest retransmission timer (RFC 9260, section 16)."""


def _checked(update_rto: Callable[[float], None]) -> Callable[[float], None]:
    """Leave out what cannot be a round-trip time: aiortc measures by a clock that may be set."""

    def checked(rtt_s: float) -> None:
        if 0.0 <= rtt_s <= MAX_RTT_S:
            update_rto(rtt_s)

    return checked


class SctpSender:
    """The sending half of one association."""

    def __init__(
        self,
        sctp: Any,
        heads: Heads,
        transmit: Callable[[bytes], None],
        run: Run,
        waiting_sack: Callable[[], bytes],
    ) -> None:
        """``waiting_sack``: the acknowledgement that is due, if it may travel with a message.

        The others as in ``SctpFastPath``.
        """
        self._sctp = sctp
        self._heads = heads
        self._transmit = transmit
        self._run = run
        self._clock_s = time.time  # By which aiortc stamps its chunks.
        self._waiting_sack = waiting_sack
        self._established = type(sctp._association_state).ESTABLISHED
        self._timer = LazyTimer(sctp._loop, self._expired)
        sctp._update_rto = _checked(sctp._update_rto)
        self._on_retry: Callable[[], None] = lambda: None
        sctp._t3_start = sctp._t3_restart = self._start_timer
        sctp._t3_cancel = self._stop_timer

    def close(self) -> None:
        """Cancel the timer."""
        self._timer.close()

    def send(self, channel: Any, data: bytes, protocol: int = PPID_BINARY) -> bool:
        """Send one message now; False where it must queue or be fragmented."""
        sctp = self._sctp
        if (
            sctp._association_state is not self._established
            or not 0 < len(data) <= MAX_MESSAGE_BYTES
            or channel.id is None
            or sctp._data_channel_queue
            or sctp._outbound_queue
            or sctp._forward_tsn_chunk is not None
            or sctp._reconfig_queue
            or sctp._flight_size >= sctp._cwnd
            or self._must_retransmit()
        ):
            return False
        chunk = self._chunk(channel, data, protocol)
        content = data_chunk(
            chunk.flags, chunk.tsn, chunk.stream_id, chunk.stream_seq, protocol, data
        )
        sctp._sent_queue.append(chunk)
        sctp._flight_size += len(data)
        if sctp._t3_handle is None:
            self._start_timer()
        if sctp._sack_needed and len(content) <= MAX_BESIDE_SACK_BYTES:
            content = self._waiting_sack() + content
        self._transmit(self._heads.packet(content))
        return True

    def resume(self) -> None:
        """The peer is there again: do now what the retransmission timer would do later."""
        sctp = self._sctp
        if sctp._association_state is not self._established or not sctp._sent_queue:
            return
        self._stop_timer()
        self._expired()

    def before_retry(self, drop_stale: Callable[[], None]) -> None:
        """Call ``drop_stale`` whenever nothing has been acknowledged for long."""
        self._on_retry = drop_stale

    def _expired(self) -> None:
        self._on_retry()
        now_s = self._clock_s()
        for chunk in self._sctp._outbound_queue:  # aiortc looks at what was sent only.
            if chunk._expiry is not None and chunk._expiry < now_s:
                chunk._abandoned = True
        self._sctp._t3_expired()

    def expects(self, acked: int) -> bool:
        """Whether an acknowledgement up to ``acked`` is new, and about what there is, and no loss
        is being repaired."""
        sctp = self._sctp
        return (
            reached(sctp._last_sacked_tsn, acked)
            and not reached(sctp._local_tsn, acked)
            and sctp._advanced_peer_ack_tsn == sctp._last_sacked_tsn
            and sctp._fast_recovery_exit is None
            and sctp._forward_tsn_chunk is None
            and not sctp._forward_tsn_streams
        )

    def acknowledged(self, acked: int) -> None:
        """What ``_receive_sack_chunk`` does without gaps and outside of recovery."""
        sctp = self._sctp
        sent = sctp._sent_queue
        full = sctp._flight_size >= sctp._cwnd
        done = done_bytes = 0
        while sent and reached(sent[0].tsn, acked):
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
            self._stop_timer()
        elif done:
            self._start_timer()
        if sctp._data_channel_queue or sctp._outbound_queue or self._must_retransmit():
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

    def _must_retransmit(self) -> bool:
        for chunk in self._sctp._sent_queue:  # noqa: SIM110  # any() takes three times as long
            if chunk._retransmit or chunk._abandoned:
                return True
        return False

    def _chunk(self, channel: Any, data: bytes, protocol: int) -> Any:
        """aiortc's record of a message that is being sent for the first time."""
        sctp = self._sctp
        chunk: Any = object.__new__(DataChunk)
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
            "protocol": protocol,
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

    # Retransmission timer, in place of aiortc's

    def _start_timer(self) -> None:
        self._sctp._t3_handle = self._timer
        self._timer.arm_after(int(self._sctp._rto * S_NS))

    def _stop_timer(self) -> None:
        sctp = self._sctp
        sctp._t3_handle = None
        if sctp._association_state is type(sctp._association_state).CLOSED:
            self._timer.close()
        else:
            self._timer.stop()

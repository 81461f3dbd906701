"""Delivers Opus packets from the socket, without aiortc's queue, task and jitter buffer.

STUN, DTLS and RTCP take their usual way, and aiortc's statistics are kept up, so that its receiver
reports stay true.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pylibsrtp
from aiortc import RTCRtpReceiver
from aiortc.rtcrtpreceiver import StreamStatistics

from mixer_core.runtime import logs

from ..aioice.datagrams import datagrams
from .rtp_wire import is_rtp, parse

log = logs.get("aiortc")


@dataclass(slots=True)
class TappedPacket:
    """One RTP packet, decrypted."""

    sequence_number: int
    """16 bit."""
    timestamp: int
    """RTP timestamp, 32 bit, at 48 kHz."""
    payload: bytes
    """One Opus packet; may be empty."""
    marker: bool
    """First packet of a talk spurt, if the sender sets it."""
    ssrc: int
    """The sender's stream id, 32 bit."""
    arrival_ns: int
    """When it was decrypted (monotonic)."""


OnPacket = Callable[[TappedPacket], None]


def tap_receiver(receiver: RTCRtpReceiver, on_packet: OnPacket) -> None:
    """Send the receiver's Opus packets to ``on_packet`` instead of aiortc's jitter buffer.

    RTCP reception reports and ``getStats`` keep working; the receiver's own track stays silent.
    Packets of other codecs are ignored. ``on_packet`` runs on the event loop, once per packet; an
    exception in it is logged and does not end the connection. May be called before or after the
    connection is negotiated.
    """
    _Tap(receiver, on_packet)


class _Tap:
    """Gets the first packet from aiortc, and the following ones from the socket."""

    def __init__(self, receiver: RTCRtpReceiver, on_packet: OnPacket) -> None:
        private: Any = receiver
        self._receiver = private
        self._on_packet = on_packet
        self._codecs: dict[int, Any] = private._RTCRtpReceiver__codecs
        self._streams: dict[int, Any] = private._RTCRtpReceiver__remote_streams
        self._reads_socket = False
        private._handle_rtp_packet = self._handle_rtp_packet

    async def _handle_rtp_packet(self, packet: Any, arrival_time_ms: int) -> None:
        if not self._reads_socket:
            self._take_over()
        self._deliver(
            packet.payload_type,
            packet.ssrc,
            packet.sequence_number,
            packet.timestamp,
            bool(packet.marker),
            packet.payload,
        )

    def _take_over(self) -> None:
        """The connection is up; it carries the packets of this receiver and of no other one."""
        self._receiver._RTCRtpReceiver__stop_decoder()  # Its thread would never have work.
        dtls = self._receiver.transport
        if len(dtls._rtp_router.receivers) == 1:
            self._reads_socket = True
            self._dtls = dtls
            self._connected = type(dtls._state).CONNECTED
            datagrams(dtls.transport._connection).take = self._take

    def _take(self, data: bytes) -> bool:
        """Handle a datagram of RTP; False for any other.

        DTLS that waits in aiortc's queue is overtaken, as the network may do at any time.
        """
        dtls = self._dtls
        if not is_rtp(data) or dtls._state is not self._connected:
            return False
        dtls._RTCDtlsTransport__rx_bytes += len(data)
        dtls._RTCDtlsTransport__rx_packets += 1
        try:
            second, seq, timestamp, ssrc, payload = parse(dtls._rx_srtp.unprotect(data))
        except (pylibsrtp.Error, ValueError, struct.error):
            return True  # Forged, repeated, longer than a datagram may be, or no RTP packet.
        self._deliver(second & 0x7F, ssrc, seq, timestamp, second > 127, payload)
        return True

    def _deliver(
        self, payload_type: int, ssrc: int, seq: int, timestamp: int, marker: bool, payload: bytes
    ) -> None:
        codec = self._codecs.get(payload_type)
        if codec is None or codec.name.lower() != "opus":
            return
        statistics: Any = self._streams.get(ssrc)
        if statistics is None:
            statistics = self._streams[ssrc] = StreamStatistics(codec.clockRate)
        packet = TappedPacket(seq, timestamp, payload, marker, ssrc, time.monotonic_ns())
        try:
            statistics.add(packet)
            self._on_packet(packet)
        except Exception:  # It would end aiortc's transport task, and with it the connection.
            log.exception("an RTP packet could not be handled")

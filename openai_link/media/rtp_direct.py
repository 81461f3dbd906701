"""RTP between socket and program in one go, without aiortc's queues and tasks.

aiortc hands every datagram through a queue to a task, and every packet to be sent through another,
although nothing on the way ever waits. Here a packet is protected and sent where it was made, and
unprotected and delivered where it was received: one wake-up less each way. STUN, DTLS and RTCP keep
their way, and aiortc's statistics are kept up, so that its sender and receiver reports stay true.

Works on private parts of aiortc 1.16 and aioice 0.13; objects are passed in. ``aiortc_media``
checks the releases and decides who uses this.
"""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable
from typing import Any

import pylibsrtp
from aiortc.rtp import RtpPacket

_UNIX_TO_NTP_S = 2_208_988_800  # RFC 5905 figure 4: seconds from 1900 to 1970.
_COMPONENT = 1
_FIXED = struct.Struct("!BBHII")  # RFC 3550 section 5.1: the first 12 bytes.
_NUMBERS = struct.Struct("!BHI")  # Its marker and payload type, sequence number, timestamp.
_EXTENSION = struct.Struct("!HH")

Deliver = Callable[[int, int, int, int, bool, bytes], None]
"""Takes payload type, SSRC, sequence number, timestamp, marker and payload of a packet."""


class RtpWriter:
    """Sends the packets of one ``RTCRtpSender`` that has been negotiated."""

    def __init__(self, sender: Any, payload_type: int) -> None:
        """``sender`` is asked for its transport, SSRC and header extensions."""
        self._sender = sender
        self._dtls = sender.transport
        self._connection = self._dtls.transport._connection
        self._connected = type(self._dtls._state).CONNECTED
        first = RtpPacket(payload_type=payload_type)
        first.ssrc = sender._ssrc
        first.extensions.mid = sender._RTCRtpSender__mid
        extensions = sender._RTCRtpSender__rtp_header_extensions_map
        self._header = bytearray(first.serialize(extensions))
        self._payload_type = payload_type
        # RFC 3711 section 3.3.1: from the lower half, so that an early loss cannot confuse SRTP.
        self._seq = random.getrandbits(15)
        self._origin = random.getrandbits(32)

    def send(self, payload: bytes, timestamp: int, marker: bool) -> bool:
        """Send now; False where the connection cannot. ``timestamp`` as in ``PacketTrack``."""
        dtls = self._dtls
        pair = self._connection._nominated.get(_COMPONENT)
        if dtls._state is not self._connected or pair is None:
            return False
        socket = pair.protocol.transport
        if socket.is_closing():
            return False
        header = self._header
        rtp_timestamp = (self._origin + timestamp) & 0xFFFF_FFFF
        first = self._payload_type | 0x80 if marker else self._payload_type
        _NUMBERS.pack_into(header, 1, first, self._seq, rtp_timestamp)
        self._seq = (self._seq + 1) & 0xFFFF
        data = dtls._tx_srtp.protect(bytes(header) + payload)
        socket.sendto(data, pair.remote_addr)
        self._count(len(data), len(payload), rtp_timestamp)
        return True

    def _count(self, datagram_bytes: int, payload_bytes: int, rtp_timestamp: int) -> None:
        """What aiortc's RTCP task and ``getStats`` read."""
        dtls, sender = self._dtls, self._sender
        dtls._RTCDtlsTransport__tx_bytes += datagram_bytes
        dtls._RTCDtlsTransport__tx_packets += 1
        seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        fraction = (nanoseconds << 32) // 1_000_000_000
        sender._RTCRtpSender__ntp_timestamp = ((seconds + _UNIX_TO_NTP_S) << 32) | fraction
        sender._RTCRtpSender__rtp_timestamp = rtp_timestamp
        sender._RTCRtpSender__octet_count += payload_bytes
        sender._RTCRtpSender__packet_count += 1


class RtpReader:
    """Takes the RTP datagrams of one connection before they reach aiortc's queue."""

    def __init__(self, dtls: Any, deliver: Deliver) -> None:
        """``dtls`` is an ``RTCDtlsTransport`` that is connected."""
        self._dtls = dtls
        self._connected = type(dtls._state).CONNECTED
        self._deliver = deliver
        self._connection = dtls.transport._connection
        self._beneath = self._connection.data_received
        self.malformed = 0
        """Datagrams that authenticate and are no RTP packets."""
        self._connection.data_received = self._data_received

    def _data_received(self, data: bytes, component: int) -> None:
        # DTLS that waits in aiortc's queue is overtaken, as the network may do at any time.
        if is_rtp(data) and self._dtls._state is self._connected:
            self._rtp(data)
        else:
            self._beneath(data, component)

    def _rtp(self, data: bytes) -> None:
        dtls = self._dtls
        dtls._RTCDtlsTransport__rx_bytes += len(data)
        dtls._RTCDtlsTransport__rx_packets += 1
        try:
            packet = dtls._rx_srtp.unprotect(data)
        except (pylibsrtp.Error, ValueError):
            return  # Forged, repeated, or longer than a datagram may be.
        try:
            second, seq, timestamp, ssrc, payload = parse(packet)
        except (ValueError, struct.error):
            self.malformed += 1
            return
        self._deliver(second & 0x7F, ssrc, seq, timestamp, second > 127, payload)


def is_rtp(data: bytes) -> bool:
    """Whether a datagram is (S)RTP and not (S)RTCP, by its first two bytes (RFC 7983, RFC 5761)."""
    return len(data) > 1 and 127 < data[0] < 192 and not 192 <= data[1] <= 223


def parse(packet: bytes) -> tuple[int, int, int, int, bytes]:
    """Second byte (marker, payload type), sequence number, timestamp, SSRC, payload of RTP.

    Raises ValueError or struct.error when the packet is shorter than its header says.
    """
    first, second, seq, timestamp, ssrc = _FIXED.unpack_from(packet)
    begin, end = 12 + 4 * (first & 0x0F), len(packet)
    if first & 0x10:
        begin += 4 + 4 * _EXTENSION.unpack_from(packet, begin)[1]
    if first & 0x20:
        if not packet[-1]:
            raise ValueError("the padding has no length")
        end -= packet[-1]
    if begin > end:
        raise ValueError("the packet ends within its header")
    return second, seq, timestamp, ssrc, packet[begin:end]

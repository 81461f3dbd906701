"""Sends RTP packets from where they are made, without aiortc's queue and task.

aiortc's statistics are kept up, so that its sender reports stay true.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiortc import RTCRtpSender
from aiortc.rtp import RtpPacket

from mixer_core.runtime import logs
from mixer_core.runtime.units import S_NS

from .rtp_wire import NUMBERS

_UNIX_TO_NTP_S = 2_208_988_800  # RFC 5905 figure 4: seconds from 1900 to 1970.
_COMPONENT = 1

log = logs.get("aiortc")


class RtpWriter:
    """Sends the packets of one ``RTCRtpSender`` that has been negotiated."""

    def __init__(self, sender: RTCRtpSender, payload_type: int) -> None:
        private: Any = sender
        self._sender = private
        self._dtls: Any = sender.transport
        self._nominated = self._dtls.transport._connection._nominated
        self._connected = type(self._dtls._state).CONNECTED
        first = RtpPacket(payload_type=payload_type)
        first.ssrc = private._ssrc
        first.extensions.mid = private._RTCRtpSender__mid
        extensions = private._RTCRtpSender__rtp_header_extensions_map
        self._header = bytearray(first.serialize(extensions))
        self._payload_type = payload_type
        # RFC 3711 section 3.3.1: from the lower half, so that an early loss cannot confuse SRTP.
        self._seq = random.getrandbits(15)
        self._origin = random.getrandbits(32)

    def send(self, payload: bytes, timestamp: int, marker: bool) -> bool:
        """Send now; False where the connection cannot.

        ``timestamp``: ticks of the codec's RTP clock since the start, unbounded.
        """
        dtls = self._dtls
        pair = self._nominated.get(_COMPONENT)
        if dtls._state is not self._connected or pair is None:
            return False
        socket = pair.protocol.transport
        if socket.is_closing():
            return False
        header = self._header
        rtp_timestamp = (self._origin + timestamp) & 0xFFFF_FFFF
        first = self._payload_type | 0x80 if marker else self._payload_type
        NUMBERS.pack_into(header, 1, first, self._seq, rtp_timestamp)
        self._seq = (self._seq + 1) & 0xFFFF
        data = dtls._tx_srtp.protect(bytes(header) + payload)
        socket.sendto(data, pair.remote_addr)
        self._count(len(data), len(payload), rtp_timestamp)
        return True

    def _count(self, datagram_bytes: int, payload_bytes: int, rtp_timestamp: int) -> None:
        """Keep what aiortc's RTCP task and ``getStats`` read."""
        dtls, sender = self._dtls, self._sender
        dtls._RTCDtlsTransport__tx_bytes += datagram_bytes
        dtls._RTCDtlsTransport__tx_packets += 1
        seconds, nanoseconds = divmod(time.time_ns(), S_NS)
        fraction = (nanoseconds << 32) // S_NS
        sender._RTCRtpSender__ntp_timestamp = ((seconds + _UNIX_TO_NTP_S) << 32) | fraction
        sender._RTCRtpSender__rtp_timestamp = rtp_timestamp
        sender._RTCRtpSender__octet_count += payload_bytes
        sender._RTCRtpSender__packet_count += 1


def replace_rtp_task(
    sender: RTCRtpSender, write: Callable[[RtpWriter], Awaitable[None]], stop: Callable[[], None]
) -> None:
    """Have ``write`` send the packets of ``sender``, in place of aiortc's task.

    Call it before the connection is negotiated. ``write`` is started once it is and cancelled at
    the end; ``stop`` is called after it. RTCP sender reports and ``getStats`` keep working.
    """
    private: Any = sender

    async def run_rtp(codec: Any) -> None:
        private._RTCRtpSender__rtp_started.set()
        try:
            await write(RtpWriter(sender, codec.payloadType))
        except asyncio.CancelledError:
            pass  # aiortc ends this task so, and does not await it.
        except Exception:
            log.exception("RTP cannot be sent")
        finally:  # ``RTCRtpSender.stop`` waits for it.
            stop()
            private._RTCRtpSender__rtp_exited.set()

    private._run_rtp = run_rtp


def name_stream(sender: RTCRtpSender, stream_id: str, track_id: str) -> None:
    """Set the ``a=msid`` of a sender, which aiortc makes up otherwise."""
    private: Any = sender
    private._stream_id = stream_id
    private._track_id = track_id

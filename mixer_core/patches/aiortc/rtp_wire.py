"""The bytes of RTP packets (RFC 3550)."""

from __future__ import annotations

import struct

FIXED = struct.Struct("!BBHII")
"""Section 5.1, the first 12 bytes: flags, marker and payload type, sequence number, timestamp,
SSRC."""
NUMBERS = struct.Struct("!BHI")
"""Of these: marker and payload type, sequence number, timestamp."""
_EXTENSION = struct.Struct("!HH")


def is_rtp(data: bytes) -> bool:
    """Whether a datagram is (S)RTP and not (S)RTCP, by its first two bytes (RFC 7983, RFC 5761)."""
    return len(data) > 1 and 127 < data[0] < 192 and not 192 <= data[1] <= 223


def parse(packet: bytes) -> tuple[int, int, int, int, bytes]:
    """Second byte (marker, payload type), sequence number, timestamp, SSRC, payload.

    Raises ValueError or struct.error when the packet is shorter than its header says.
    """
    first, second, seq, timestamp, ssrc = FIXED.unpack_from(packet)
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

"""The bytes of common SCTP packets (RFC 9260): acknowledgements and whole messages.

Chunk and stream numbers wrap around.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from google_crc32c import extend as crc32c_extend
from google_crc32c import value as crc32c

PPID_STRING, PPID_BINARY = 51, 53
"""WebRTC String and WebRTC Binary (RFC 8831)."""
MAX_PACKET_BYTES = 1189
"""The SCTP packet that fits into the smallest IPv6 packet."""

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
MAX_BESIDE_SACK_BYTES = MAX_PACKET_BYTES - HEAD_BYTES - SACK.size
"""Chunks that leave room for an acknowledgement."""

TYPE_DATA, TYPE_SACK = 0, 3
WHOLE = 3
"""DATA flags: first and last fragment."""
UNORDERED = 4
IMMEDIATE = 8
"""DATA flag: the sender wants its acknowledgement now (RFC 7053)."""
U16, U32, HALF_U32 = 0xFFFF, 0xFFFF_FFFF, 0x8000_0000
_NO_CHECKSUM = bytes(4)
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


def reached(tsn: int, upto: int) -> bool:
    """Whether an acknowledgement up to ``upto`` covers chunk ``tsn``."""
    return (upto - tsn) & U32 < HALF_U32


def data_chunk(
    flags: int, tsn: int, stream_id: int, stream_seq: int, protocol: int, message: bytes
) -> bytes:
    """A whole message (at most ``MAX_MESSAGE_BYTES``) as a DATA chunk, padded."""
    length = len(message)
    head = DATA.pack(TYPE_DATA, flags, DATA.size + length, tsn, stream_id, stream_seq, protocol)
    return head + message + _PADDING[length & 3]


def sack_chunk(tsn: int, window_bytes: int) -> bytes:
    """The acknowledgement of everything up to ``tsn``, with nothing missing."""
    return SACK.pack(TYPE_SACK, 0, SACK.size, tsn, window_bytes, 0, 0)


class Heads:
    """The headers of one association's packets, both ways, and their part of the checksum."""

    __slots__ = ("_crc_in", "_crc_out", "_in", "_out", "_sctp", "_tag_in", "_tag_out")

    def __init__(self, sctp: Any) -> None:
        """``sctp``: an RTCSctpTransport; ports and tags are read when the first packet passes."""
        self._sctp = sctp
        self._tag_in = self._tag_out = 0
        self._in = self._out = b""
        self._crc_in = self._crc_out = 0

    def begins(self, packet: bytes) -> bool:
        """Whether ``packet`` has the peer's header."""
        if self._sctp._local_verification_tag != self._tag_in:
            self._learn()
        return packet[: HEAD.size] == self._in

    def intact(self, packet: bytes) -> bool:
        """Whether the checksum of a packet with the peer's header is right."""
        checksum: int = crc32c_extend(self._crc_in, packet[HEAD_BYTES:])
        return CHECKSUM.unpack_from(packet, HEAD.size) == (checksum,)

    def packet(self, chunks: bytes) -> bytes:
        """A packet to the peer, of whole chunks."""
        if self._sctp._remote_verification_tag != self._tag_out:
            self._learn()
        return self._out + CHECKSUM.pack(crc32c_extend(self._crc_out, chunks)) + chunks

    def _learn(self) -> None:
        sctp = self._sctp
        self._tag_in = sctp._local_verification_tag
        self._tag_out = sctp._remote_verification_tag
        self._in = HEAD.pack(sctp._remote_port, sctp._local_port, self._tag_in)
        self._out = HEAD.pack(sctp._local_port, sctp._remote_port, self._tag_out)
        self._crc_in = crc32c(self._in + _NO_CHECKSUM)
        self._crc_out = crc32c(self._out + _NO_CHECKSUM)

"""RTP's clock and its wrapping numbers. Sans-I/O."""

from __future__ import annotations

FRAME_TICKS = 960
"""One 20 ms frame on RTP's clock, which is 48 kHz for Opus at any sample rate (RFC 7587)."""


def seq_delta(newer: int, older: int) -> int:
    """Return ``newer - older`` of two 16-bit sequence numbers, -32768 to 32767 (RFC 1982)."""
    return ((newer - older + 0x8000) & 0xFFFF) - 0x8000


def timestamp_delta(newer: int, older: int) -> int:
    """Return ``newer - older`` of two 32-bit RTP timestamps, -2**31 to 2**31 - 1."""
    return ((newer - older + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000

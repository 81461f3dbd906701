"""RTP's clock and its wrapping numbers. Sans-I/O."""

from __future__ import annotations

RTP_CLOCK_HZ = 48_000
"""The clock of RTP timestamps for Opus, whatever the real sample rate (RFC 7587)."""
FRAME_TICKS = 960
"""Ticks of that clock in one 20 ms frame."""


def seq_delta(newer: int, older: int) -> int:
    """Return ``newer - older`` of two 16-bit sequence numbers, -32768 to 32767 (RFC 1982)."""
    return ((newer - older + 0x8000) & 0xFFFF) - 0x8000


def timestamp_delta(newer: int, older: int) -> int:
    """Return ``newer - older`` of two 32-bit RTP timestamps, -2**31 to 2**31 - 1."""
    return ((newer - older + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000

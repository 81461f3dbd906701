"""Counts expected RTP packets by sequence number (RFC 3550 appendix A.3). Sans-I/O."""

from __future__ import annotations

from ...media.rtp_numbers import seq_delta


class PacketCount:
    """Counts the packets that arrived, and those that should have."""

    def __init__(self) -> None:
        self.received = 0
        """Packets that arrived, duplicates included."""
        self._expected_before = 0
        self._ssrc: int | None = None
        self._first = 0
        self._highest = 0

    @property
    def expected(self) -> int:
        """Packets from the first to the newest number, over all streams."""
        if self._ssrc is None:
            return 0
        return self._expected_before + self._highest - self._first + 1

    def add(self, seq: int, ssrc: int) -> None:
        """Count a packet; ``seq`` has 16 bits."""
        self.received += 1
        if ssrc != self._ssrc:
            self._expected_before = self.expected
            self._ssrc = ssrc
            self._first = self._highest = seq
            return
        ahead = seq_delta(seq, self._highest & 0xFFFF)
        if ahead > 0:
            self._highest += ahead

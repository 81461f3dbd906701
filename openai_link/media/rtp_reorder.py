"""Puts the packets of one RTP stream in order, and notices which are missing. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from .rtp_numbers import seq_delta

MAX_DROPOUT = 3_000
"""RFC 3550 appendix A.1: a jump further ahead is a restart of the sender …"""
MAX_MISORDER = 100
"""… and so is one further back."""
REMEMBERED = 128
"""Sequence numbers that are kept, to tell a duplicate from a late packet."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet that waits, or is next."""

    timestamp: int
    """RTP timestamp, 32 bit."""
    payload: bytes
    arrival_ns: int
    """Monotonic."""


@dataclass(slots=True)
class OrderCounters:
    """What has happened to packets so far."""

    duplicates: int = 0
    """Packets that had been seen already."""
    late: int = 0
    """Packets that came after they had been given up."""
    discarded: int = 0
    """Packets dropped by a reset or while the sender's numbering was in doubt."""
    lost: int = 0
    """Packets given up, whether or not they came later."""
    resets: int = 0
    """Restarts of the sender: another SSRC, or a jump in its numbering."""


class ReorderBuffer:
    """``put`` each packet, ``pop`` until None, and ``skip_gap`` when the wait is over."""

    def __init__(self, counters: OrderCounters) -> None:
        """``counters``: kept up to date here."""
        self.counters = counters
        self._ssrc: int | None = None
        self._next_seq: int | None = None
        self._waiting: dict[int, Packet] = {}
        self._seen: dict[int, None] = {}
        self._suspect_seq: int | None = None

    def __len__(self) -> int:
        """Packets that wait for a missing one."""
        return len(self._waiting)

    def oldest_ns(self) -> int | None:
        """When the packet arrived that has waited longest; None if none waits."""
        return min((packet.arrival_ns for packet in self._waiting.values()), default=None)

    def put(self, seq: int, ssrc: int, packet: Packet) -> bool:
        """Take a packet; True if it begins a new stream: nothing of the old one is left.

        A changed ``ssrc`` starts a new stream, and so does a jump in the numbering that a second
        packet confirms (RFC 3550 appendix A.1).
        """
        if ssrc != self._ssrc:
            if self._ssrc is not None:
                self._restart()
            self._ssrc = ssrc
        begins = self._next_seq is None
        if self._next_seq is None:
            self._next_seq = seq
        if seq in self._seen:
            self.counters.duplicates += 1
            return False
        delta = seq_delta(seq, self._next_seq)
        if not -MAX_MISORDER < delta < MAX_DROPOUT:
            if seq != self._suspect_seq:
                self._suspect_seq = (seq + 1) & 0xFFFF
                self.counters.discarded += 1
                return False
            self._restart()
            self._next_seq = seq
            begins = True
        elif delta < 0:
            self._suspect_seq = None
            self.counters.late += 1
            return False
        self._suspect_seq = None
        self._remember(seq)
        self._waiting[seq] = packet
        return begins

    def pop(self) -> Packet | None:
        """Remove and return the next packet in order; None if it has not come."""
        if self._next_seq is None:
            return None
        packet = self._waiting.pop(self._next_seq, None)
        if packet is not None:
            self._next_seq = (self._next_seq + 1) & 0xFFFF
        return packet

    def skip_gap(self) -> tuple[int, Packet]:
        """Give up what is missing before the first packet that waits; only while some wait.

        Returns how many packets were given up, and the one that is next now.
        """
        next_seq = self._next_seq or 0
        first = min(self._waiting, key=lambda seq: seq_delta(seq, next_seq))
        lost = seq_delta(first, next_seq)
        self.counters.lost += lost
        self._next_seq = first
        return lost, self._waiting[first]

    def _restart(self) -> None:
        """Forget the stream: the next packet begins a new one. Waiting packets are discarded."""
        self.counters.resets += 1
        self.counters.discarded += len(self._waiting)
        self._waiting.clear()
        self._seen.clear()
        self._next_seq = None
        self._suspect_seq = None

    def _remember(self, seq: int) -> None:
        self._seen[seq] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

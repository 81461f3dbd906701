"""What one peer may cost an association, in chunks, bytes and answers. Sans-I/O.

aiortc keeps whatever comes: it advertises a receive window and never enforces it, answers every
chunk of a packet, and takes a parameter of length zero for one that never ends. Here each packet is
looked at before aiortc reads it (RFC 9260, sections 3.2 and 3.3), and each DATA chunk before it is
kept.
"""

from __future__ import annotations

from enum import Enum
from struct import Struct, error

from mixer_core.runtime.token_bucket import TokenBucket

from .sctp_wire import HALF_U32, HEAD_BYTES, U32

WINDOW_BYTES = 1 << 20
"""The receive window that aiortc advertises: most that waits for the rest of its message."""
LEAST_CHUNK_BYTES = 1024
"""A chunk that waits counts as at least this much: its object and the search through it cost."""
MESSAGE_BYTES = 262_144
"""Longest message that the SDP allows."""
MAX_AHEAD = 512
"""Chunk numbers beyond the last one in order that are kept. Their report fits into a packet."""
MAX_SKIP = 1 << 16
"""Chunk numbers that a peer may give up at once."""
MAX_STREAMS = 16
MAX_CHANNELS = 8
"""A browser has two."""
MAX_NAME_BYTES = 256
"""Label and protocol of a channel together."""
MAX_CHUNKS = 128
"""Chunks of one packet."""
MAX_DUPLICATES = 32
"""Chunks that came twice, per acknowledgement."""
MAX_PARAMETERS = 16
MAX_REQUESTS = 2
"""Parameters of one RE-CONFIG chunk (RFC 6525, section 3.1)."""

_CHUNK = Struct("!BBH")
_PARAMETER = Struct("!HH")
_SACK = Struct("!LLHH")
DATA, INIT, INIT_ACK, SACK, HEARTBEAT, HEARTBEAT_ACK, ABORT = range(7)
SHUTDOWN, ERROR, COOKIE_ECHO, RECONFIG, FORWARD_TSN = 7, 9, 10, 130, 192
_LEAST = {DATA: 17, INIT: 20, INIT_ACK: 20, SACK: 16, SHUTDOWN: 8, FORWARD_TSN: 8}
"""Type → least length with the head; aiortc reads as much without looking. DATA is never empty."""
_PARAMETERS_AT = {INIT: 20, INIT_ACK: 20, HEARTBEAT: 4, HEARTBEAT_ACK: 4, ABORT: 4, ERROR: 4}
_REQUESTS = {13: 16, 16: 12, 17: 12}
"""RE-CONFIG parameters that aiortc reads → least length with the head."""
_ANSWERED = {INIT, HEARTBEAT, SHUTDOWN, COOKIE_ECHO}


class Damaged(Exception):
    """The packet is not what a peer sends; the message says why."""


def look(packet: bytes) -> tuple[int, int]:
    """The chunks of a packet, and how many of them are answered. Raises Damaged."""
    at, size = HEAD_BYTES, len(packet)
    chunks = answers = 0
    while at <= size - _CHUNK.size:
        kind, _, length = _CHUNK.unpack_from(packet, at)
        if length < _LEAST.get(kind, _CHUNK.size) or at + length > size:
            raise Damaged(f"chunk of type {kind} with length {length}")
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise Damaged(f"more than {MAX_CHUNKS} chunks in a packet")
        answers += _answers(kind, packet, at, length)
        at += length + -length % 4
        if kind == INIT and (chunks > 1 or at <= size - _CHUNK.size):
            raise Damaged("an INIT that is not alone (RFC 9260, section 3.3.2)")
    return chunks, answers


def begins(packet: bytes) -> bool:
    """Whether a packet opens an association."""
    return len(packet) > HEAD_BYTES and packet[HEAD_BYTES] == INIT


def _answers(kind: int, packet: bytes, at: int, length: int) -> int:
    if kind == RECONFIG:
        return _check_requests(packet, at + _CHUNK.size, at + length)
    if kind in _PARAMETERS_AT:
        _parameters(packet, at + _PARAMETERS_AT[kind], at + length)
    elif kind == SACK:
        _, _, gaps, duplicates = _SACK.unpack_from(packet, at + _CHUNK.size)
        if 16 + 4 * (gaps + duplicates) > length:
            raise Damaged("an acknowledgement that is shorter than its lists")
    elif kind == FORWARD_TSN and length % 4:
        raise Damaged("a list of streams that ends in the middle")
    return kind in _ANSWERED


def _parameters(packet: bytes, at: int, end: int) -> list[tuple[int, int]]:
    """Type and length with the head of each parameter."""
    found: list[tuple[int, int]] = []
    while at <= end - _PARAMETER.size:
        kind, length = _PARAMETER.unpack_from(packet, at)
        if length < _PARAMETER.size or len(found) >= MAX_PARAMETERS:
            raise Damaged(f"a parameter of length {length}, after {len(found)}")
        found.append((kind, length))
        at += length + -length % 4
    return found


def _check_requests(packet: bytes, at: int, end: int) -> int:
    found = _parameters(packet, at, end)
    if len(found) > MAX_REQUESTS:
        raise Damaged(f"{len(found)} requests in one chunk")
    for kind, length in found:
        if length < _REQUESTS.get(kind, _PARAMETER.size) or (kind == 13 and length % 2):
            raise Damaged(f"a request of type {kind} with length {length}")
    return len(found)


def acknowledges_what_was_sent(
    cumulative: int, gaps: list[tuple[int, int]], last_sacked: int, next_tsn: int
) -> bool:
    """Whether an acknowledgement is about chunks that exist, each told once, in order.

    aiortc walks through every number of every gap block, wherever it leads.
    """
    if (cumulative - last_sacked) & U32 >= HALF_U32:
        return True  # A newer one has overtaken it: aiortc puts it aside.
    outstanding = (next_tsn - 1 - cumulative) & U32
    if outstanding >= HALF_U32:
        return False
    end = 0
    for first, last in gaps:
        if not end < first <= last <= outstanding:
            return False
        end = last
    return True


class Verdict(Enum):
    """What becomes of a DATA chunk."""

    KEEP = 0
    IGNORE = 1
    """It is acknowledged and thrown away: its stream is one too many."""
    REFUSE = 2
    """It is not acknowledged: the peer may send it again when there is room."""
    END = 3
    """Its message is longer than any may be: the association ends."""


def verdict(ahead: int, size: int, held: int, held_bytes: int, is_new_stream: bool) -> Verdict:
    """What becomes of a DATA chunk that is not a duplicate.

    Args:
        ahead: its number less the last one in order, from 1.
        size: of its data, bytes.
        held: chunks that wait for others.
        held_bytes: their data.
        is_new_stream: it would be one stream more than ``MAX_STREAMS``.
    """
    if ahead > MAX_AHEAD:
        return Verdict.REFUSE
    if is_new_stream:
        return Verdict.IGNORE
    waiting = max(held_bytes, held * LEAST_CHUNK_BYTES) + max(size, LEAST_CHUNK_BYTES)
    if ahead == 1:  # What others wait for always has room; a message without an end has not.
        return Verdict.KEEP if waiting <= WINDOW_BYTES + MESSAGE_BYTES else Verdict.END
    return Verdict.KEEP if waiting <= WINDOW_BYTES else Verdict.REFUSE


class Budget:
    """What one peer has left. A browser in a call uses a tenth of it."""

    CHUNKS = (2_000, 4_000)
    """A second, and at once."""
    ANSWERS = (20, 40)
    REFUSALS = (1_000, 10_000)
    """Beyond this many refusals the peer does not mean well."""

    def __init__(self) -> None:
        self._chunks = TokenBucket(*self.CHUNKS)
        self._answers = TokenBucket(*self.ANSWERS)
        self._refusals = TokenBucket(*self.REFUSALS)
        self.refused_total = 0
        """Chunks, packets and datagrams that were dropped."""

    def admit(self, packet: bytes, now_ns: int) -> bool:
        """Whether aiortc may read a packet. Raises Damaged."""
        try:
            chunks, answers = look(packet)
        except error as wrong:
            raise Damaged("a chunk that ends in the middle") from wrong
        if answers > self.ANSWERS[1] or (answers and not self._answers.take(now_ns, answers)):
            return False
        return self._chunks.take(now_ns, chunks or 1)

    def answer(self, now_ns: int) -> bool:
        """Whether one more thing may be answered."""
        return self._answers.take(now_ns)

    def refuse(self, now_ns: int) -> bool:
        """Something was dropped; returns whether the peer may go on."""
        self.refused_total += 1
        return self._refusals.take(now_ns)

"""Where a FLAC file's last whole frame ends, and how many samples there are up to it (RFC 9639).

For files whose writer died: mono, a fixed block size, frames one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

HEAD_BYTES = 42
"""``fLaC``, the head of the first block, and that block: STREAMINFO (section 8.2)."""
TAIL_BYTES = 1 << 16
"""What a search needs of the end of a file: several frames of any size that we write."""
_COUNT_AT, _COUNT_BITS = 18, 36
"""Where the number of samples is: the low bits of 8 bytes."""
_BLOCK_AT = 8
_SYNC = b"\xff\xf8"
_MOST_TRIED = 8
"""Frames from the end that are looked at."""


def count_field(known: bytes, samples: int) -> tuple[int, bytes]:
    """Where the number of samples goes, and the bytes there. ``known``: the head so far."""
    field = int.from_bytes(known[_COUNT_AT : _COUNT_AT + 8], "big")
    return _COUNT_AT, (field >> _COUNT_BITS << _COUNT_BITS | samples).to_bytes(8, "big")


def last_frame(head: bytes, tail: bytes) -> tuple[int, int]:
    """Bytes of ``tail`` up to the end of its last whole frame, and samples up to there.

    Args:
        head: the first ``HEAD_BYTES`` of the file.
        tail: what follows them, or the last ``TAIL_BYTES`` of it. (0, 0): no frame is whole.
    """
    block = int.from_bytes(head[_BLOCK_AT : _BLOCK_AT + 2], "big")
    ends = [len(tail)]
    for at, number, size in _headers(tail):
        for end in ends:
            if _crc(tail[at:end], 16, 0x8005) == 0:  # Over a frame with its own CRC.
                return end, number * block + size
        if len(ends) == _MOST_TRIED:
            break
        ends.insert(0, at)
    return 0, 0


def _headers(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Positions of frames from the last to the first, with number and samples (section 9.1)."""
    at = data.rfind(_SYNC)
    while at >= 0:
        header = _header(data[at : at + 16])
        if header is not None:
            yield at, *header
        at = data.rfind(_SYNC, 0, at + 1)


def _header(data: bytes) -> tuple[int, int] | None:
    """Number and samples of a frame; None: it is none."""
    try:
        code, rate, used = data[2] >> 4, data[2] & 15, 4
        more = 0
        while data[used] << more & 0x80:  # As in UTF-8: so many bytes.
            more += 1
        number = data[used] & (0x7F >> more)
        for byte in data[used + 1 : used + max(more, 1)]:
            number = number << 6 | byte & 0x3F
        used += max(more, 1)
        wide = {6: 1, 7: 2}.get(code, 0)
        size = int.from_bytes(data[used : used + wide], "big") + 1 if wide else _size(code)
        used += wide + {12: 1, 13: 2, 14: 2}.get(rate, 0)
        return (number, size) if _crc(data[:used], 8, 0x07) == data[used] else None
    except IndexError:  # It is cut.
        return None


def _size(code: int) -> int:
    """Samples of a block (section 9.1.1)."""
    if code >= 8:
        return 256 << code - 8
    return 192 if code == 1 else 576 << code - 2 if code else 0


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    """Of ``data``, most significant bit first, beginning with 0."""
    top, mask, value = 1 << bits - 1, (1 << bits) - 1, 0
    for byte in data:
        value ^= byte << bits - 8
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
    return value

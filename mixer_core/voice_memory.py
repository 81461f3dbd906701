"""What a mixer has learned of its voices, for the one that goes on after it. Sans-I/O.

A few hundred bytes that the working mixer writes once a second and the next one reads: so nobody
who has been raised by 25 dB is quiet again for a second because a process has ended.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

_HEAD = struct.Struct("<4sII")  # magic and version, CRC-32 of the rest, voices
_VOICE = struct.Struct("<Iffff")
_MAGIC = b"mmv1"


@dataclass(frozen=True, slots=True)
class Learned:
    """Of one voice: see the fields of the same names in ``voice_kernels``."""

    gain_db: float
    """-60 … 60."""
    loudness_dbfs: float
    """-100 … 0."""
    words: float
    """0 … 50."""
    floor_dbfs: float
    """-80 … 0."""


def pack(voices: Mapping[int, Learned]) -> bytes:
    """Voices by stream."""
    rest = b"".join(
        _VOICE.pack(stream, one.gain_db, one.loudness_dbfs, one.words, one.floor_dbfs)
        for stream, one in voices.items()
    )
    return _HEAD.pack(_MAGIC, zlib.crc32(rest), len(voices)) + rest


def unpack(data: bytes) -> dict[int, Learned]:
    """The voices in ``data``; none where it is not whole, or holds what no mixer writes."""
    if len(data) < _HEAD.size:
        return {}
    magic, checksum, count = _HEAD.unpack_from(data)
    rest = data[_HEAD.size :]
    if magic != _MAGIC or len(rest) != count * _VOICE.size or zlib.crc32(rest) != checksum:
        return {}
    return {stream: one for stream, *fields in _VOICE.iter_unpack(rest) if (one := _sane(*fields))}


def _sane(gain_db: float, loudness_dbfs: float, words: float, floor_dbfs: float) -> Learned | None:
    values = (gain_db, loudness_dbfs, words, floor_dbfs)
    limits = ((-60, 60), (-100, 0), (0, 50), (-80, 0))
    if not all(
        math.isfinite(v) and low <= v <= high for v, (low, high) in zip(values, limits, strict=True)
    ):
        return None
    return Learned(*values)

"""What a mixer knows that no announcement says, for the one that goes on after it. Sans-I/O.

A few hundred bytes that the working mixer writes once a second and the next one reads: so nobody
who has been raised by 25 dB is quiet again for a second because a process has ended, and no device
plays beside another of its place until all of them have announced themselves.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

_HEAD = struct.Struct("<4sIII")  # magic and version, CRC-32 of the rest, voices, silent devices
_VOICE = struct.Struct("<Iffff")
_SILENT = struct.Struct("<I")
_MAGIC = b"mmv2"


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


@dataclass(frozen=True, slots=True)
class Memory:
    """What one mixer leaves to the next."""

    voices: Mapping[int, Learned] = field(default_factory=dict)
    """By stream."""
    soundless: frozenset[int] = frozenset()
    """Streams of devices that are sent no sound, since another one plays in their place."""


NOTHING = Memory()


def pack(memory: Memory) -> bytes:
    """The file's content."""
    voices = [
        _VOICE.pack(stream, one.gain_db, one.loudness_dbfs, one.words, one.floor_dbfs)
        for stream, one in memory.voices.items()
    ]
    silent = [_SILENT.pack(stream) for stream in sorted(memory.soundless)]
    rest = b"".join(voices + silent)
    return _HEAD.pack(_MAGIC, zlib.crc32(rest), len(voices), len(silent)) + rest


def unpack(data: bytes) -> Memory:
    """What is in ``data``: nothing where it is not whole; voices that no mixer writes are left
    out."""
    if len(data) < _HEAD.size:
        return NOTHING
    magic, checksum, voices, silent = _HEAD.unpack_from(data)
    rest = data[_HEAD.size :]
    split = voices * _VOICE.size
    is_whole = len(rest) == split + silent * _SILENT.size and zlib.crc32(rest) == checksum
    if magic != _MAGIC or not is_whole:
        return NOTHING
    known = _VOICE.iter_unpack(rest[:split])
    return Memory(
        {stream: one for stream, *fields in known if (one := _sane(*fields))},
        frozenset(stream for (stream,) in _SILENT.iter_unpack(rest[split:])),
    )


def _sane(gain_db: float, loudness_dbfs: float, words: float, floor_dbfs: float) -> Learned | None:
    values = (gain_db, loudness_dbfs, words, floor_dbfs)
    limits = ((-60, 60), (-100, 0), (0, 50), (-80, 0))
    if not all(
        math.isfinite(v) and low <= v <= high for v, (low, high) in zip(values, limits, strict=True)
    ):
        return None
    return Learned(*values)

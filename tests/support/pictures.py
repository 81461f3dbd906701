"""Pictures for tests: small files whose headers are real."""

from __future__ import annotations

import struct
import zlib


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width_px: int = 8, height_px: int = 6) -> bytes:
    """A grey PNG that every reader takes."""
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\x00" + b"\x80" * width_px) * height_px)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def segment(marker: int, data: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes((0xFF, marker)) + struct.pack(">H", 2 + len(data)) + data


def jpeg(width_px: int = 640, height_px: int = 480, size_bytes: int = 0, sof: int = 0xC0) -> bytes:
    """The headers of a JPEG, filled up to ``size_bytes`` with a scan that shows nothing."""
    frame = struct.pack(">BHHB", 8, height_px, width_px, 1) + b"\x01\x11\x00"
    head = b"\xff\xd8" + segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
    head += segment(sof, frame) + segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
    return head + b"\x55" * max(0, size_bytes - len(head) - 2) + b"\xff\xd9"

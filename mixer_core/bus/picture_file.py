"""What a picture's own bytes say of it: format and size, without decoding it. Sans-I/O.

JPEG (ITU-T T.81, B.2: markers up to the frame header) and PNG (RFC 2083, 11.2.2: IHDR) are what the
Realtime API takes. WebP, GIF and SVG are known by their first bytes, so that the words of the
refusal can name them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ..runtime.errors import PictureError

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_PNG_LEAST_BYTES = 57
"""Signature, IHDR, an empty IDAT and IEND."""
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF0 … SOF15; the others in this range are tables."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length: TEM, RST0 … RST7."""
MAX_SEGMENTS = 512
"""Segments before the frame header; a camera writes a dozen."""


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture as it is in a file."""

    kind: str
    """``jpeg`` or ``png``."""
    width_px: int
    height_px: int

    @property
    def media_type(self) -> str:
        """``image/jpeg`` or ``image/png``."""
        return f"image/{self.kind}"

    @property
    def long_edge_px(self) -> int:
        """Width or height, whichever is larger."""
        return max(self.width_px, self.height_px)


def read_picture(data: bytes) -> PictureFile:
    """What ``data`` is. Raises PictureError: no picture, damaged, or of another format."""
    if data.startswith(_JPEG):
        width_px, height_px = _jpeg_size(data)
        kind = "jpeg"
    elif data.startswith(_PNG):
        width_px, height_px = _png_size(data)
        kind = "png"
    else:
        raise PictureError(f"{_other(data)}: send a JPEG or a PNG", is_format=True)
    if not (width_px and height_px):
        raise PictureError(f"a {kind.upper()} of {width_px} × {height_px} pixels shows nothing")
    return PictureFile(kind, width_px, height_px)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    for _ in range(MAX_SEGMENTS):
        while data[at : at + 2] == b"\xff\xff":  # Fill bytes.
            at += 1
        if len(data) < at + 4 or data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker in _ALONE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _FRAME_HEADERS:
            if length < 8 or len(data) < at + 2 + length:
                break
            height_px, width_px = struct.unpack_from(">HH", data, at + 5)
            return width_px, height_px
        if length < 2 or marker in (0xD8, 0xD9, 0xDA):  # A second image, its end, or no header.
            break
        at += 2 + length
    raise PictureError("the JPEG is damaged: it does not say how large it is")


def _png_size(data: bytes) -> tuple[int, int]:
    is_whole = len(data) >= _PNG_LEAST_BYTES and data.endswith(_PNG_END)
    if not is_whole or data[8:16] != b"\x00\x00\x00\rIHDR":
        raise PictureError("the PNG is damaged: its beginning or its end is missing")
    width_px, height_px = struct.unpack_from(">II", data, 16)
    return width_px, height_px


def _other(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "this is a WebP, which the assistant's server does not take"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "this is a GIF, which the assistant's server does not take"
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<svg", b"<?xml", b"<!doctype")):
        return "this is an SVG or another document, and no picture"
    return "this is no picture"

"""The audio messages of the framed protocol: one frame with its header."""

from __future__ import annotations

from typing import NamedTuple

from mixer_core.bus import frames, pcm
from mixer_core.runtime.errors import BrowserMessageError

FRAMED_PROTOCOL = "mixminus.v1"
"""The data channel's ``protocol`` string that chooses frames instead of raw PCM."""
FRAME_MESSAGE_BYTES = frames.HEADER_BYTES + pcm.FRAME_BYTES
_AUDIO = int(frames.Kind.AUDIO)


class ChannelFrame(NamedTuple):
    """One AUDIO frame from a browser; the stream and the stamp of its header mean nothing."""

    epoch: int
    seq: int
    flags: int
    pcm: bytes
    """960 bytes."""


def read_frame(data: bytes) -> ChannelFrame:
    """Read one binary message of the framed protocol.

    Raises:
        BrowserMessageError: ``frame_version``, ``frame_kind`` or ``frame_length``.
    """
    if len(data) < frames.HEADER_BYTES:
        raise BrowserMessageError(
            "frame_length",
            f"a frame of {len(data)} bytes is shorter than its {frames.HEADER_BYTES}-byte header",
        )
    _, version, kind, epoch, seq, flags, _ = frames.HEADER.unpack_from(data)
    if version != frames.VERSION:
        raise BrowserMessageError(
            "frame_version",
            f"frame version {version} is unknown, this gateway speaks {frames.VERSION}",
        )
    if kind != _AUDIO:
        raise BrowserMessageError("frame_kind", f"frame kind {kind} is not AUDIO ({_AUDIO})")
    if len(data) != FRAME_MESSAGE_BYTES:
        raise BrowserMessageError(
            "frame_length",
            f"an audio frame is {FRAME_MESSAGE_BYTES} bytes with its header, got {len(data)}",
        )
    return ChannelFrame(epoch, seq, flags, data[frames.HEADER_BYTES :])

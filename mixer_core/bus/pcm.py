"""The one audio format inside mixminus: PCM16 little-endian, mono, 24 kHz, frames of 20 ms."""

from __future__ import annotations

from ..runtime.units import MS_NS

SAMPLE_RATE_HZ = 24_000
FRAME_MS = 20
FRAME_NS = FRAME_MS * MS_NS
FRAME_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000
SAMPLE_BYTES = 2
FRAME_BYTES = FRAME_SAMPLES * SAMPLE_BYTES
SILENCE = bytes(FRAME_BYTES)
"""One frame of digital silence."""


def is_silence(pcm: bytes) -> bool:
    """Whether every sample is exactly zero (``pcm`` of any length)."""
    return pcm.count(0) == len(pcm)


class FrameCutter:
    """Cuts a stream of raw PCM16 pieces of any even length into frames of 960 bytes.

    Plain clients send pieces of whatever size their audio API hands out.
    """

    def __init__(self, max_bytes: int = 64 * FRAME_BYTES) -> None:
        """``max_bytes`` bounds one piece; 64 frames are 1.28 s."""
        self._rest = b""
        self._max_bytes = max_bytes

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the rest of their frame, 0–958."""
        return len(self._rest)

    def push(self, piece: bytes) -> list[bytes]:
        """Add one piece; the frames that it completes, oldest first.

        Raises:
            ValueError: odd length, or longer than ``max_bytes``; nothing is kept of the piece.
        """
        if len(piece) % SAMPLE_BYTES:
            raise ValueError(f"PCM16 needs an even number of bytes, got {len(piece)}")
        if len(piece) > self._max_bytes:
            raise ValueError(f"a piece of {len(piece)} bytes is over {self._max_bytes}")
        data = self._rest + piece if self._rest else piece
        whole = len(data) - len(data) % FRAME_BYTES
        self._rest = data[whole:]
        return [data[i : i + FRAME_BYTES] for i in range(0, whole, FRAME_BYTES)]

    def flush(self) -> bytes | None:
        """The waiting rest, padded with silence to one frame; None where nothing waits."""
        if not self._rest:
            return None
        frame = self._rest + SILENCE[len(self._rest) :]
        self._rest = b""
        return frame

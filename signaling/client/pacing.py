"""Cuts speech into pieces of 20 ms, and says when each is due. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer  # Python 3.11 has it for type checkers only.

RATE_HZ = 24_000
FRAME_SAMPLES = 480
FRAME_BYTES = 2 * FRAME_SAMPLES
"""PCM16, mono."""
_SAMPLE_NS = 1_000_000_000 / RATE_HZ
_LATE_NS = 100_000_000
"""Whoever is later than this has paused: the time line starts again."""


def pieces(pcm: Buffer) -> Iterator[bytes]:
    """``pcm`` in pieces of 480 samples; the last may be shorter.

    Raises:
        ValueError: it is not PCM16.
    """
    view = memoryview(pcm)
    if view.format not in ("h", "<h", "=h", "B", "b", "c"):
        raise ValueError(
            f"play takes PCM16 (int16 or bytes), 24 kHz, mono; this has the format {view.format!r}:"
            " convert it, for example with (32767 * samples).astype('int16')"
        )
    data = view.tobytes()
    if len(data) % 2:
        raise ValueError(f"PCM16 has two bytes a sample: {len(data)} bytes are no whole number")
    for begin in range(0, len(data), FRAME_BYTES):
        yield data[begin : begin + FRAME_BYTES]


class Pacer:
    """A piece is due when the ones before it are over."""

    def __init__(self) -> None:
        self._over_ns = 0.0

    def due_ns(self, piece: bytes, now_ns: int) -> int:
        """When to send the next piece."""
        if now_ns - self._over_ns > _LATE_NS:
            self._over_ns = now_ns
        due_ns = round(self._over_ns)
        self._over_ns += len(piece) / 2 * _SAMPLE_NS
        return due_ns

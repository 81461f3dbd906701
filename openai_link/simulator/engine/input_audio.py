"""The input audio buffer, addressed in milliseconds since the session began. Sans-I/O."""

from __future__ import annotations

from mixer_core.bus.pcm import SAMPLE_BYTES, SAMPLE_RATE_HZ

BYTES_PER_MS = SAMPLE_RATE_HZ * SAMPLE_BYTES // 1000


class InputAudio:
    """Keeps the newest audio up to a limit; older audio is dropped."""

    def __init__(self, max_ms: int = 120_000) -> None:
        """``max_ms``: most audio that is kept (120 s are 5.8 MB)."""
        self._max_bytes = max_ms * BYTES_PER_MS
        self._pcm = bytearray()
        self.start_ms = 0
        """Start of the kept audio."""

    @property
    def end_ms(self) -> int:
        """End of the kept audio: the session's audio clock."""
        return self.start_ms + len(self._pcm) // BYTES_PER_MS

    @property
    def buffered_ms(self) -> int:
        """Length of the kept audio."""
        return len(self._pcm) // BYTES_PER_MS

    def append(self, pcm: bytes) -> None:
        """Add PCM16 of whole milliseconds."""
        self._pcm += pcm
        excess = len(self._pcm) - self._max_bytes
        if excess > 0:
            self.forget_before(self.start_ms + excess // BYTES_PER_MS)

    def forget_before(self, at_ms: int) -> None:
        """Drop the audio before ``at_ms``."""
        count = min(max(0, (at_ms - self.start_ms) * BYTES_PER_MS), len(self._pcm))
        del self._pcm[:count]
        self.start_ms += count // BYTES_PER_MS

    def clear(self) -> None:
        """Drop all audio; the clock goes on."""
        self.forget_before(self.end_ms)

    def cut(self, from_ms: int, to_ms: int) -> bytes:
        """Return the PCM16 between two positions, as far as it is kept."""
        first = max(0, (from_ms - self.start_ms) * BYTES_PER_MS)
        last = max(first, (to_ms - self.start_ms) * BYTES_PER_MS)
        return bytes(self._pcm[first:last])

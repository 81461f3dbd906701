"""Writes the input of a session to a WAV file that can be read meanwhile."""

from __future__ import annotations

import wave
from pathlib import Path

from mixer_core.bus.pcm import SAMPLE_BYTES, SAMPLE_RATE_HZ

_FLUSH_BYTES = SAMPLE_RATE_HZ * SAMPLE_BYTES  # One second.


class Recorder:
    """PCM16, 24 kHz mono; the file and its header are updated once per second."""

    def __init__(self, path: Path) -> None:
        """Create ``path`` and its directory. Raises OSError if it cannot be written."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("wb")
        self._wave = wave.open(self._file, "wb")  # noqa: SIM115 - closed by ``close``
        self._wave.setnchannels(1)
        self._wave.setsampwidth(SAMPLE_BYTES)
        self._wave.setframerate(SAMPLE_RATE_HZ)
        self._pending = bytearray()

    def write(self, pcm: bytes) -> None:
        """Append PCM16."""
        self._pending += pcm
        if len(self._pending) >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Update the file."""
        self._wave.writeframes(bytes(self._pending))
        self._file.flush()
        self._pending.clear()

    def close(self) -> None:
        """Write the rest and close the file."""
        self.flush()
        self._wave.close()
        self._file.close()

"""A FLAC file that can be read however its writer ends (RFC 9639).

The head is written first, with an unknown number of samples, then frame by frame; at the end the
number is put in. FFmpeg's encoder makes the frames: 24 ms each, which stand for themselves.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from mixer_core.bus.pcm import SAMPLE_RATE_HZ
from mixer_core.journal.flac_frames import HEAD_BYTES, count_field

_HEAD = b"fLaC\x80\x00\x00\x22"
"""The mark, and the head of the only block of metadata: STREAMINFO, 34 bytes (section 8.2)."""


class FlacFile:
    """Mono, 16 bits, 24 kHz."""

    def __init__(self, path: Path) -> None:
        """Make the file. Raises OSError; FileExistsError where there is one."""
        self._codec = av.CodecContext.create("flac", "w")
        self._codec.sample_rate = SAMPLE_RATE_HZ
        self._codec.layout = "mono"
        self._codec.format = "s16"
        self._codec.options = {"compression_level": "2"}
        self._codec.open()
        self._block: int = self._codec.frame_size
        self._waiting = np.empty(0, np.int16)
        self.samples = 0
        """Written so far."""
        self._size_bytes = 0
        self._is_broken = False
        """A frame could not be written: none follows."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        try:
            self._put(_HEAD + bytes(self._codec.extradata or b""))
        except OSError:
            os.close(self._fd)
            raise

    def write(self, samples: npt.NDArray[np.int16]) -> None:
        """Append; what does not fill a block waits for more. Raises OSError."""
        self._waiting = np.concatenate((self._waiting, samples))
        while len(self._waiting) >= self._block:
            block, self._waiting = self._waiting[: self._block], self._waiting[self._block :]
            self._encode(block)

    def sync(self) -> None:
        """What was encoded outlasts a power loss. Raises OSError."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Write the rest and the number of samples. Raises OSError; it is closed in any case."""
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, self._fd)
            stack.callback(self._count)
            if len(self._waiting) and not self._is_broken:
                self._encode(self._waiting)
            for packet in self._codec.encode(None):
                self._put(bytes(packet))

    def _count(self) -> None:
        """Say in the head how many samples there are."""
        at, field = count_field(os.pread(self._fd, HEAD_BYTES, 0), self.samples)
        os.pwrite(self._fd, field, at)
        self.sync()

    def _encode(self, block: npt.NDArray[np.int16]) -> None:
        frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = self.samples
        for packet in self._codec.encode(frame):
            self._put(bytes(packet))
        self.samples += len(block)

    def _put(self, data: bytes) -> None:
        """Append all of ``data``, or nothing."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            self._is_broken = True
            os.ftruncate(self._fd, self._size_bytes)
            raise
        self._size_bytes += len(data)

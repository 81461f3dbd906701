"""Sound to and from a PulseAudio server, by its simple interface: blocking, PCM16, 24 kHz, mono."""

from __future__ import annotations

import ctypes
import ctypes.util

from mixer_core.bus.pcm import FRAME_BYTES, SAMPLE_RATE_HZ

from ..report.errors import BenchmarkError

_PLAYBACK, _RECORD = 1, 2
_S16LE = 3
_UNSET = 0xFFFF_FFFF


class _Format(ctypes.Structure):
    _fields_ = (
        ("format", ctypes.c_int),
        ("rate", ctypes.c_uint32),
        ("channels", ctypes.c_uint8),
    )


class _Buffers(ctypes.Structure):
    """``pa_buffer_attr``, in bytes."""

    _fields_ = (
        ("maxlength", ctypes.c_uint32),
        ("tlength", ctypes.c_uint32),
        ("prebuf", ctypes.c_uint32),
        ("minreq", ctypes.c_uint32),
        ("fragsize", ctypes.c_uint32),
    )


class _Stream:
    """One stream. Raises BenchmarkError where the library or the server is missing."""

    def __init__(self, server: str, device: str, way: int, buffers: _Buffers) -> None:
        name = ctypes.util.find_library("pulse-simple")
        if name is None:
            raise BenchmarkError("sound devices need libpulse: apt install pulseaudio-utils")
        self._library = ctypes.CDLL(name)
        self._library.pa_simple_new.restype = ctypes.c_void_p
        error = ctypes.c_int()
        form = _Format(_S16LE, SAMPLE_RATE_HZ, 1)
        self._handle = ctypes.c_void_p(
            self._library.pa_simple_new(
                server.encode(),
                b"benchmark",
                way,
                device.encode(),
                b"room",
                ctypes.byref(form),
                None,
                ctypes.byref(buffers),
                ctypes.byref(error),
            )
        )
        if not self._handle:
            raise BenchmarkError(f"{device}: PulseAudio says error {error.value}")

    def _do(self, function: str, data: object) -> None:
        error = ctypes.c_int()
        call = getattr(self._library, function)
        if call(self._handle, data, ctypes.c_size_t(FRAME_BYTES), ctypes.byref(error)) < 0:
            raise OSError(f"{function}: PulseAudio says error {error.value}")

    def close(self) -> None:
        """Disconnect. No other call may be waiting."""
        self._library.pa_simple_free(self._handle)


class Listening(_Stream):
    """What a source gives."""

    def __init__(self, server: str, source: str) -> None:
        buffers = _Buffers(_UNSET, _UNSET, _UNSET, _UNSET, FRAME_BYTES)
        super().__init__(server, source, _RECORD, buffers)
        self._frame = ctypes.create_string_buffer(FRAME_BYTES)

    def read(self) -> bytes:
        """The next 960 bytes, when they are there. Raises OSError."""
        self._do("pa_simple_read", self._frame)
        return self._frame.raw


class Playing(_Stream):
    """What a sink is given."""

    def __init__(self, server: str, sink: str, ahead_ms: int) -> None:
        """``ahead_ms``: how much has to wait at the server before it plays, at first and again
        after it has run dry; ``write`` waits where it is half as much more."""
        size = ahead_ms * SAMPLE_RATE_HZ * 2 // 1_000
        buffers = _Buffers(4 * size, size + size // 2, size, _UNSET, _UNSET)
        super().__init__(server, sink, _PLAYBACK, buffers)

    def write(self, frame: bytes) -> None:
        """960 bytes; waits while the server's buffer is full. Raises OSError."""
        self._do("pa_simple_write", frame)

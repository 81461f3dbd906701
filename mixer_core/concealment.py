"""What stands in for the lost frames of one voice: its last period, repeated and fading. Sans-I/O.

Waveform substitution as in ITU-T G.711 Appendix I: the pitch period of the last 40 ms is repeated,
at full level for 10 ms, and has faded to zero after 60 ms. An invented frame costs about 40 µs, a
frame that came 0.05 µs.
"""

from __future__ import annotations

import numpy as np

from . import kernels
from .bus.pcm import FRAME_BYTES, FRAME_SAMPLES, SILENCE

CONCEALED_FRAMES = 3
"""After so many (60 ms) there is only silence."""
JOIN_SAMPLES = 120
"""In its first 5 ms the frame after a loss fades in from what stood in."""

_HISTORY = np.zeros(2 * FRAME_SAMPLES, np.int16)
_OCTETS = _HISTORY.data.cast("B")
_FRAME = np.zeros(FRAME_SAMPLES, np.int16)
_FRAME_OCTETS = _FRAME.data.cast("B")
_JOIN = np.zeros(JOIN_SAMPLES, np.int16)
_PERIOD = np.zeros(1, np.int64)
"""Scratch of all voices: one thread conceals."""


class Concealer:
    """Knows the last 40 ms of a voice."""

    def __init__(self) -> None:
        self.run = 0
        """Frames invented since the last real one, 0 … CONCEALED_FRAMES."""
        self._older = self._last = b""
        self._history: tuple[bytes, bytes] = (b"", b"")  # before the loss
        self._period = 0

    @property
    def can_go_on(self) -> bool:
        """There is something to repeat, and it has not faded yet."""
        return bool(self._last) and self.run < CONCEALED_FRAMES

    def learn(self, pcm: bytes) -> bytes:
        """A real frame of 960 bytes; the same as it is to be heard: after a loss it fades in."""
        if self.run:
            pcm = self._joined(pcm)
            self.run = 0
        self._older, self._last = self._last, pcm
        return pcm

    def invent(self) -> bytes:
        """The next frame in place of a lost one. Only while it ``can_go_on``."""
        if self.run == 0:
            self._history = (self._older or SILENCE, self._last)
        self._remember()
        if self.run == 0:
            kernels.find_period(_HISTORY, _PERIOD)
            self._period = int(_PERIOD[0])
        kernels.repeat_period(_HISTORY, self._period, self.run * FRAME_SAMPLES, _FRAME)
        self.run += 1
        pcm = _FRAME.tobytes()
        self._older, self._last = self._last, pcm
        return pcm

    def end_spurt(self) -> None:
        """What comes next does not go on from here."""
        self.run = 0

    def forget(self) -> None:
        """Nothing has been heard yet."""
        self.run = 0
        self._older = self._last = b""

    def _remember(self) -> None:
        _OCTETS[:FRAME_BYTES], _OCTETS[FRAME_BYTES:] = self._history

    def _joined(self, pcm: bytes) -> bytes:
        self._remember()
        kernels.repeat_period(_HISTORY, self._period, self.run * FRAME_SAMPLES, _JOIN)
        _FRAME_OCTETS[:] = pcm
        kernels.join(_JOIN, _FRAME)
        return _FRAME.tobytes()

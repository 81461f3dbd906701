"""The microphone of one browser: from what it sends to the frames for the mixer. Sans-I/O.

While muted nothing is sent, and digital silence only for the hang-over; in both cases the last
frame announces that the stream pauses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from mixer_core.bus import frames, pcm
from mixer_core.runtime.units import MS_NS


class UplinkFrame(NamedTuple):
    """One frame for the mixer; its stream and epoch are the session's."""

    seq: int
    flags: int
    stamp_ns: int
    """When its first sample arrived here, or its turn came where it had to wait."""
    pcm: bytes
    """960 bytes."""


class Uplink(ABC):
    """What both protocols have in common: muting, silence, and the count of frames."""

    def __init__(self, hangover_ms: int) -> None:
        """``hangover_ms``: how long digital silence is still sent (whole frames, at least one)."""
        self._hangover_ns = hangover_ms * MS_NS
        self._hangover_frames = max(1, hangover_ms // pcm.FRAME_MS)
        self._silent_frames = 0
        self._seq = frames.U32
        self.paused = True
        """The mixer knows that nothing follows, or nothing was sent yet."""
        self.muted = False
        self.frames_total = 0
        """Frames handed out."""
        self.suppressed_total = 0
        """Frames of a muted microphone or of lasting digital silence."""
        self.late_total = 0
        """Frames of a framed client that came after a later one."""
        self.dropped_total = 0
        """Frames of a client that sends faster than real time."""

    @abstractmethod
    def push(self, data: bytes, now_ns: int) -> list[UplinkFrame]:
        """Take one binary message and return the frames it makes, oldest first.

        Raises:
            BrowserMessageError: the message cannot be read; nothing is kept of it.
        """

    @abstractmethod
    def next_timeout_ns(self) -> int | None:
        """When ``timeout`` has something to do; None where nothing is pending."""

    @abstractmethod
    def timeout(self, now_ns: int) -> list[UplinkFrame]:
        """Return the frames that are due."""

    def set_muted(self, muted: bool, now_ns: int) -> list[UplinkFrame]:
        """Switch the microphone; off sends one silent frame that announces the pause."""
        if muted == self.muted:
            return []
        self.muted = muted
        self._discard_pending()
        return self._announce_pause(now_ns) if muted else []

    @abstractmethod
    def _discard_pending(self) -> None:
        """Drop what was pushed and not handed out."""

    def _flags(self, piece: bytes, asked: int = 0) -> int | None:
        """Flags to send ``piece`` with; None where it is not to be sent."""
        if not pcm.is_silence(piece):
            self._silent_frames = 0
            self.paused = bool(asked)
            return asked
        self._silent_frames += 1
        if self.paused:
            self.suppressed_total += 1
            return None
        if asked or self._silent_frames >= self._hangover_frames:
            self.paused = True
            return frames.FLAG_PAUSE
        return 0

    def _announce_pause(self, now_ns: int) -> list[UplinkFrame]:
        """One silent frame of our own with FLAG_PAUSE; none where the stream pauses already."""
        if self.paused:
            return []
        self.paused = True
        return [self._next(frames.FLAG_PAUSE, now_ns, pcm.SILENCE)]

    def _next(self, flags: int, stamp_ns: int, piece: bytes) -> UplinkFrame:
        """The next frame in our own count."""
        self._seq = (self._seq + 1) & frames.U32
        self.frames_total += 1
        return UplinkFrame(self._seq, flags, stamp_ns, piece)

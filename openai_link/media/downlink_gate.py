"""Which received audio goes to the mixer. Sans-I/O.

During a reply every frame passes, silent ones too, so that the room hears it sample for sample.
Outside of replies silence is not sent. After a flush nothing of the old reply passes, although its
last packets are still arriving.
"""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.bus.frames import FLAG_CONCEALED, FLAG_PAUSE
from mixer_core.bus.pcm import FRAME_NS, SILENCE
from mixer_core.runtime.units import MS_NS

from .quiet import DECODED_SILENCE_PEAK, is_quiet

HANGOVER_FRAMES = 10
"""Quiet frames (20 ms each) that still pass after a reply: its tail, and late packets."""
REOPEN_QUIET_FRAMES = 2
"""This many quiet frames in a row show that the old reply has ended."""
REOPEN_NS = 500 * MS_NS
"""Longest time that the gate stays closed."""
STARVED_NS = 60 * MS_NS
"""Longest wait for a missing frame after a reply; then the pause is announced by silence."""


@dataclass(frozen=True, slots=True)
class DownlinkFrame:
    """Send this frame to the mixer."""

    pcm: bytes
    """960 bytes."""
    flags: int
    """``FLAG_PAUSE`` and ``FLAG_CONCEALED`` bits."""
    stamp_ns: int
    """When it arrived on this host (monotonic)."""


class DownlinkGate:
    """Passes the audio of the current reply; methods return the frame to send, or None."""

    def __init__(self) -> None:
        self.dropped_old = 0
        """Frames of flushed replies that were held back."""
        self.dropped_quiet = 0
        """Silent frames outside replies that were not sent."""
        self._in_reply = False
        self._left = 0
        """Quiet frames that still pass; 0: the stream is paused."""
        self._closed_until_ns: int | None = None
        self._quiet_run = 0
        self._last_ns = 0

    @property
    def is_passing(self) -> bool:
        """Whether the mixer expects another frame: no pause was announced."""
        return self._in_reply or self._left > 0

    def frame(
        self, pcm: bytes, stamp_ns: int, now_ns: int, concealed: bool = False
    ) -> DownlinkFrame | None:
        """One received frame (960 bytes), in order."""
        if self._closed_until_ns is not None and not self._reopens(pcm, now_ns):
            self.dropped_old += 1
            return None
        flags = FLAG_CONCEALED if concealed else 0
        self._last_ns = now_ns
        if not self._in_reply:
            if not is_quiet(pcm, DECODED_SILENCE_PEAK):
                self._left = HANGOVER_FRAMES
            elif self._left == 0:
                self.dropped_quiet += 1
                return None
            else:
                self._left -= 1
                flags |= FLAG_PAUSE if self._left == 0 else 0
        return DownlinkFrame(pcm, flags, stamp_ns)

    def started(self) -> None:
        """A reply of the current epoch begins."""
        self._closed_until_ns = None
        self._in_reply = True

    def stopped(self, now_ns: int) -> None:
        """The reply has ended, except for its tail."""
        if self._in_reply:
            self._in_reply = False
            self._left = HANGOVER_FRAMES
            self._last_ns = max(self._last_ns, now_ns)

    def flush(self, now_ns: int) -> None:
        """The reply is void: nothing passes until a new one begins, or the old one has ended."""
        self._in_reply = False
        self._left = 0
        self._quiet_run = 0
        self._closed_until_ns = now_ns + REOPEN_NS

    def end(self, now_ns: int) -> DownlinkFrame | None:
        """The session has ended: announce the pause if frames were expected."""
        passing = self.is_passing
        self._in_reply, self._left, self._closed_until_ns = False, 0, None
        return DownlinkFrame(SILENCE, FLAG_PAUSE, now_ns) if passing else None

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick`` if no frame arrives; None except in the tail of a reply."""
        if self._in_reply or self._left == 0:
            return None
        return self._last_ns + STARVED_NS + self._left * FRAME_NS

    def tick(self, now_ns: int) -> DownlinkFrame | None:
        """The timeout has been reached: no more packets come, so the pause must be announced."""
        timeout_ns = self.next_timeout_ns()
        if timeout_ns is None or now_ns < timeout_ns:
            return None
        return self.end(now_ns)

    def _reopens(self, pcm: bytes, now_ns: int) -> bool:
        assert self._closed_until_ns is not None
        self._quiet_run = self._quiet_run + 1 if is_quiet(pcm, DECODED_SILENCE_PEAK) else 0
        if self._quiet_run >= REOPEN_QUIET_FRAMES or now_ns >= self._closed_until_ns:
            self._closed_until_ns = None
            return True
        return False

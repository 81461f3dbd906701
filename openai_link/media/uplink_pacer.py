"""Decides what to send when on an audio stream that must never fall silent. Sans-I/O.

Frames in, "send this with that timestamp" out. Arrivals drive the pacer: a frame is sent when it
comes, silence fills the pauses, and nothing is ever sent in a burst to catch up. Timestamps count
RTP's 48 kHz clock, 960 ticks per 20 ms frame. A silence that lasts may be sent as one frame every
400 ms, like Opus' own discontinuous transmission (RFC 7587 section 3.1.3); the timestamps still
count real time.
"""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.bus.pcm import FRAME_NS
from mixer_core.runtime.units import MS_NS

from .quiet import ROOM_NOISE_PEAK, is_quiet
from .rtp_numbers import FRAME_TICKS

SPARSE_NS = 400 * MS_NS
"""Time between two frames of a silence that lasts."""
LEAD_WINDOW_FRAMES = 25
"""The lead is observed over windows of half a second."""
STANDING_LEAD_NS = 40 * MS_NS
"""A lead that never falls below this during a window is not jitter."""


@dataclass(frozen=True, slots=True)
class SendFrame:
    """Send this frame now."""

    pcm: bytes
    """960 bytes of PCM."""
    timestamp: int
    """Ticks of the 48 kHz clock since the start, a multiple of 960; it does not wrap."""
    marker: bool
    """First frame after silence or a skip (RFC 3551 section 4.1)."""


@dataclass(frozen=True, slots=True)
class SendSilence:
    """Send one frame of silence now."""

    timestamp: int
    """As in ``SendFrame``."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The frame just given is not sent: the timeline is too far ahead of the clock."""

    quiet: bool
    """It was a quiet frame that nobody misses."""


PacerAction = SendFrame | SendSilence | Drop


@dataclass(slots=True)
class PacerCounters:
    """What the pacer has done so far; frames given = ``frames`` + ``dropped``."""

    frames: int = 0
    """Frames sent."""
    silences: int = 0
    """Silent frames added."""
    dropped: int = 0
    """Frames dropped."""
    dropped_quiet: int = 0
    """How many of the dropped frames were quiet."""
    skipped: int = 0
    """Slots of the timeline skipped without a packet."""
    starved: int = 0
    """How often a talking source stayed away for longer than ``starve_ms``."""

    def totals(self) -> dict[str, int]:
        """As metrics."""
        return {
            "uplink_frames_total": self.frames,
            "uplink_silences_total": self.silences,
            "uplink_dropped_frames_total": self.dropped,
            "uplink_dropped_quiet_frames_total": self.dropped_quiet,
            "uplink_starved_total": self.starved,
        }


class UplinkPacer:
    """Call ``frame`` for each frame that arrives, and ``tick`` when ``next_timeout_ns`` is reached.

    A talking source that is late by less than ``starve_ms`` keeps its place on the timeline, so
    jitter costs nothing. After a longer stall, of the source or of this process, whole slots are
    skipped. Frames that come in a burst run ahead of the clock, but only for a moment: a lead that
    lasts is delay, and the next quiet frames are dropped until it is gone.
    """

    def __init__(
        self, starve_ms: int = 120, max_lead_ms: int = 400, sparse_after_ms: int = 0
    ) -> None:
        """Prepare.

        Args:
            starve_ms: how late a talking source may be before silence takes its place.
            max_lead_ms: how far the timeline may run ahead of the clock; more is dropped.
            sparse_after_ms: after this much silence a frame is sent only every 400 ms; 0: never.
        """
        self._sparse_after_ns = sparse_after_ms * MS_NS
        self._silent_since_ns: int | None = None
        self._starve_ns = starve_ms * MS_NS
        self._max_lead_ns = max_lead_ms * MS_NS
        self.counters = PacerCounters()
        self._slot = 0
        self._slot_due_ns: int | None = None
        self._talking = False
        self._mark_next = True
        self._deadline_ns: int | None = None
        self._least_lead_ns = 0
        self._least_lead_before_ns = 0
        self._observed = 0

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick`` if no frame arrives before; None until started."""
        return self._deadline_ns

    def lead_ns(self, now_ns: int) -> int:
        """How far the timeline is ahead of the clock; negative if it is behind."""
        return 0 if self._slot_due_ns is None else self._slot_due_ns - now_ns

    def start(self, now_ns: int) -> list[PacerAction]:
        """Begin to send: silence until the first frame arrives. Harmless if already begun."""
        if self._slot_due_ns is not None:
            return []
        return self._silence(now_ns)

    def frame(self, pcm: bytes, now_ns: int, pause: bool = False) -> list[PacerAction]:
        """One frame (960 bytes) has arrived; ``pause``: nothing follows until further notice."""
        if not self._talking or -self.lead_ns(now_ns) > self._starve_ns:
            self._skip_to(now_ns)
        self._silent_since_ns = None
        lead_ns = self.lead_ns(now_ns)
        if self._slot_due_ns is None:
            self._slot_due_ns = now_ns
        self._talking = not pause
        standing_ns = self._standing_lead_ns(lead_ns)
        too_far = lead_ns > self._max_lead_ns
        quiet = (too_far or standing_ns > STANDING_LEAD_NS) and is_quiet(pcm, ROOM_NOISE_PEAK)
        if too_far or quiet:
            self._lower_standing_lead()
            self.counters.dropped += 1
            self.counters.dropped_quiet += quiet
            self._mark_next = True
            actions: list[PacerAction] = [Drop(quiet)]
        else:
            actions = [SendFrame(pcm, self._take_slot(), self._mark_next)]
            self.counters.frames += 1
            self._mark_next = False
        self._rearm(now_ns)
        return actions

    def tick(self, now_ns: int) -> list[PacerAction]:
        """The timeout has been reached: send silence if it is due."""
        if self._deadline_ns is None or now_ns < self._deadline_ns:
            return []
        if self._talking:
            self._talking = False
            self.counters.starved += 1
        return self._silence(now_ns)

    def _standing_lead_ns(self, lead_ns: int) -> int:
        """The least lead of the last 25 to 50 frames; 0 until as many have come."""
        self._observed += 1
        if self._observed == 1:
            self._least_lead_ns = lead_ns
        self._least_lead_ns = min(self._least_lead_ns, lead_ns)
        standing_ns = min(self._least_lead_ns, self._least_lead_before_ns)
        if self._observed == LEAD_WINDOW_FRAMES:
            self._observed = 0
            self._least_lead_before_ns = self._least_lead_ns
        return standing_ns

    def _lower_standing_lead(self) -> None:
        """A frame was dropped: the lead is 20 ms less from now on."""
        self._least_lead_ns -= FRAME_NS
        self._least_lead_before_ns -= FRAME_NS

    def _silence(self, now_ns: int) -> list[PacerAction]:
        """One silent frame in the slot that is due now; earlier slots are skipped."""
        self._observed = self._least_lead_before_ns = 0
        self._skip_to(now_ns)
        self.counters.silences += 1
        self._mark_next = True
        actions: list[PacerAction] = [SendSilence(self._take_slot())]
        self._rearm(now_ns)
        return actions

    def _skip_to(self, now_ns: int) -> None:
        """Skip the slots that ended before ``now_ns``."""
        if self._slot_due_ns is None:
            self._slot_due_ns = now_ns
        missed = max(0, now_ns - self._slot_due_ns) // FRAME_NS
        if missed:
            self._slot += missed
            self._slot_due_ns += missed * FRAME_NS
            self.counters.skipped += missed
            self._mark_next = True

    def _take_slot(self) -> int:
        """Return the next slot's timestamp, and advance by one slot."""
        assert self._slot_due_ns is not None
        timestamp = self._slot * FRAME_TICKS
        self._slot += 1
        self._slot_due_ns += FRAME_NS
        return timestamp

    def _rearm(self, now_ns: int) -> None:
        assert self._slot_due_ns is not None
        if self._talking:
            self._deadline_ns = now_ns + self._starve_ns
            return
        if self._silent_since_ns is None:
            self._silent_since_ns = now_ns
        lasts = now_ns - self._silent_since_ns >= self._sparse_after_ns > 0
        pause_ns = SPARSE_NS - FRAME_NS if lasts else 0
        self._deadline_ns = max(now_ns, self._slot_due_ns) + pause_ns

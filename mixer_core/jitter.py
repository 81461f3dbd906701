"""One stream's jitter buffer: orders frames, decides what a missing one becomes. Sans-I/O.

A stream talks in *spurts*. Within a spurt each frame has the number after the last; a frame with
``FLAG_PAUSE`` ends the spurt, and the next may have any later number. Rules, each with a counter:

- A gap is held for ``gap_hold_ns`` after the first frame that shows it, then up to three frames are
  concealed (by the last period of the voice, see ``concealment``) and the rest is skipped. A gap
  wider than the buffer is skipped at once: what is missing would come too late anyway.
- A frame that comes after its turn is late, one that comes twice a duplicate: both are dropped.
- Over ``cap_frames`` a frame is dropped: the oldest quiet one, or else the oldest.
- A number that jumps back by a second or more, or half a second of nothing but late frames, means
  that the source has restarted: so does the buffer.
- A stream that missed its slot (``starve``) fades away as after a loss (``tail``) and is silent
  until it has refilled: to one frame, or to two if it starved twice within a second.
- A loss that shows only after its slot was mixed without the stream is past: nothing is held,
  concealed or refilled for it.
- ``shed`` drops one frame, so that those after it wait less.
- Frames that waited for a second without being needed (see ``surplus``) are dropped one by one, in
  quiet moments, each cross-faded with the next.
"""

from __future__ import annotations

from dataclasses import dataclass

from .bus.frames import FLAG_CONCEALED, FLAG_PAUSE, U32, seq_delta
from .bus.pcm import FRAME_NS
from .concealment import Concealer
from .mixdown import crossfade, frame_dbfs
from .quiet_moment import QUIET_DBFS
from .runtime.units import S_NS
from .surplus import SurplusWatch

RESTART_FRAMES = 50
"""After a jump back by this many frames (1 s) the source is taken to have restarted…"""
RESTART_LATE_RUN = 25
"""…and so it is after this many late frames in a row."""
FRESH_NS = 5 * FRAME_NS
"""A voice of which nothing was heard for longer has ended: there is nothing to go on with."""
STARVED_AGAIN_NS = S_NS
"""A stream that starves twice within this time refills to two frames."""


@dataclass(slots=True)
class Entry:
    """One frame in or out of the buffer."""

    seq: int
    pcm: bytes
    """960 bytes."""
    flags: int
    stamp_ns: int
    """When the audio entered this host."""
    arrived_ns: int
    """When it was pushed."""
    dropped_before: int = 0
    """Frames right before this one that the buffer dropped by itself: no gap to wait for."""


@dataclass(slots=True)
class JitterCounts:
    """Every branch is counted: pushed = popped + dropped + late + duplicate + depth."""

    pushed: int = 0
    popped: int = 0
    late: int = 0
    duplicate: int = 0
    overflowed: int = 0
    """Dropped because the buffer was full."""
    surplus: int = 0
    """Dropped because they only added delay."""
    flushed: int = 0
    """Dropped by ``clear``."""
    concealed: int = 0
    """Invented frames."""
    skipped: int = 0
    """Lost frames for which nothing was invented."""
    starved: int = 0
    restarts: int = 0

    @property
    def dropped(self) -> int:
        """Frames that were accepted and dropped later."""
        return self.overflowed + self.surplus + self.flushed


class JitterBuffer:
    """See the module's docstring. Frames are popped in the order of their numbers."""

    def __init__(self, gap_hold_ns: int, cap_frames: int) -> None:
        """An empty buffer.

        ``gap_hold_ns``: how long to wait for a missing frame; 0 for a source that keeps order.
        ``cap_frames``: most frames that wait, at least 1.
        """
        self.counts = JitterCounts()
        self.talking = False
        """Frames are expected: a spurt has begun and the stream has not starved."""
        self._gap_hold_ns = gap_hold_ns
        self._cap_frames = cap_frames
        self._entries: list[Entry] = []
        self._next_seq: int | None = None  # the number after the last popped one; None: any
        self._any_later = True  # the next frame may have any number from _next_seq on
        self._concealer = Concealer()
        self._last_stamp_ns = 0
        self._late_run = 0
        self._refill_frames = 0  # frames a starved stream needs to be heard; 0: not starved
        self._starved_ns = -STARVED_AGAIN_NS
        self._active_ns = 0  # the last push or pop
        self._surplus = SurplusWatch()
        self._shed_until_ns = 0  # drop the head if a second frame comes before
        self._missed = 0  # slots mixed without it while it had no frame

    @property
    def depth(self) -> int:
        """Frames that wait."""
        return len(self._entries)

    @property
    def oldest_arrival_ns(self) -> int:
        """When the frame at the head came. Only if ``depth`` is not 0."""
        return self._entries[0].arrived_ns

    def push(self, seq: int, pcm: bytes, flags: int, stamp_ns: int, now_ns: int) -> None:
        """Take one frame that has just arrived."""
        self.counts.pushed += 1
        if self._is_late(seq):
            self.counts.late += 1
            return
        self._late_run = 0
        entries = self._entries
        if not entries and now_ns - self._active_ns > self._cap_frames * FRAME_NS:
            self._any_later = True
        index = len(entries)
        while index and seq_delta(entries[index - 1].seq, seq) >= 0:
            index -= 1
        if index < len(entries) and entries[index].seq == seq:
            self.counts.duplicate += 1
            return
        entries.insert(index, Entry(seq, pcm, flags, stamp_ns, now_ns))
        if len(entries) > self._cap_frames:
            self._drop(self._droppable())
            self.counts.overflowed += 1
        self._active_ns = now_ns
        if self._missed and self._behind():  # It was lost, not late: more depth would not help.
            self._refill_frames = min(1, self._refill_frames)
            self._starved_ns = now_ns - STARVED_AGAIN_NS
        self._wake(now_ns)

    def available(self, now_ns: int) -> bool:
        """Whether ``pop`` would return a frame now. Resumes a starved stream that has refilled."""
        if not self._entries:
            return False
        if self._refill_frames:
            self._wake(now_ns)
            if not self.talking:
                return False
        if self._sheds(now_ns) and len(self._entries) < 2:
            return False
        return not self._gap() or now_ns >= self._hold_end_ns()

    def pop(self, now_ns: int, *, force: bool = False) -> Entry | None:
        """The next frame, real or concealed; None where it is not ``available``.

        ``force`` ends the wait for a missing frame: its turn is now.
        """
        if not self.available(now_ns) and not (force and self._entries and self.talking):
            return None
        if self._sheds(now_ns):
            self._shed()
        elif self._surplus.frames:
            self._drop_surplus()
        gap = self._gap()
        if gap:
            concealed = self._conceal(gap)
            if concealed is not None:
                return concealed
        return self._take(now_ns)

    def shed(self, now_ns: int) -> None:
        """Drop one frame, cross-faded with the next, so that later ones wait 20 ms less.

        Until the next comes, or for two frame times, nothing is ``available``.
        """
        self._shed_until_ns = now_ns + 2 * FRAME_NS

    @property
    def fades(self) -> bool:
        """It has starved a moment ago, and ``tail`` has something to say."""
        return not self.talking and self._concealer.run > 0 and self._concealer.can_go_on

    def starve(self, now_ns: int) -> Entry | None:
        """The stream's slot is mixed without it: it fades away, is silent until it has refilled.

        Returns an invented frame for the slot; None: nothing is known of it. A ``tail`` may follow.
        """
        again = now_ns - self._starved_ns < STARVED_AGAIN_NS
        self._starved_ns = now_ns
        self._refill_frames = 2 if again else 1
        self.talking = False
        self._missed = 0 if self._entries else 1
        self._shed_until_ns = 0
        self.counts.starved += 1
        return self.tail(now_ns) if now_ns - self._active_ns <= FRESH_NS else None

    def tail(self, now_ns: int) -> Entry | None:
        """An invented frame for a slot that has none of it; it takes no frame's number."""
        if not self._concealer.can_go_on:
            return None
        pcm = self._concealer.invent()
        self._last_stamp_ns += FRAME_NS
        return Entry(self._next_seq or 0, pcm, FLAG_CONCEALED, self._last_stamp_ns, now_ns)

    def end_spurt(self) -> None:
        """The stream pauses (it was muted, say): drop what waits; any later frame resumes."""
        self.counts.flushed += len(self._entries)
        self._entries.clear()
        self.talking = False
        self._any_later = True
        self._refill_frames = 0
        self._concealer.end_spurt()
        self._surplus.end_spurt()
        self._shed_until_ns = self._missed = 0

    def clear(self) -> None:
        """``end_spurt``, and the next frame may have any number at all (a new epoch)."""
        self.end_spurt()
        self._next_seq = None
        self._concealer.forget()

    def next_timeout_ns(self) -> int | None:
        """When a frame that is held now becomes available without another arrival."""
        if not self._entries:
            return None
        free_ns = self._entries[0].arrived_ns + FRAME_NS if self._refill_frames else 0
        if self._shed_until_ns and len(self._entries) < 2:
            free_ns = max(free_ns, self._shed_until_ns)
        if self._gap():
            free_ns = max(free_ns, self._hold_end_ns())
        return free_ns or None

    def _is_late(self, seq: int) -> bool:
        if self._next_seq is None:
            return False
        behind = -seq_delta(seq, self._next_seq)
        if behind <= 0:
            return False
        self._late_run += 1
        if behind < RESTART_FRAMES and self._late_run < RESTART_LATE_RUN:
            return True
        self.clear()
        self.counts.restarts += 1
        return False

    def _wake(self, now_ns: int) -> None:
        """Begin or resume a spurt where enough frames wait."""
        waiting = self._entries
        if (
            len(waiting) >= self._refill_frames
            or waiting[-1].flags & FLAG_PAUSE
            or now_ns - waiting[0].arrived_ns >= FRAME_NS
        ):
            self.talking = True
            self._refill_frames = 0

    def _gap(self) -> int:
        """Lost frames between the last popped and the head: waited for, concealed or skipped.

        One whose slot has passed without it is none of these: it is past.
        """
        return max(0, self._behind() - self._missed)

    def _behind(self) -> int:
        if self._any_later or self._next_seq is None:
            return 0
        head = self._entries[0]
        return max(0, seq_delta(head.seq, self._next_seq) - head.dropped_before)

    def _sheds(self, now_ns: int) -> bool:
        """Whether to drop the head; not if it ends a spurt or follows a loss."""
        if now_ns >= self._shed_until_ns or not self._entries:
            return False
        return not (self._entries[0].flags & FLAG_PAUSE or self._behind())

    def _shed(self) -> None:
        self._shed_until_ns = 0
        if len(self._entries) > 1:
            self._drop_head()

    def _hold_end_ns(self) -> int:
        if self._gap() > self._cap_frames:
            return 0
        return min(entry.arrived_ns for entry in self._entries) + self._gap_hold_ns

    def _conceal(self, gap: int) -> Entry | None:
        """An invented frame for the next number, or None where the rest of the gap is skipped."""
        assert self._next_seq is not None
        if gap > self._cap_frames or not self._concealer.can_go_on:
            self.counts.skipped += gap
            return None
        pcm = self._concealer.invent()
        head, seq = self._entries[0], self._next_seq
        self._next_seq = (seq + 1) & U32
        self.counts.concealed += 1
        return Entry(seq, pcm, FLAG_CONCEALED, head.stamp_ns, head.arrived_ns)

    def _take(self, now_ns: int) -> Entry:
        """Pop the head, whatever lies before it."""
        if self._any_later:
            self._surplus.begin_spurt()
            self._concealer.end_spurt()
        head = self._entries.pop(0)
        self._next_seq = (head.seq + 1) & U32
        self._any_later = bool(head.flags & FLAG_PAUSE)
        self.talking = bool(self._entries) or not self._any_later
        head.pcm = self._concealer.learn(head.pcm)
        self._last_stamp_ns = head.stamp_ns
        self._missed = 0
        self._active_ns = now_ns
        self.counts.popped += 1
        self._surplus.popped(len(self._entries))
        return head

    def _drop_surplus(self) -> None:
        """Drop one unneeded frame at the head if this is a good moment for it."""
        entries = self._entries
        if len(entries) < 2 or entries[0].flags & FLAG_PAUSE or self._gap():
            return
        if self._surplus.drops_now(frame_dbfs(entries[0].pcm)):
            self._drop_head()
            self._surplus.frames -= 1

    def _drop_head(self) -> None:
        """Drop the head; the next frame begins as the head and ends as itself."""
        entries = self._entries
        entries[1].pcm = crossfade(entries[0].pcm, entries[1].pcm)
        self._drop(0)
        self.counts.surplus += 1
        self._surplus.dropped(len(entries))

    def _droppable(self) -> int:
        """Index of the oldest quiet frame, else of the oldest; not the last, none with PAUSE."""
        older = self._entries[:-1]
        candidates = [i for i, entry in enumerate(older) if not entry.flags & FLAG_PAUSE]
        for index in candidates:
            if frame_dbfs(self._entries[index].pcm) < QUIET_DBFS:
                return index
        return candidates[0] if candidates else 0

    def _drop(self, index: int) -> None:
        """Remove an entry that is not the last, so that it leaves no gap before the next one."""
        entry = self._entries.pop(index)
        follower = self._entries[index]
        if index == 0:
            self._next_seq = (entry.seq + 1) & U32
            self._any_later = bool(entry.flags & FLAG_PAUSE)
        elif seq_delta(follower.seq, entry.seq) == 1 + follower.dropped_before:
            follower.dropped_before += 1 + entry.dropped_before

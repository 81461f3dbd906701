"""When to mix: streams that are heard together share 20 ms slots. Sans-I/O.

A slot is mixed as soon as every talking stream has its frame, or at the deadline. So a single
talker never waits; several wait for the one whose frames come last, for less than a frame time.

Deadlines form a line: each is ``deadline_ns`` after the oldest waiting frame came, but not earlier
than 20 ms after the deadline before. While frames come regularly that is the age of the oldest
frame; where they come with jitter the line settles behind the latest of them, and
``LINE_SLACK_NS`` bounds how far. A bare age limit never settles: six talkers with 10 ms of jitter
missed 144 slots a second in simulation. With the line they miss none, and the oldest frame of a
slot waits 27 ms at the 95th percentile.

A stream that misses a deadline fades away in that slot and the next ones. Its frame is not lost:
it waits for the next slot, and from then on the stream runs one frame deeper, so that being as late
again does no harm. The jitter buffer gives that depth up again when it is not needed
(``surplus.py``).

Which frames share a slot is chosen so that the longest wait is shortest (``phases.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .bus.events import StreamInfo
from .bus.pcm import FRAME_NS
from .jitter import Entry, JitterBuffer
from .mixdown import frame_dbfs
from .phases import CALM_SLOTS, CHECK_SLOTS, MOVED_SLOTS, Wait, best_cut
from .quiet_moment import QuietMoment
from .runtime.units import MS_NS
from .voice_chain import VoiceChain

LINE_SLACK_NS = 60 * MS_NS
"""A slot's deadline comes at most ``deadline_ns`` plus this after its first frame began to wait."""

ASSISTANT = "assistant"
"""The voice under which every link's level is sent."""


@dataclass(slots=True, eq=False)
class Stream:
    """One participant or link: a source and a listener."""

    stream: int
    """Its id on the wire."""
    info: StreamInfo
    buffer: JitterBuffer
    joined_ns: int
    seen_ns: int
    """When anything last came from it."""
    out_seq: int = 0
    """Number of the next frame published to it; at first the one that its START asks for."""
    roster_ns: int = 0
    """When it was last told by itself who is in the room."""
    wait: Wait = field(default_factory=Wait)
    """How long its frames wait for those of others."""
    place: str = ""
    """Key of the place of its device, see ``bus.place``; empty: a place of its own."""
    chain: VoiceChain | None = None
    """What its voice goes through; None: a link's, which is passed on as it is."""

    @property
    def is_link(self) -> bool:
        """Whether it is the assistant's side."""
        return self.info.role == "link"

    @property
    def voice(self) -> str:
        """The name under which its level is sent."""
        return ASSISTANT if self.is_link else self.info.participant


Slot = list[tuple[Stream, Entry]]
"""The frames that are heard at the same time."""


class Group:
    """Sources that are heard together, and their common slots."""

    def __init__(self, deadline_ns: int) -> None:
        self.sources: list[Stream] = []
        self.timeout_ns: int | None = None
        """When ``due_slots`` has something to do even if nothing arrives; set by its last call."""
        self.deadlines = 0
        """Slots mixed at the deadline, with somebody missing."""
        self._deadline_ns = deadline_ns
        self._mixed_ns = 0
        self._line_ns = 0  # deadline of the last slot
        self._check_in = CHECK_SLOTS
        self._talkers = 0
        self._to_shed: list[Stream] = []
        self._moment = QuietMoment()

    def due_slots(self, now_ns: int) -> Iterator[Slot]:
        """Pop the slots whose time has come, oldest first. Call it after every change.

        Each slot is popped when it is asked for, so that ``buffer.talking`` is as of that slot.
        """
        while True:
            ready, missing = self._survey(now_ns)
            if not ready or (missing and now_ns < self._due_ns(ready)):
                self.timeout_ns = self._next_timeout_ns(ready)
                return
            yield self._mix(ready, missing, now_ns)

    def _survey(self, now_ns: int) -> tuple[list[Stream], list[Stream]]:
        """Streams whose next frame is there, and talking streams that are still awaited."""
        ready: list[Stream] = []
        missing: list[Stream] = []
        for source in self.sources:
            if source.buffer.available(now_ns):
                ready.append(source)
            elif source.buffer.talking:
                missing.append(source)
        return ready, missing

    def _due_ns(self, ready: list[Stream]) -> int:
        oldest_ns = ready[0].buffer.oldest_arrival_ns
        if len(ready) > 1:
            oldest_ns = min([source.buffer.oldest_arrival_ns for source in ready])
        due_ns = max(oldest_ns + self._deadline_ns, self._line_ns + FRAME_NS)
        latest_ns = max(oldest_ns, self._mixed_ns) + self._deadline_ns + LINE_SLACK_NS
        return min(due_ns, latest_ns)

    def _next_timeout_ns(self, ready: list[Stream]) -> int | None:
        times = [self._due_ns(ready)] if ready else []
        for source in self.sources:
            held_ns = source.buffer.next_timeout_ns()
            if held_ns is not None and source not in ready:
                times.append(held_ns)
        return min(times) if times else None

    def _mix(self, ready: list[Stream], missing: list[Stream], now_ns: int) -> Slot:
        self._line_ns = self._due_ns(ready)
        self._mixed_ns = now_ns
        self.deadlines += bool(missing)
        slot: Slot = []
        invented: Slot = [
            (source, entry)
            for source in self.sources
            if source.buffer.fades and (entry := source.buffer.tail(now_ns)) is not None
        ]
        for source in ready + missing:
            entry = source.buffer.pop(now_ns, force=True)
            if entry is not None:
                slot.append((source, entry))
                continue
            self._check_in = CALM_SLOTS
            if (entry := source.buffer.starve(now_ns)) is not None:
                invented.append((source, entry))
        if len(slot) > 1 or self._talkers > 1:
            self._watch_waits(slot, now_ns)
        return slot + invented if invented else slot

    def _watch_waits(self, slot: Slot, now_ns: int) -> None:
        """Learn from a slot of several streams how long they wait; move the cut where that pays."""
        if len(slot) != self._talkers:
            self._talkers = len(slot)
            self._to_shed = []
            for source in self.sources:
                source.wait.restart()
        for source, entry in slot:
            source.wait.observe(now_ns - entry.arrived_ns)
        if self._to_shed:
            self._move_cut(slot, now_ns)
            return
        self._check_in -= 1
        if self._check_in > 0 or len(slot) < 2:
            return
        self._check_in = CHECK_SLOTS
        streams = [source for source, _ in slot]
        if all(source.wait.settled for source in streams):
            streams.sort(key=_low_ns, reverse=True)
            self._to_shed = streams[: best_cut([source.wait for source in streams])]
            self._moment.restart()

    def _move_cut(self, slot: Slot, now_ns: int) -> None:
        """Shed one frame of each stream that was chosen, once all of them are quiet."""
        chosen = [(source, entry) for source, entry in slot if source in self._to_shed]
        if len(chosen) < len(self._to_shed):
            self._to_shed = []
            return
        if not self._moment.has_come(max(frame_dbfs(entry.pcm) for _, entry in chosen)):
            return
        for source, _ in chosen:
            source.buffer.shed(now_ns)
        for source, _ in slot:
            source.wait.restart(MOVED_SLOTS)
        self._to_shed = []


def _low_ns(stream: Stream) -> int:
    return stream.wait.low_ns

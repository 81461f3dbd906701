"""Frames of several voices on one clock, and their sum. Sans-I/O.

The mixer says of each frame in which slot it was heard and when the slot's sound came in. Slots
follow each other without a hole while somebody talks, whatever the network did to them; where no
sound came for ``HOLE_NS``, the next slot is placed by its time. So voices of one slot are aligned
to the sample, and everything to the clock within the wait of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mixer_core.bus.pcm import FRAME_SAMPLES, SAMPLE_RATE_HZ
from mixer_core.runtime.units import MS_NS, S_NS

HOLE_NS = 60 * MS_NS
"""A longer time without sound ends a spurt of talk."""
MOST_LEAD = SAMPLE_RATE_HZ // 2
"""Samples by which a spurt may run ahead of the clock: of a longer burst frames are left out."""

Pcm = npt.NDArray[np.int16]


@dataclass(slots=True)
class _Clock:
    """Where the frames of one side are."""

    next: int = 0
    """Position behind its last slot."""
    stamp_ns: int = -S_NS
    seq: int | None = None
    position: int | None = 0
    """Of the last slot; None: it is left out."""


@dataclass(slots=True)
class Track:
    """One voice."""

    start: int
    """Position of its first sample."""
    frames: list[tuple[int, Pcm]] = field(default_factory=list)
    """What is not taken yet, with positions."""


class Tracks:
    """Of one recording; positions are samples since its beginning."""

    def __init__(self, began_ns: int) -> None:
        self._began_ns = began_ns
        self._people, self._assistant = _Clock(), _Clock()
        self.tracks: dict[str, Track] = {}
        """By name; in the order of their first frames."""
        self.taken = 0
        """Everything before this position was taken."""
        self.late = 0
        """Frames that came after their time was taken, and were left out."""

    def position_of(self, stamp_ns: int) -> int:
        """Of a time (monotonic)."""
        return max(0, (stamp_ns - self._began_ns) * SAMPLE_RATE_HZ // S_NS)

    def put(self, name: str, is_assistant: bool, seq: int, stamp_ns: int, pcm: bytes) -> None:
        """A frame of a voice that is kept.

        Args:
            name: of its track.
            is_assistant: the other side, whose slots may be others.
            seq: number of its slot; voices that share one are heard at the same time.
            stamp_ns: when its sound came in.
            pcm: 960 bytes.
        """
        position = self._place(is_assistant, seq, stamp_ns)
        track = self.tracks.setdefault(name, Track(self.taken))
        if position is None or position < self.taken:
            self.late += 1
            return
        track.frames.append((position, np.frombuffer(pcm, "<i2").astype(np.int16)))

    def take(self, until: int) -> tuple[dict[str, Pcm], Pcm]:
        """The samples of each track and of all together, up to a position."""
        count = max(0, until - self.taken)
        total = np.zeros(count, np.int32)
        blocks: dict[str, Pcm] = {}
        for name, track in self.tracks.items():
            block = blocks[name] = np.zeros(count, np.int16)
            left: list[tuple[int, Pcm]] = []
            for position, pcm in track.frames:
                at = position - self.taken
                if at >= count:
                    left.append((position, pcm))
                    continue
                fits = min(len(pcm), count - at)
                block[at : at + fits] = pcm[:fits]
                if fits < len(pcm):
                    left.append((position + fits, pcm[fits:]))
            track.frames = left
            total += block
        self.taken += count
        return blocks, np.clip(total, -32_768, 32_767).astype(np.int16)

    def _place(self, is_assistant: bool, seq: int, stamp_ns: int) -> int | None:
        clock = self._assistant if is_assistant else self._people
        other = self._people if is_assistant else self._assistant
        if clock.seq == seq:
            return clock.position
        if other.seq == seq:  # A conference: both are in one slot.
            position = other.position
        else:
            at = self.position_of(stamp_ns)
            is_hole = stamp_ns - clock.stamp_ns > HOLE_NS
            position = max(at, clock.next) if is_hole else clock.next
            if position - at > MOST_LEAD:
                position = None
        if position is not None:
            clock.next = position + FRAME_SAMPLES
        clock.seq, clock.stamp_ns, clock.position = seq, stamp_ns, position
        return position

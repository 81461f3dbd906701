"""When each slot of the room was heard: the mixer's frame numbers on the link's clock. Sans-I/O.

Numbers are modulo 2³², and begin anew with another mixer; the *place* of a slot only grows. Slots
come every 20 ms while somebody makes a sound. So the clock keeps a few anchors, where it deviates
from that, and not every frame.
"""

from __future__ import annotations

from bisect import bisect_right

from mixer_core.bus.frames import seq_delta
from mixer_core.bus.pcm import FRAME_NS
from mixer_core.runtime.units import MS_NS

SLACK_NS = 30 * MS_NS
"""A slot may deviate so much from its anchor."""
MAX_ANCHORS = 4_096
MAX_JUMP = 3_000
"""Frames in a row that can be lost (a minute); a larger jump is another mixer's numbering."""


class SlotClock:
    """Places and times of slots."""

    __slots__ = ("_number", "_places", "_times_ns", "newest")

    def __init__(self) -> None:
        self.newest = -1
        """Place of the newest slot; -1: none was heard."""
        self._number = 0
        self._places: list[int] = []
        self._times_ns: list[int] = []

    def heard(self, number: int, now_ns: int) -> None:
        """The room's frame ``number`` has come."""
        ahead = seq_delta(number, self._number)
        if not 0 < ahead <= MAX_JUMP:
            ahead = 1
        place = self.newest + ahead if self._places else 0
        self.newest, self._number = place, number
        if self._places:
            due_ns = self._times_ns[-1] + (place - self._places[-1]) * FRAME_NS
            if abs(now_ns - due_ns) <= SLACK_NS:
                return
        self._places.append(place)
        self._times_ns.append(max(now_ns, self._times_ns[-1] if self._times_ns else now_ns))
        if len(self._places) > MAX_ANCHORS:
            del self._places[: MAX_ANCHORS // 2], self._times_ns[: MAX_ANCHORS // 2]

    def place(self, number: int) -> int | None:
        """The place of a slot near the newest one; None: it is not known."""
        back = seq_delta(number, self._number)
        known = self._places and -MAX_JUMP <= back <= MAX_JUMP
        return self.newest + back if known else None

    def at(self, time_ns: int) -> int:
        """The place of the first slot that was heard at that time (monotonic) or later."""
        index = bisect_right(self._times_ns, time_ns) - 1
        if index < 0:
            return self._places[0] if self._places else 0
        past_ns = time_ns - self._times_ns[index]
        place = self._places[index] - (-past_ns // FRAME_NS)
        is_last = index + 1 == len(self._places)
        return min(place, self.newest + 1 if is_last else self._places[index + 1])

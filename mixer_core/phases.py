"""Where streams of different phase are cut into slots, so that the longest wait is least. Sans-I/O.

Browsers send every 20 ms, each at a phase of its own that hardly moves. Slots that are mixed when
the last frame of each is there may be cut at any place of that circle: who comes right after the
cut waits longest, 20 ms less the gap before the cut. So the best cut lies in the widest gap, and
the slot closes with the last arrival before it. Who talks first decides by chance where the cut
lies. It is moved by letting go one frame of every stream between the old cut and the new
(cross-faded with the next, in a quiet moment, all in the same slot): from then on these are paired
with frames that the others send later.

A cut is moved only where the longest wait shrinks by ``MARGIN_NS`` beyond what the arrivals sway.
The deadline of a slot is 20 ms after its first frame, so less wait is more respite for a stream
that is late. Where a stream missed a slot nevertheless, arrivals are not regular, and the cut stays
for ``CALM_SLOTS``. A whole frame too much is left to the jitter buffer, which looks longer.
"""

from __future__ import annotations

from collections.abc import Sequence

from .bus.pcm import FRAME_NS
from .runtime.units import MS_NS

MARGIN_NS = 2 * MS_NS
"""The longest wait must shrink by so much for a cut to be moved."""
CHECK_SLOTS = 10
"""The cut is looked at once in so many slots (0.2 s)."""
SETTLED_SLOTS = 10
"""The waits of a stream that begins to talk count after so many slots…"""
MOVED_SLOTS = 50
"""…and those of one that took part in a move after so many (1 s)."""
CALM_SLOTS = 250
"""After a missed slot the cut stays for so many (5 s)."""
FIRST_SWAY_NS = MS_NS
"""How far waits sway until it is known better."""
SWAY_RISE, SWAY_FALL, MEAN_PART = 2, 128, 8
"""One in so many parts of what is new goes into the running values: sway is learned in a slot or
two and forgotten in seconds."""


class Wait:
    """How long one stream's frames wait for the others: running mean and sway about it."""

    __slots__ = ("_left", "_mean_ns", "_sway_ns")

    def __init__(self) -> None:
        self.restart()

    def restart(self, slots: int = SETTLED_SLOTS) -> None:
        """Forget; what comes counts after ``slots`` slots."""
        self._left = slots
        self._mean_ns = -1  # nothing was observed
        self._sway_ns = FIRST_SWAY_NS

    def observe(self, wait_ns: int) -> None:
        """Take one slot's wait (not negative) into account."""
        if self._mean_ns < 0:
            self._mean_ns = wait_ns
        off_ns = wait_ns - self._mean_ns
        grown_ns = abs(off_ns) - self._sway_ns
        self._mean_ns += off_ns // MEAN_PART
        self._sway_ns += grown_ns // (SWAY_RISE if grown_ns > 0 else SWAY_FALL)
        self._left -= self._left > 0

    @property
    def settled(self) -> bool:
        """Whether enough was seen to say something."""
        return not self._left

    @property
    def low_ns(self) -> int:
        """Waits are hardly ever shorter."""
        return self._mean_ns - self._sway_ns

    @property
    def high_ns(self) -> int:
        """Waits are hardly ever longer."""
        return self._mean_ns + self._sway_ns


def best_cut(waits: Sequence[Wait]) -> int:
    """How many streams shall let go one frame each; 0: the cut is good where it is.

    ``waits``: of two or more streams, those that wait longest first (by ``low_ns``). The first
    ones are meant. Then the last of these closes the slot, ``FRAME_NS`` less its wait later.
    """
    best, best_ns = 0, max(wait.high_ns for wait in waits) - MARGIN_NS
    high_before_ns = 0
    for count in range(1, len(waits)):
        last = waits[count - 1]
        high_before_ns = max(high_before_ns, last.high_ns)
        later_ns = FRAME_NS - last.low_ns
        high_after_ns = max(wait.high_ns for wait in waits[count:])
        longest_ns = max(high_before_ns - FRAME_NS, high_after_ns) + later_ns
        if later_ns > 0 and longest_ns <= best_ns:
            best, best_ns = count, longest_ns
    return best

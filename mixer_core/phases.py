"""Where streams of different phase are cut into slots, for the shortest longest wait. Sans-I/O.

Browsers send every 20 ms, each at a phase of its own that hardly moves. Slots that are mixed when
the last frame of each is there may be cut anywhere on that circle: the stream that comes right
after the cut waits longest, 20 ms less the gap before the cut. So the best cut lies in the widest
gap, and the slot closes with the last arrival before it. At first the cut lies wherever the first
talkers happened to put it. It is moved by dropping one frame of every stream between the old cut
and the new (cross-faded with the next, in a quiet moment, all in the same slot): from then on these
streams are paired with frames that the others send later.

A cut is moved only if the longest wait shrinks by ``MARGIN_NS`` beyond the spread of the arrivals.
The deadline of a slot is 20 ms after its first frame, so a shorter wait leaves more time for a
stream that is late. After a missed slot, arrivals are not regular, and the cut stays for
``CALM_SLOTS``. A surplus of whole frames is left to the jitter buffer, which watches for longer.
"""

from __future__ import annotations

from collections.abc import Sequence

from .bus.pcm import FRAME_NS
from .runtime.units import MS_NS

MARGIN_NS = 2 * MS_NS
"""The longest wait must shrink by this much for a cut to be moved."""
CHECK_SLOTS = 10
"""The cut is reviewed once in this many slots (0.2 s)."""
SETTLED_SLOTS = 10
"""The waits of a stream that begins to talk count after this many slots…"""
MOVED_SLOTS = 50
"""…and those of one that took part in a move after this many (1 s)."""
CALM_SLOTS = 250
"""After a missed slot the cut stays for this many (5 s)."""
FIRST_SPREAD_NS = MS_NS
"""Spread of a wait before anything was observed."""
SPREAD_RISE, SPREAD_FALL, MEAN_PART = 2, 128, 8
"""One part in this many of a new value goes into the running values: a larger spread is learned in
a slot or two and forgotten in seconds."""


class Wait:
    """How long one stream's frames wait for the others: running mean, and spread about it."""

    __slots__ = ("_left", "_mean_ns", "_spread_ns")

    def __init__(self) -> None:
        self.restart()

    def restart(self, slots: int = SETTLED_SLOTS) -> None:
        """Forget everything; what comes counts after ``slots`` slots."""
        self._left = slots
        self._mean_ns = -1  # nothing was observed
        self._spread_ns = FIRST_SPREAD_NS

    def observe(self, wait_ns: int) -> None:
        """Take the wait in one slot (not negative) into account."""
        if self._mean_ns < 0:
            self._mean_ns = wait_ns
        off_ns = wait_ns - self._mean_ns
        grown_ns = abs(off_ns) - self._spread_ns
        self._mean_ns += off_ns // MEAN_PART
        self._spread_ns += grown_ns // (SPREAD_RISE if grown_ns > 0 else SPREAD_FALL)
        self._left -= self._left > 0

    @property
    def settled(self) -> bool:
        """Whether enough was observed."""
        return not self._left

    @property
    def low_ns(self) -> int:
        """Waits are rarely shorter."""
        return self._mean_ns - self._spread_ns

    @property
    def high_ns(self) -> int:
        """Waits are rarely longer."""
        return self._mean_ns + self._spread_ns


def best_cut(waits: Sequence[Wait]) -> int:
    """How many of the first streams should drop one frame each; 0: the cut is good where it is.

    ``waits``: of two or more streams, longest first (by ``low_ns``). The last of those that drop a
    frame then closes the slot, ``FRAME_NS`` less its wait later.
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

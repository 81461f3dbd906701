"""Whether the link of a room may speak: only while its node is known to have the room. Sans-I/O.

A link child is granted the room until a time, again and again. It compares that with the clock
itself, before all that it sends: whoever should tell it to stop may be dead, and the child itself
may have been stopped, or the machine asleep. Times are boot time (CLOCK_BOOTTIME), which goes on
while a machine sleeps.
"""

from __future__ import annotations

from ..runtime.units import S_NS

OPEN_NS = 1 * S_NS
"""A session is opened only with so much time left: nobody could hang up a call of which no answer
has come."""
NO_CLUSTER = 0
"""The epoch of rooms without a cluster, which nobody fences."""


class Fence:
    """Of one room's link."""

    __slots__ = ("_epoch", "_until_ns")

    def __init__(self, epoch: int, until_ns: int) -> None:
        """``epoch``: under which the node has the room, or ``NO_CLUSTER``."""
        self._epoch = epoch
        self._until_ns = until_ns

    @property
    def is_off(self) -> bool:
        """There is no cluster."""
        return self._epoch == NO_CLUSTER

    @property
    def epoch(self) -> int:
        """Under which the room was granted."""
        return self._epoch

    def grant(self, epoch: int, until_ns: int) -> None:
        """The room is this link's until then; 0: no longer.

        What was said under an older epoch counts no more, and who was told to stop may go on under
        a newer one only.
        """
        if self.is_off or epoch < self._epoch:
            return
        if epoch > self._epoch:
            self._epoch, self._until_ns = epoch, until_ns
        elif until_ns == 0:
            self._until_ns = 0
            self._epoch = epoch + 1
        else:
            self._until_ns = max(self._until_ns, until_ns)

    def may_speak(self, now_ns: int) -> bool:
        """Whether anything may be sent to the server, or sound of it be played."""
        return now_ns < self._until_ns or self.is_off

    def may_open(self, now_ns: int) -> bool:
        """Whether a session may be opened."""
        return self.may_speak(now_ns + OPEN_NS)

    def left_ns(self, now_ns: int) -> int | None:
        """How long it may speak; None: there is no end."""
        return None if self.is_off else max(0, self._until_ns - now_ns)

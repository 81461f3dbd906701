"""Whether a room's link may speak now, in a cluster of machines. Sans-I/O.

Looked at before everything that is sent and played: whoever should tell the link to stop may be
dead, this process may have been stopped for a while, the machine may have slept. ``Fence`` says
what counts; here is what follows for the sessions, which end at once and are opened again when the
room is granted anew. Times are boot time.
"""

from __future__ import annotations

from typing import Literal

from mixer_core.cluster.fence import NO_CLUSTER, Fence

REASON = "fenced"
"""Why sessions end."""
WORDS = (
    "The assistant pauses: this machine has lost its cluster. It goes on as soon as the cluster is "
    "reached again; you can stay in the room."
)

Change = Literal["pause", "resume"]


class Guard:
    """Of one room's link; every method but ``is_off`` is for rooms of a cluster."""

    def __init__(self, epoch: int, until_ns: int, standby: bool, now_ns: int) -> None:
        """``standby``: another machine has the room; the session may wait, and does not speak."""
        self._fence = Fence(epoch, until_ns)
        self._waits = standby and epoch != NO_CLUSTER
        self.is_paused = not self._waits and not self._fence.may_open(now_ns)
        """No session may be open."""

    @property
    def is_off(self) -> bool:
        """There is no cluster."""
        return self._fence.is_off

    def grant(self, epoch: int, until_ns: int, now_ns: int) -> Change | None:
        """The room is this machine's until then; returns what follows for the sessions."""
        if self._waits and until_ns:
            self._fence, self._waits = Fence(epoch, until_ns), False
        else:
            self._fence.grant(epoch, until_ns)
        if self.is_paused and self._fence.may_open(now_ns):
            self.is_paused = False
            return "resume"
        return "pause" if self.must_pause(now_ns) else None

    def must_pause(self, now_ns: int) -> bool:
        """Whether the sessions have to end now; True once."""
        if self.is_paused or self._waits or self._fence.may_speak(now_ns):
            return False
        self.is_paused = True
        return True

    def may_open(self, now_ns: int) -> bool:
        """Whether a session may be opened; from False on none may be until the next grant."""
        if self._waits or (not self.is_paused and self._fence.may_open(now_ns)):
            return True
        self.is_paused = True
        return False

    def left_ns(self, now_ns: int) -> int | None:
        """When to look again; None where nothing ends by itself."""
        if self.is_paused or self._waits:
            return None
        return self._fence.left_ns(now_ns)

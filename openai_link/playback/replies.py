"""What the tracker keeps of a reply that has audio, and of a flush. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from mixer_core.runtime.units import MS_NS, S_NS

WAIT_NS = 250 * MS_NS
"""Longest wait for the browsers' last reports after a flush."""
TAIL_NS = S_NS
"""Time after its end in which a reply may still be waiting in front of a loudspeaker."""
PAUSE_NS = 300 * MS_NS
"""Silence that is longer than between two words."""
START_NS = 5 * S_NS
"""A reply whose sound has not begun so long after it could have has none that we are told of."""


@dataclass(slots=True)
class Reply:
    """One response with audio; positions are samples on the line of ``PlaybackPositions``."""

    items: list[str] = field(default_factory=list)
    start: int | None = None
    """Position of its first sample; None before it sounds."""
    end: int | None = None
    """Position behind its last sample; None while it goes on."""
    ended_ns: int = 0
    is_generated: bool = False
    """The server has generated all of it."""
    generated_ns: int = 0

    def may_wait(self, silent_ns: int | None, now_ns: int) -> bool:
        """Whether some of it may not have been heard yet.

        ``silent_ns``: since when no other reply is played; None: one is.
        """
        if self.start is None:
            return self.is_generated and self._may_begin(silent_ns, now_ns)
        return self.end is None or now_ns - self.ended_ns <= TAIL_NS

    def _may_begin(self, silent_ns: int | None, now_ns: int) -> bool:
        if silent_ns is None:
            return True
        return now_ns - max(silent_ns, self.generated_ns) <= START_NS


@dataclass(slots=True)
class Cut:
    """A flush, until the last reports about it have come."""

    at_ns: int
    end: int
    """Length of the line at the flush: nothing behind it counts."""
    epoch: int
    """The epoch that began."""
    replies: list[tuple[Reply, bool]]
    """What was on its way, and whether it was cut off (or only its tail was waiting)."""
    loud: int
    """Position behind the newest sound that was no silence: so much a reply has for sure."""
    is_silent: bool
    """There has been silence for longer than between two words."""
    positions: dict[str, int]
    """Where each listener is: extrapolated from its last report before, or as reported since."""
    final: set[str] = field(default_factory=set)
    """Who has sent a last report."""

    @property
    def timeout_ns(self) -> int:
        """Until then last reports are waited for."""
        return self.at_ns + WAIT_NS

    def report(self, participant: str, position: int, report: Mapping[str, Any]) -> None:
        """Take a report. One that is marked ``last``, or is about the new epoch, is a last one."""
        if report.get("epoch") == self.epoch:
            self.final.add(participant)
        elif participant not in self.final:
            self.positions[participant] = min(position, self.end)
            if report.get("last") is True:
                self.final.add(participant)

    def is_complete(self, reporting: Set[str]) -> bool:
        """Whether everybody who reports has sent a last report."""
        return self.final >= reporting

    def furthest(self) -> int:
        """The position of the listener who heard most."""
        return max(self.positions.values(), default=self.end)

    def heard(self, reply: Reply, position: int) -> tuple[int, int]:
        """Samples of ``reply`` that were heard up to ``position``, and those that were sent."""
        start = self.end if reply.start is None else reply.start
        sent = (self.end if reply.end is None else reply.end) - start
        return max(0, min(position - start, sent)), sent

    def sound(self, reply: Reply, sent: int) -> int:
        """Samples of ``reply`` up to its newest sound, of the ``sent`` ones."""
        return 0 if reply.start is None else max(0, min(sent, self.loud - reply.start))

"""Unix time for what ends at a time, although somebody may set the clock. Sans-I/O.

A clock that jumps by weeks and comes back would end invitations and calls that have weeks left. So
a jump counts once it has lasted: until then time goes on from where it was, by a clock that nobody
sets. A clock that has never been right (before 2025: a board without one of its own) is believed at
once when it is set, and so is one that is set soon after the machine has started.
"""

from __future__ import annotations

from .units import MS_NS, S_NS

STEP_MS = 60_000
"""Smaller corrections are followed at once."""
LASTS_NS = 3600 * S_NS
STARTING_NS = 600 * S_NS
"""After the machine's start, in which the network may set its clock."""
EARLIEST_MS = 1_735_689_600_000
"""2025: an earlier time is none."""


class SteadyClock:
    """Takes both clocks at each look."""

    def __init__(self) -> None:
        self._offset_ms: int | None = None
        """Unix time at the machine's start, as it is believed."""
        self._jumped_ms = 0
        """The same by the wall clock since its jump."""
        self._since_ns: int | None = None
        """When it was first seen after the jump; None: it has not jumped."""

    def now_ms(self, wall_ms: int, boot_ns: int) -> int:
        """Unix time.

        Args:
            wall_ms: what the wall clock says.
            boot_ns: since the machine's start, suspension included.
        """
        seen_ms = wall_ms - boot_ns // MS_NS
        if self._offset_ms is None or self._is_believed(seen_ms, wall_ms, boot_ns):
            self._offset_ms, self._since_ns = seen_ms, None
        return self._offset_ms + boot_ns // MS_NS

    def _is_believed(self, seen_ms: int, wall_ms: int, boot_ns: int) -> bool:
        assert self._offset_ms is not None
        if abs(seen_ms - self._offset_ms) <= STEP_MS:
            return True
        known_ms = self._offset_ms + boot_ns // MS_NS
        if wall_ms >= EARLIEST_MS and (known_ms < EARLIEST_MS or boot_ns < STARTING_NS):
            return True
        if self._since_ns is None or abs(seen_ms - self._jumped_ms) > STEP_MS:
            self._jumped_ms, self._since_ns = seen_ms, boot_ns
        return boot_ns - self._since_ns >= LASTS_NS

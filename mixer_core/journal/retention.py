"""What is old enough to be deleted, without trusting one look at the clock. Sans-I/O.

A wall clock may be wrong for a while: a board without a clock of its own begins in 1970 or in the
future, and whoever sets it jumps. So

- a look at the clock is kept in the file, and only what two looks, hours apart by a clock that
  nobody sets, *both* call old is deleted;
- entries have an order that no clock can change, that of their row numbers. Only the oldest of them
  go, up to the first that is young; a time that cannot be right (before there was this program, or
  tomorrow) says nothing about an entry, and it goes with those that came after it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..runtime.units import S_NS

APART_NS = 6 * 3600 * S_NS
"""Between two looks."""
DAY_MS = 86_400_000
EARLIEST_MS = 1_735_689_600_000
"""2025: no entry is older than the program."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the clocks."""

    wall_ms: int
    """Unix time."""
    boot: str
    """Which start of the machine it was (``boot_id`` of proc_sys_kernel(5))."""
    boot_ns: int
    """Since that start, suspension included (``CLOCK_BOOTTIME`` of clock_gettime(2))."""

    def is_apart(self, later: Look) -> bool:
        """Whether enough time lies between two looks."""
        if self.boot == later.boot:
            return later.boot_ns - self.boot_ns >= APART_NS
        return abs(later.wall_ms - self.wall_ms) >= APART_NS // 1_000_000

    def as_text(self) -> str:
        """For ``from_text``."""
        return f"{self.wall_ms} {self.boot_ns} {self.boot}"

    @staticmethod
    def from_text(text: object) -> Look | None:
        """What ``as_text`` gave; None: something else."""
        parts = str(text).split(" ")
        if len(parts) != 3 or not (parts[0] + parts[1]).isdigit():
            return None
        return Look(int(parts[0]), parts[2], int(parts[1]))


def oldest_ms(before: Look | None, now: Look, keep_ms: int) -> int | None:
    """What began before this Unix time may go; None: it is too soon to say.

    Args:
        before: the look that is kept; None: there is none. now: a look, to be kept in place of
            ``before`` where this is not None. keep_ms: age up to which entries are kept.
    """
    if before is None or not before.is_apart(now):
        return None
    return min(before.wall_ms, now.wall_ms) - keep_ms


def is_stale(before: Look | None, now: Look) -> bool:
    """Whether ``before`` is of no use, so that ``now`` is to be kept in its place at once."""
    return before is None or (before.boot == now.boot and before.boot_ns > now.boot_ns)

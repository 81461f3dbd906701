"""The clock of leases: it goes on while the machine sleeps, and nobody sets it."""

from __future__ import annotations

import time


def now_ns() -> int:
    """Nanoseconds since the machine's start, suspension included; the same in all processes.

    Source: clock_gettime(2), CLOCK_BOOTTIME.
    """
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

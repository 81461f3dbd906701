"""The time by which invitations, sessions and certificates begin and end."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from mixer_core.runtime.steady_clock import SteadyClock

_CLOCK = SteadyClock()
"""One for the process: what is made by one time must not end by another."""


def now_s() -> int:
    """Unix time that does not follow a jump of the wall clock at once (``SteadyClock``)."""
    wall_ms, boot_ns = time.time_ns() // 1_000_000, time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return _CLOCK.now_ms(wall_ms, boot_ns) // 1_000


def now() -> datetime:
    """The same as a date."""
    return datetime.fromtimestamp(now_s(), UTC)

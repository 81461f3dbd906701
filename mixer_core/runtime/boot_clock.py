"""The clock of leases: it goes on while the machine sleeps, and nobody sets it."""

from __future__ import annotations

import time
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def now_ns() -> int:
    """Nanoseconds since the machine's start, suspension included; the same in all processes.

    Source: clock_gettime(2), CLOCK_BOOTTIME.
    """
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot() -> str:
    """Which start of the machine it is; empty where it does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""

"""What this process takes of the machine, for metrics: processor time, memory, files.

One reading costs about 25 µs. Sources: proc_pid_statm(5), proc_pid_fd(5), and ``processor_time``.
"""

from __future__ import annotations

import os

from . import processor_time

MEMORY, FILES = "memory_resident_bytes", "open_files"
"""Memory in RAM, with the pages that forked processes share; open file descriptors."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PROC = "/proc/self"


def report(proc: str = PROC) -> dict[str, int]:
    """The counters and gauges by name. What the system does not tell is left out."""
    result = processor_time.counters(f"{proc}/schedstat")
    try:
        with open(f"{proc}/statm", encoding="ascii") as file:
            result[MEMORY] = int(file.read().split()[1]) * _PAGE_BYTES
        result[FILES] = len(os.listdir(f"{proc}/fd"))
    except (OSError, ValueError, IndexError):
        pass
    return result

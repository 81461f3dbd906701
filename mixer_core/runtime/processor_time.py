"""What this process had of the processors, and how long it waited for one: counters for metrics.

One reading costs about 10 µs. Source: ``/proc/[pid]/schedstat`` (the kernel's sched-stats
documentation): time on a processor and time on a run queue in ns, and the number of turns, all of
the main thread. A kernel without it leaves the waiting out.
"""

from __future__ import annotations

import time

SCHEDSTAT = "/proc/self/schedstat"
USED, WAITED, TURNS = "processor_us_total", "processor_wait_us_total", "processor_turns_total"
"""Time of all threads on a processor; the main thread's time on the run queue, and its turns."""


def counters(path: str = SCHEDSTAT) -> dict[str, int]:
    """The counters by name."""
    result = {USED: time.process_time_ns() // 1000}
    try:
        with open(path, encoding="ascii") as file:
            _, waited_ns, turns = map(int, file.read().split())
    except (OSError, ValueError):
        return result
    return result | {WAITED: waited_ns // 1000, TURNS: turns}

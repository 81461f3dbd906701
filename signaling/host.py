"""What the kernel tells of this host: processors, time, pressure, memory.

The counters of a control group (cgroup v2) count where there is one: a container or a service may
have fewer processors and less memory than the machine. One reading takes about 0.2 ms.

Sources: proc(5), the kernel's documents on cgroup v2 and on pressure stall information.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .registry.load_meter import HostCounters

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_MIB = 1 << 20


class Host:
    """Reads the counters; what is not there, or cannot be read, is None."""

    def __init__(self, proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> None:
        self._proc = proc
        self._groups = [*_own_groups(proc, groups)]

    def read(self) -> HostCounters:
        """The counters now. Raises nothing."""
        idle_us, stolen_us = self._machine()
        return HostCounters(
            cores=self._cores(),
            idle_us=idle_us,
            stolen_us=stolen_us,
            machine_cores=os.cpu_count() or 1,
            pressure_us=self._pressure_us(),
            memory_mib=self._memory_mib(),
        )

    def _cores(self) -> float:
        """Processors that this process may use: its own mask, and the smallest quota."""
        cores = float(len(os.sched_getaffinity(0)))
        for group in self._groups:
            words = _text(group / "cpu.max").split()
            if len(words) == 2 and words[0].isdigit() and int(words[1] or 0):
                cores = min(cores, int(words[0]) / int(words[1]))
        return max(cores, 0.01)

    def _machine(self) -> tuple[int | None, int | None]:
        """Time of all processors that nobody used, and that the hypervisor gave to others, µs."""
        words = _text(self._proc / "stat").partition("\n")[0].split()
        if len(words) < 9 or words[0] != "cpu" or not all(map(str.isdigit, words[1:9])):
            return None, None
        ticks = [int(word) * 1_000_000 // _TICKS_PER_S for word in words[1:9]]
        return ticks[3] + ticks[4], ticks[7]

    def _pressure_us(self) -> int | None:
        """Time in which somebody in the group (else: on this machine) waited for a processor."""
        files = [self._groups[0] / "cpu.pressure"] if self._groups else []
        for file in (*files, self._proc / "pressure" / "cpu"):
            for word in _text(file).partition("\n")[0].split():
                name, _, value = word.partition("=")
                if name == "total" and value.isdigit():
                    return int(value)
        return None

    def _memory_mib(self) -> float | None:
        """What this process may still use; the page cache counts as free."""
        free = [f for f in (self._machine_memory(), *map(_group_memory, self._groups)) if f]
        return min(free) / _MIB if free else None

    def _machine_memory(self) -> int | None:
        for line in _text(self._proc / "meminfo").splitlines():
            words = line.split()
            if len(words) >= 2 and words[0] == "MemAvailable:" and words[1].isdigit():
                return int(words[1]) * 1024
        return None


def _own_groups(proc: Path, groups: Path) -> Iterator[Path]:
    """The directory of our control group and of those around it, the innermost first."""
    for line in _text(proc / "self" / "cgroup").splitlines():
        if line.startswith("0::/"):
            inner = groups / line[4:]
            yield from (path for path in (inner, *inner.parents) if path.is_relative_to(groups))


def _group_memory(group: Path) -> int | None:
    """Bytes that a control group may still use; None: it has no limit."""
    most, used = _text(group / "memory.max").strip(), _text(group / "memory.current").strip()
    if not most.isdigit() or not used.isdigit():
        return None
    cached = 0
    for line in _text(group / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == "inactive_file" and value.isdigit():
            cached = int(value)
    return max(int(most) - int(used) + cached, 1)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""

"""What processes cost: processor time, memory and wake-ups, read from ``/proc``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from mixer_core.runtime.units import S_NS

NS_PER_TICK = S_NS // os.sysconf("SC_CLK_TCK")
CHILD_PROGRAMS = ("media_worker", "openai_link")
FORK_SERVER = "mixer_core.runtime.fork_server"
PROGRAMS = {
    "mixer_core": "mixer_core",
    "media_worker": "media_worker host",
    "openai_link": "openai_link host",
    "signaling": "signaling",
    "openai_link.simulator": "simulator",
    "supervisor.supervisord": "supervisord",
    "deploy.supervise": "supervisord",
    "benchmarks.rig.baseline_gateway": "baseline gateway",
}
"""``python -m`` name → what a row of the tables is called."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a gateway."""

    pid: int
    role: str
    """``mixer_core``, ``media_worker child``, ``openai_link host`` …"""


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters of some processes at one moment."""

    at_ns: int
    machine_ns: int
    """Processor time of everything on this machine, time stolen by its host included."""
    cpu_ns: dict[Process, int]
    wakeups: dict[Process, int]
    """Voluntary context switches."""


@dataclass
class Usage:
    """What was used between two readings, by role."""

    seconds: float
    machine_percent: float = 0.0
    """Of one core: everything that ran on this machine."""
    cpu_percent: dict[str, float] = field(default_factory=dict)
    """Of one core."""
    wakeups_per_s: dict[str, float] = field(default_factory=dict)

    @property
    def total_percent(self) -> float:
        """Of one core, all roles."""
        return sum(self.cpu_percent.values())


def processes_with(variable: str, value: str) -> list[Process]:
    """Living processes of this user whose environment has ``variable=value``, with their roles."""
    wanted = f"{variable}={value}".encode()
    found: list[Process] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if wanted not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            if words != [""]:  # a zombie has none
                name = (entry / "comm").read_text(encoding="utf-8", errors="replace").strip()
                found.append(Process(int(entry.name), _role(words, name)))
        except OSError:
            continue
    return sorted(found, key=lambda process: process.pid)


def read(processes: Iterable[Process]) -> Reading:
    """Counters now; processes that have ended are left out."""
    cpu: dict[Process, int] = {}
    wakeups: dict[Process, int] = {}
    at_ns = time.monotonic_ns()
    for process in processes:
        try:
            cpu[process] = cpu_ns(process.pid)
            wakeups[process] = voluntary_switches(process.pid)
        except (OSError, ValueError, IndexError):
            cpu.pop(process, None)
    return Reading(at_ns, machine_ns(), cpu, wakeups)


def between(before: Reading, after: Reading) -> Usage:
    """Usage by role; a process counts where it is in both readings."""
    seconds = (after.at_ns - before.at_ns) / S_NS
    usage = Usage(seconds, 100 * (after.machine_ns - before.machine_ns) / S_NS / seconds)
    for process, cpu in after.cpu_ns.items():
        if process not in before.cpu_ns:
            continue
        share = 100 * (cpu - before.cpu_ns[process]) / S_NS / seconds
        usage.cpu_percent[process.role] = usage.cpu_percent.get(process.role, 0.0) + share
        rate = (after.wakeups[process] - before.wakeups[process]) / seconds
        usage.wakeups_per_s[process.role] = usage.wakeups_per_s.get(process.role, 0.0) + rate
    return usage


def machine_ns() -> int:
    """Processor time that all cores spent on anything but idling, so far."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, soft_irq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + soft_irq + steal) * NS_PER_TICK


def cpu_ns(pid: int) -> int:
    """Processor time of all threads so far: exact where the kernel keeps it, else in ticks."""
    try:
        tasks = Path(f"/proc/{pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())
    except FileNotFoundError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * NS_PER_TICK


def voluntary_switches(pid: int) -> int:
    """How often its threads went to sleep, that is, how often they were woken."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                total += int(line.split()[1])
    return total


def memory_mib(pid: int) -> tuple[float, float]:
    """PSS (shared pages divided among their users) and private memory, MiB. Raises OSError."""
    values: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith("kB"):
            values[name] = int(rest.split()[0])
    private_kib = values.get("Private_Clean", 0) + values.get("Private_Dirty", 0)
    return values.get("Pss", 0) / 1024, private_kib / 1024


def pss_by_role(processes: Iterable[Process]) -> dict[str, list[float]]:
    """PSS of every process, MiB, by role."""
    return _by_role(processes, lambda pid: memory_mib(pid)[0])


def open_files(processes: Iterable[Process]) -> int:
    """Open file descriptors of all of them."""
    counts = _by_role(processes, lambda pid: len(os.listdir(f"/proc/{pid}/fd")))
    return int(sum(sum(values) for values in counts.values()))


def _by_role(
    processes: Iterable[Process], measure: Callable[[int], float]
) -> dict[str, list[float]]:
    result: dict[str, list[float]] = {}
    for process in processes:
        try:
            value = measure(process.pid)
        except OSError:
            continue
        result.setdefault(process.role, []).append(value)
    return result


def _role(words: list[str], name: str) -> str:
    """What a process is, by its command line and its name.

    Children have the command line of the fork server that they come from, and names of their own.
    """
    for module, role in PROGRAMS.items():
        if _runs(words, module):
            return role
    if _runs(words, FORK_SERVER):
        for program in CHILD_PROGRAMS:
            if name.startswith(f"{program}:"):
                return f"{program} fork server"
            if name.startswith(f"{program}-"):
                return f"{program} child"
    return "other"


def _runs(words: list[str], module: str) -> bool:
    return any(pair == ("-m", module) for pair in pairwise(words))

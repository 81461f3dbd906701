"""Processor, memory and clock. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator

from .facts import Facts
from .findings import Finding

LITTLE_MEMORY_MIB = 200.0
HOT_C = 85.0
FIRST_YEAR = 2026
"""A clock before that was never set."""
MOST_SKEW_S = 60.0


def processor(facts: Facts) -> Iterator[Finding]:
    """What the wheels of numpy and numba need of a processor."""
    needed = {"x86_64": ("sse4_2", "popcnt"), "aarch64": ("asimd",)}
    machine = facts.machine
    missing = [
        name for name in needed.get(machine.architecture, ()) if name not in machine.features
    ]
    if missing:
        yield Finding(
            "processor",
            "error",
            f"this {machine.architecture} processor has no {', '.join(missing)}",
            "use a newer one; in a virtual machine, pass the host's processor on (cpu host)",
        )
    if machine.architecture not in needed:
        yield Finding(
            "processor",
            "warning",
            f"nobody has tried {machine.architecture}",
            "use a 64-bit system on ARM or x86; there are no wheels for others",
        )


def power(facts: Facts) -> Iterator[Finding]:
    """Power mode, frequency, heat."""
    machine = facts.machine
    if machine.cores < machine.cores_present:
        yield Finding(
            "power",
            "warning",
            f"{machine.cores_present - machine.cores} of {machine.cores_present} processors "
            "are switched off",
            "on a Jetson: sudo nvpmodel -m 0; elsewhere: sudo chcpu -e 0-"
            f"{machine.cores_present - 1}",
        )
    if "powersave" in machine.governors:
        yield Finding(
            "power",
            "warning",
            "the processors are kept at their lowest frequency (governor powersave)",
            "sudo cpupower frequency-set -g performance; on a Jetson: sudo jetson_clocks",
        )
    if machine.throttled:
        yield Finding(
            "throttling",
            "warning",
            machine.throttled,
            "a better power supply or cooling; audio breaks up while it is held back",
        )
    elif machine.hottest_c >= HOT_C:
        words = f"the processor has {machine.hottest_c:.0f} °C and will be slowed down"
        yield Finding("throttling", "warning", words, "cool it: a fan, or air around it")


def memory(facts: Facts) -> Iterator[Finding]:
    """Memory and open files."""
    machine = facts.machine
    if machine.memory_mib < LITTLE_MEMORY_MIB:
        yield Finding(
            "memory",
            "warning",
            f"{machine.memory_mib:.0f} MiB of memory are free",
            "end other programs; each participant takes about 15 MiB, each room 30",
        )
    if machine.open_files < 1_024:
        yield Finding(
            "files",
            "warning",
            f"this user may open {machine.open_files} files",
            "ulimit -n 4096, or LimitNOFILE of the service",
        )


def clock(facts: Facts) -> Iterator[Finding]:
    """The system's time: tokens, certificates and prices by day depend on it."""
    found = facts.clock
    cure = "set up time synchronization: timedatectl set-ntp true"
    if found.year < FIRST_YEAR:
        yield Finding("clock", "error", f"the clock says it is {found.year}", cure)
    elif found.skew_s is not None and abs(found.skew_s) > MOST_SKEW_S:
        way = "ahead" if found.skew_s > 0 else "behind"
        words = f"the clock is {abs(found.skew_s):.0f} s {way} of the server's"
        yield Finding("clock", "error", words, cure)
    elif not found.is_synchronized:
        words = "nobody keeps the clock right (it is not synchronized)"
        yield Finding("clock", "warning", words, cure)

"""Looks at the computer: processors, power, heat, memory, clock."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import time
from pathlib import Path

from .facts import Clock, Machine

ROOT = Path("/")
_TIME_ERROR = 5
"""``adjtimex(2)``: the clock is not synchronized."""
_RASPBERRY = {
    0: "the voltage is too low",
    1: "the frequency is limited",
    2: "it is throttled",
    3: "the temperature limit is reached",
}
"""Bits of ``get_throttled`` (documentation of vcgencmd)."""


def look(root: Path = ROOT, architecture: str = "") -> Machine:
    """The machine whose ``/proc`` and ``/sys`` are below ``root``."""
    return Machine(
        architecture=architecture or platform.machine(),
        features=_features(root),
        cores=_count(_text(root / "sys/devices/system/cpu/online")) or os.cpu_count() or 1,
        cores_present=_count(_text(root / "sys/devices/system/cpu/present")) or 1,
        governors=_governors(root),
        throttled=_throttled(root),
        hottest_c=_hottest(root),
        memory_mib=_memory(root),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
    )


def clock() -> Clock:
    """The system's time."""
    return Clock(year=time.gmtime().tm_year, is_synchronized=_is_synchronized())


def _features(root: Path) -> frozenset[str]:
    for line in _text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() in ("flags", "features"):
            return frozenset(value.split())
    return frozenset()


def _count(ranges: str) -> int:
    """How many numbers there are in a list such as ``0-3,5``."""
    total = 0
    for part in ranges.strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            total += int(last or first) - int(first) + 1
    return total


def _governors(root: Path) -> tuple[str, ...]:
    files = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))
    return tuple(dict.fromkeys(_text(file).strip() for file in files))


def _throttled(root: Path) -> str:
    soc = root / "sys/devices/platform/soc"
    text = _text(soc / "soc:firmware/get_throttled").strip()
    try:
        bits = int(text, 16) if text else 0
    except ValueError:
        bits = 0
    words = [what for bit, what in _RASPBERRY.items() if bits >> bit & 1]
    was = [what for bit, what in _RASPBERRY.items() if bits >> (bit + 16) & 1]
    if words:
        return f"the processor is held back: {', '.join(words)}"
    return f"since its start the processor was held back: {', '.join(was)}" if was else ""


def _hottest(root: Path) -> float:
    found = [
        int(text) / 1000
        for file in (root / "sys/class/thermal").glob("thermal_zone*/temp")
        if (text := _text(file).strip()).isdigit()
    ]
    return max(found, default=0.0)


def _memory(root: Path) -> float:
    for line in _text(root / "proc/meminfo").splitlines():
        words = line.split()
        if words[:1] == ["MemAvailable:"]:
            return int(words[1]) / 1024
    return float("inf")


def _is_synchronized() -> bool:
    buffer = ctypes.create_string_buffer(512)  # struct timex, all zero: ask, change nothing.
    try:
        state = ctypes.CDLL(None).adjtimex(buffer)
    except (OSError, AttributeError):
        return True
    return int(state) != _TIME_ERROR


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""

"""What this machine is: figures without their machine mean nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("aiortc", "av", "numba", "numpy", "pyzmq", "uvloop", "msgpack", "aiohttp")


def describe() -> dict[str, Any]:
    """Processor, cores, memory, kernel, C library, governor, Python and library versions."""
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 0,
        "memory_mib": memory_mib(),
        "system": f"{platform.system()} {platform.release()}",
        "libc": " ".join(platform.libc_ver()),
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in PACKAGES},
    }


def summary(machine: dict[str, Any]) -> str:
    """One line for a head."""
    return (
        f"{machine['processor']} × {machine['cores']}, {machine['memory_mib']} MiB, "
        f"{machine['system']}, Python {machine['python']}, load {machine['load_before']}"
    )


def processor() -> str:
    """The model of the processor, as the kernel or the device tree names it."""
    model = _first_line("/proc/device-tree/model").rstrip("\0")
    if model:
        return model
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Hardware"):
            return value.strip()
    return platform.processor() or "unknown"


def memory_mib() -> int:
    """Physical memory in MiB."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20


def package_version(name: str) -> str:
    """The installed version, or empty."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except OSError:
        return ""

"""What a running gateway takes of the machine at one moment: memory, descriptors, files, names."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .gateway_process import GatewayProcess
from .usage import Process

KINDS = ("Rss", "Pss", "Private", "Shared")
"""Of ``/proc/<pid>/smaps_rollup`` (proc_pid_smaps(5)); private and shared: clean and dirty."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """One look at a gateway."""

    at_s: float
    """Since the first look."""
    memory_mib: dict[str, dict[str, float]]
    """Role → kind of memory → all its processes together."""
    processes: dict[str, int]
    """Role → number."""
    counts: dict[str, float] = field(default_factory=dict)
    """What is counted once: descriptors, threads, files, bytes, rooms, names."""

    @property
    def pss_mib(self) -> float:
        """Memory of the whole gateway, shared pages counted once."""
        return sum(kinds["Pss"] for kinds in self.memory_mib.values())


class Watcher:
    """Takes looks at one gateway, whose temporary directory is its own."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self._began_s = time.monotonic()

    def look(self) -> Footprint:
        """A look now; what ends meanwhile is left out."""
        memory: dict[str, dict[str, float]] = {}
        numbers: dict[str, int] = {}
        counts = {"descriptors": 0.0, "threads": 0.0}
        for process in self._gateway.processes():
            try:
                kinds = memory_mib(process.pid)
                descriptors = len(os.listdir(f"/proc/{process.pid}/fd"))
                threads = len(os.listdir(f"/proc/{process.pid}/task"))
            except OSError:
                continue
            _add(memory, process, kinds)
            numbers[process.role] = numbers.get(process.role, 0) + 1
            counts["descriptors"] += descriptors
            counts["threads"] += threads
        at_s = time.monotonic() - self._began_s
        return Footprint(at_s, memory, numbers, counts | self._files() | self._people())

    def _files(self) -> dict[str, float]:
        folder = self._gateway.dir
        state = list(_tree(folder / "state"))
        return {
            "temporary files": sum(1 for _ in _tree(folder / "tmp")),
            "runtime files": sum(1 for _ in _tree(folder / "run")),
            "state files": len(state),
            "journal, kB": _kilobytes(p for p in state if p.name == "journal.sqlite3"),
            "journal's log, kB": _kilobytes(p for p in state if p.name.endswith("-wal")),
            "log, kB": _kilobytes([folder / "log"]),
        }

    def _people(self) -> dict[str, float]:
        metrics = self._gateway.get("/metrics")[1].splitlines()
        try:
            rooms = json.loads(self._gateway.get("/rooms")[1])["rooms"]
        except (ValueError, KeyError):
            rooms = []
        names = [person["name"] for room in rooms for person in room.get("participants", [])]
        return {
            "metric lines": sum(not line.startswith("#") for line in metrics),
            "rooms": len(rooms),
            "people": len(names),
        }


def memory_mib(pid: int) -> dict[str, float]:
    """Memory of a process by kind, MiB. Raises OSError."""
    kib: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith("kB"):
            kind = name.partition("_")[0]
            kib[kind] = kib.get(kind, 0) + int(rest.split()[0]) * (name in _COUNTED)
    return {kind: kib.get(kind, 0) / 1024 for kind in KINDS}


_COUNTED = {
    *("Rss", "Pss", "Private_Clean", "Private_Dirty", "Shared_Clean", "Shared_Dirty"),
}


def _add(memory: dict[str, dict[str, float]], process: Process, kinds: dict[str, float]) -> None:
    known = memory.setdefault(process.role, dict.fromkeys(KINDS, 0.0))
    for kind, value in kinds.items():
        known[kind] += value


def _tree(folder: Path) -> Iterable[Path]:
    """Everything below a directory."""
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(root, name)


def _kilobytes(files: Iterable[Path]) -> float:
    total = 0
    for file in files:
        try:
            total += file.stat().st_size
        except OSError:
            continue
    return total / 1_000

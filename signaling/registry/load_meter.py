"""From the counters of host and programs to how loaded the gateway is now. Sans-I/O.

Each figure is a share of what the gateway bears: at 1.0 it has no room for one more. They are
smoothed over about two seconds, so that one bad moment refuses nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from mixer_core.runtime.metrics import BOUNDS_MS, bucket_counts
from mixer_core.runtime.processor_time import TURNS, USED, WAITED
from mixer_core.runtime.units import S_NS

Signal = Literal["processor", "waiting", "lateness", "backlog", "memory"]
SIGNALS: tuple[Signal, ...] = ("processor", "waiting", "lateness", "backlog", "memory")
SMOOTH_NS = 2 * S_NS
LEAST_NS = S_NS // 2
"""Between two readings; what comes sooner is passed over."""
MOST_NS = 5 * S_NS
"""After a longer pause the counters only show where they stand."""
FEW = 5
"""Deadlines that say too little about lateness."""
LATE_QUANTILE = 0.9
MOST_PRESSURE = 0.8
"""Share of the time in which somebody waits for a processor: where the kernel tells no more."""
MOST_LOST = 0.1
"""Share that counts of what one reading shows as dropped: a mixer that starts again is no load."""
LATENESS = "timeout_lateness_ms"
DROPS = (
    ("media_worker", "bus_dropped_total"),
    ("media_worker", "frames_dropped_stale_total"),
    ("openai_link", "mixer_dropped_messages_total"),
)
"""Audio that was dropped inside, for which no browser's network is to blame."""
FRAMES = ("mixer_core", "frames_in_total")

Sum = Callable[[str, str], int | float | list[int]]
"""Takes a program (empty: all) and a metric; its sum over all processes."""
Grown = dict[tuple[str, str], float | list[int]]
"""By how much each sum has grown between two readings."""


@dataclass(frozen=True, slots=True)
class HostCounters:
    """Counters of the kernel; None: not known here. Times in µs, of all processors together."""

    cores: float
    """Processors that this gateway may use."""
    machine_cores: int = 1
    idle_us: int | None = None
    stolen_us: int | None = None
    """Time that the hypervisor gave to others."""
    pressure_us: int | None = None
    """Time in which somebody waited for a processor."""
    memory_mib: float | None = None
    """Memory that may still be used: no counter, but what is."""


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """What the gateway bears; 0: not looked at."""

    processor: float = 0.85
    """Share of its processors."""
    wait_ms: float = 2.0
    """Mean time that its processes wait for a processor before each turn."""
    late_ms: float = 20.0
    """How late nine of ten deadlines of the mixer are at most."""
    lost: float = 0.03
    """Share of the audio messages that are dropped inside."""
    memory_mib: float = 64.0
    """Memory that has to stay free."""


@dataclass(frozen=True, slots=True)
class Load:
    """How loaded the gateway is."""

    ratios: dict[Signal, float] = field(default_factory=dict)
    """Share of what it bears."""
    own_cores: float = 0.0
    """Processors that it uses itself."""
    busy: float = 0.0
    """Share of the machine's processors that anybody uses."""
    bears_cores: float = 1.0
    """Processors that it may use itself, of those that are really there."""

    @property
    def worst(self) -> Signal:
        """The signal with the largest share."""
        return max(self.ratios, key=lambda name: self.ratios[name], default="processor")

    @property
    def ratio(self) -> float:
        """The largest share."""
        return max(self.ratios.values(), default=0.0)


@dataclass(slots=True)
class _Last:
    """Counters at the last reading."""

    at_ns: int
    host: HostCounters
    sums: dict[tuple[str, str], int | float | list[int]]


class LoadMeter:
    """Compares each reading with the one before."""

    def __init__(self, limits: LoadLimits) -> None:
        self._limits = limits
        self._last: _Last | None = None
        self._smooth: dict[str, float] = {}
        self.load = Load()
        """As of the last reading."""

    def read(self, host: HostCounters, total: Sum, now_ns: int) -> Load:
        """Take the counters, about once a second."""
        names = [("", USED), ("", WAITED), ("", TURNS), ("mixer_core", LATENESS), FRAMES, *DROPS]
        last = self._last
        if last is not None and now_ns - last.at_ns < LEAST_NS:
            return self.load
        now = self._last = _Last(now_ns, host, {name: total(*name) for name in names})
        if last is None or now_ns - last.at_ns > MOST_NS:
            return self.load
        self.load = self._compared(last, now)
        return self.load

    def _compared(self, last: _Last, now: _Last) -> Load:
        took_us = (now.at_ns - last.at_ns) / 1_000
        grown = {name: _grown(last.sums[name], value) for name, value in now.sums.items()}
        stolen = _rate(last.host.stolen_us, now.host.stolen_us, took_us) or 0.0
        idle = _rate(last.host.idle_us, now.host.idle_us, took_us)
        pressure = _rate(last.host.pressure_us, now.host.pressure_us, took_us)
        own = self._smoothed("own", _number(grown["", USED]) / took_us, took_us)
        stolen = self._smoothed("stolen", stolen, took_us)
        machine = now.host.machine_cores
        busy = 1.0 - idle / machine if idle is not None else 0.0
        cores = max(now.host.cores * (1.0 - min(stolen / machine, 0.9)), 0.01)
        limits = self._limits
        is_counted = last.sums["", TURNS] != 0
        ratios: dict[Signal, float] = {
            "processor": _share(own / cores, limits.processor),
            "waiting": self._waiting(grown, pressure, took_us, is_counted=is_counted),
            "lateness": self._lateness(grown["mixer_core", LATENESS], took_us),
            "backlog": self._backlog(grown, took_us),
            "memory": _share(limits.memory_mib, now.host.memory_mib or 0.0),
        }
        bears = cores * (limits.processor or 1.0)
        busy = self._smoothed("busy", min(max(busy, 0.0), 1.0), took_us)
        return Load(ratios, own, busy, bears)

    def _waiting(
        self, grown: Grown, pressure: float | None, took_us: float, *, is_counted: bool
    ) -> float:
        """By the processes' own count, else by the pressure that the kernel tells."""
        if not self._limits.wait_ms:
            return 0.0
        if is_counted:
            wait_ms = _number(grown["", WAITED]) / max(_number(grown["", TURNS]), 1.0) / 1_000
            return self._smoothed("wait", wait_ms, took_us) / self._limits.wait_ms
        return self._smoothed("pressure", pressure or 0.0, took_us) / MOST_PRESSURE

    def _lateness(self, counts: float | list[int], took_us: float) -> float:
        late_ms = _quantile_ms(bucket_counts(counts) if isinstance(counts, list) else [])
        return _share(self._smoothed("late", late_ms, took_us), self._limits.late_ms)

    def _backlog(self, grown: Grown, took_us: float) -> float:
        dropped = sum(_number(grown[name]) for name in DROPS)
        lost = min(dropped / max(_number(grown[FRAMES]) + dropped, 250.0), MOST_LOST)
        return _share(self._smoothed("lost", lost, took_us / 2), self._limits.lost)

    def _smoothed(self, name: str, value: float, took_us: float) -> float:
        """Exponential smoothing, for readings at any distance."""
        weight = min(took_us * 1_000 / SMOOTH_NS, 1.0)
        before = self._smooth.get(name, 0.0)
        now = self._smooth[name] = before + weight * (value - before)
        return now


def _grown(before: int | float | list[int], now: int | float | list[int]) -> float | list[int]:
    """By how much a counter or a histogram has grown; one that fell has begun again."""
    if isinstance(now, list):
        old = before if isinstance(before, list) and len(before) == len(now) else [0] * len(now)
        return [max(b - a, 0) for a, b in zip(old, now, strict=True)]
    return max(now - before, 0) if not isinstance(before, list) else 0.0


def _number(value: float | list[int]) -> float:
    return 0.0 if isinstance(value, list) else float(value)


def _rate(before: int | None, now: int | None, took_us: float) -> float | None:
    return None if before is None or now is None else max(now - before, 0) / took_us


def _share(value: float, limit: float) -> float:
    """``value`` of ``limit``; 0 where either is not known or not looked at."""
    return value / limit if limit > 0 else 0.0


def _quantile_ms(counts: list[int]) -> float:
    """The upper bound of the bucket of ``LATE_QUANTILE``; 0 where there are too few."""
    total = sum(counts)
    if total < FEW:
        return 0.0
    seen = 0
    for bound_ms, count in zip(BOUNDS_MS, counts, strict=False):
        seen += count
        if seen >= LATE_QUANTILE * total:
            return bound_ms
    return 2 * BOUNDS_MS[-1]

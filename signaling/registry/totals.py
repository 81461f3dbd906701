"""Sums the metrics of all processes, so that counters never fall when a process ends. Sans-I/O.

Processes report plain maps (``mixer_core.bus.metrics``): a name that ends in ``_total`` is a
counter, a list is a histogram's bucket counts, everything else a gauge. Counters and histograms
of a program are summed over all its processes that ever were; gauges over those that live: the
largest where the name ends in ``_ms`` (a backlog, a delay), else the sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixer_core.bus.control import Metrics

from .actions import MS_NS

FRESH_NS = 3_000 * MS_NS
"""Gauges of a process that has said nothing for so long are left out."""
MAX_SOURCES = 256
"""So many processes are kept apart; the longest silent one beyond is folded into the sums."""
MAX_NAMES = 512
"""So many different names are kept per program."""

Key = tuple[str, str]
"""Program and metric name."""
Value = int | float | list[int]


@dataclass(slots=True)
class _Source:
    """The latest report of one process."""

    program: str
    metrics: Metrics
    seen_ns: int


class Totals:
    """All metrics of the gateway."""

    def __init__(self) -> None:
        self._sources: dict[tuple[str, int], _Source] = {}
        self._ended: dict[Key, Value] = {}

    def heard(
        self, program: str, identity: str, pid: int, metrics: Mapping[str, Value], now_ns: int
    ) -> None:
        """Take a report of the process ``identity`` / ``pid`` of ``program``."""
        key = (identity, pid)
        old = self._sources.pop(key, None)
        if old is not None and _has_fallen(old.metrics, metrics):
            self._fold(old)
        elif len(self._sources) >= MAX_SOURCES:
            self._fold(self._sources.pop(next(iter(self._sources))))
        bounded = dict(list(metrics.items())[:MAX_NAMES])
        self._sources[key] = _Source(program, bounded, now_ns)

    def sums(self) -> dict[Key, Value]:
        """Counters and histograms over all processes that ever were."""
        result = {key: _copy(value) for key, value in self._ended.items()}
        for source in self._sources.values():
            _add(result, source)
        return result

    def gauges(self, now_ns: int) -> dict[Key, int | float]:
        """Gauges over the processes that live."""
        result: dict[Key, int | float] = {}
        for source in self._sources.values():
            if now_ns - source.seen_ns >= FRESH_NS:
                continue
            for name, value in source.metrics.items():
                if isinstance(value, list) or name.endswith("_total"):
                    continue
                key = (source.program, name)
                known = result.get(key, 0)
                result[key] = max(known, value) if name.endswith("_ms") else known + value
        return result

    def _fold(self, source: _Source) -> None:
        _add(self._ended, source)


def _copy(value: Value) -> Value:
    return list(value) if isinstance(value, list) else value


def _add(sums: dict[Key, Value], source: _Source) -> None:
    for name, value in source.metrics.items():
        known = sums.get((source.program, name))
        if isinstance(value, list):
            if not isinstance(known, list) or len(known) != len(value):
                known = [0] * len(value)
            sums[source.program, name] = [a + b for a, b in zip(known, value, strict=True)]
        elif name.endswith("_total"):
            before = 0 if known is None or isinstance(known, list) else known
            sums[source.program, name] = before + value


def _has_fallen(old: Mapping[str, Value], new: Mapping[str, Value]) -> bool:
    """Whether a counter went down or vanished: the process began anew."""
    for name, before in old.items():
        after = new.get(name)
        if isinstance(before, list):
            if not isinstance(after, list) or sum(after) < sum(before):
                return True
        elif name.endswith("_total") and (
            after is None or isinstance(after, list) or after < before
        ):
            return True
    return False

"""Sums the metrics of all processes, so that counters never fall when a process ends. Sans-I/O.

Processes report plain maps (``mixer_core.runtime.metrics``): a name that ends in ``_total`` is a
counter, a list is the report of a histogram, everything else is a gauge. Counters and
histograms are summed over all processes of a program, ended ones included; gauges over the live
ones: the maximum if the name ends as one of ``WORST`` (a delay, what waits in line), else the sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixer_core.bus.control import Metrics
from mixer_core.runtime.units import S_NS

FRESH_NS = 3 * S_NS
"""Age after which a report's gauges no longer count."""
MAX_SOURCES = 256
"""Processes that are kept apart; beyond that, the one silent longest is folded into the sums."""
MAX_NAMES = 512
"""Names that are kept per report."""
WORST = ("_ms", "_waiting_records")
"""Ends of names of gauges that say more of the worst process than of all together."""

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
        """Counters and histograms, summed over all processes, ended ones included."""
        result = {key: _copy(value) for key, value in self._ended.items()}
        for source in self._sources.values():
            _add(result, source)
        return result

    def total(self, program: str, name: str) -> Value:
        """One counter or histogram of a program, or of all (empty), as in ``sums``; 0: unknown."""
        found = [v for (of, n), v in self._ended.items() if n == name and program in ("", of)]
        found += [
            source.metrics[name]
            for source in self._sources.values()
            if program in ("", source.program) and name in source.metrics
        ]
        lists = [value for value in found if isinstance(value, list)]
        if lists:
            return [sum(counts) for counts in zip(*lists, strict=False)]
        return sum(value for value in found if not isinstance(value, list))

    def gauges(self, now_ns: int) -> dict[Key, int | float]:
        """Gauges of the live processes."""
        result: dict[Key, int | float] = {}
        for source in self._sources.values():
            if now_ns - source.seen_ns >= FRESH_NS:
                continue
            for name, value in source.metrics.items():
                if isinstance(value, list) or name.endswith("_total"):
                    continue
                key = (source.program, name)
                known = result.get(key, 0)
                result[key] = max(known, value) if name.endswith(WORST) else known + value
        return result

    def gauge(self, program: str, name: str, now_ns: int) -> int | float:
        """One gauge, as in ``gauges``; 0: unknown."""
        found = [
            value
            for source in self._sources.values()
            if source.program == program and now_ns - source.seen_ns < FRESH_NS
            if not isinstance(value := source.metrics.get(name, 0), list)
        ]
        return max(found, default=0) if name.endswith(WORST) else sum(found)

    def forget(self, program: str) -> None:
        """Nothing of this program counts any more."""
        self._ended = {key: value for key, value in self._ended.items() if key[0] != program}
        sources = self._sources.items()
        self._sources = {key: source for key, source in sources if source.program != program}

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
    """Whether a counter went down or vanished: the process started again."""
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

"""Counters and histograms: plain ints, so that a hot path pays one addition.

They travel in heartbeats as plain maps; signaling turns them into Prometheus text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from .units import MS_NS

BOUNDS_MS = (
    *(0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0),
    *(20.0, 25.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0, 200.0, 300.0, 500.0),
    *(750.0, 1000.0, 1500.0, 2000.0, 3000.0, 5000.0, 10000.0),
)
"""Upper bounds of a histogram's buckets; one more bucket takes the rest. Audio waits for less than
half a second; the stages of a turn, and tools, take longer."""
_BOUNDS_NS = tuple(int(bound * MS_NS) for bound in BOUNDS_MS)


class Histogram:
    """Counts durations in fixed buckets."""

    __slots__ = ("counts", "sum_ns")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_MS) + 1)
        self.sum_ns = 0
        """Of all durations; negative ones are nothing."""

    def observe_ns(self, duration_ns: int) -> None:
        """Count one duration (negative ones fall into the first bucket)."""
        self.counts[bisect_left(_BOUNDS_NS, duration_ns)] += 1
        if duration_ns > 0:
            self.sum_ns += duration_ns

    def report(self) -> list[int]:
        """For a heartbeat: the counts of the buckets, and the sum in µs behind them."""
        return [*self.counts, self.sum_ns // 1000]


def bucket_counts(report: Sequence[int]) -> list[int]:
    """The buckets of what ``Histogram.report`` returned, without the sum behind them."""
    return list(report[: len(BOUNDS_MS) + 1])


class Metrics:
    """The counters, gauges and histograms of one process, by name.

    Names end in ``_total`` (counter), in a unit (gauge), or in ``_ms`` (histogram).
    """

    def __init__(self) -> None:
        self.values: dict[str, int | float] = {}
        self._histograms: dict[str, Histogram] = {}

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter."""
        self.values[name] = self.values.get(name, 0) + amount

    def gauge(self, name: str, value: int | float) -> None:
        """Set a gauge."""
        self.values[name] = value

    def histogram(self, name: str) -> Histogram:
        """The histogram of that name; keep it and call ``observe_ns``."""
        return self._histograms.setdefault(name, Histogram())

    def snapshot(self) -> dict[str, int | float | list[int]]:
        """A copy for a heartbeat."""
        result: dict[str, int | float | list[int]] = dict(self.values)
        for name, histogram in self._histograms.items():
            result[name] = histogram.report()
        return result

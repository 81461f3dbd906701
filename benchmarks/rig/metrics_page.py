"""The gateway's ``/metrics`` page as numbers, and quantiles of its histograms."""

from __future__ import annotations

import math

from prometheus_client.parser import text_string_to_metric_families


class MetricsPage:
    """One reading. Names are those of the programs, without ``mixminus_``."""

    def __init__(self, text: str) -> None:
        """``text``: the page in Prometheus' text format."""
        self._values: dict[tuple[str, str], float] = {}
        self._buckets: dict[tuple[str, str], dict[float, float]] = {}
        self.backlog_ms: dict[str, float] = {}
        """Stage → audio that waits there."""
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = sample.name.removeprefix("mixminus_")
                program = sample.labels.get("program", "")
                if "stage" in sample.labels:
                    self.backlog_ms[sample.labels["stage"]] = sample.value
                elif name.endswith("_bucket"):
                    bucket = self._buckets.setdefault((program, name[:-7]), {})
                    bucket[float(sample.labels["le"])] = sample.value
                else:
                    self._values[program, name] = sample.value

    def value(self, program: str, name: str) -> float:
        """A counter or gauge; 0 if it has not been reported."""
        return self._values.get((program, name), 0.0)

    def since(self, earlier: MetricsPage, program: str, name: str) -> float:
        """How much a counter grew."""
        return self.value(program, name) - earlier.value(program, name)

    def quantiles(
        self, earlier: MetricsPage, program: str, name: str, *shares: float
    ) -> dict[str, float]:
        """``p50`` … of what a histogram counted since ``earlier``; empty if it counted nothing.

        Within a bucket the value is interpolated; beyond the last bound it is that bound.
        """
        now = self._buckets.get((program, name), {})
        before = earlier._buckets.get((program, name), {})
        counts = {bound: count - before.get(bound, 0.0) for bound, count in sorted(now.items())}
        total = counts.get(math.inf, 0.0)
        if total <= 0:
            return {}
        return {f"p{share * 100:g}": _quantile(counts, share * total) for share in shares}


def _quantile(cumulative: dict[float, float], rank: float) -> float:
    lower, below = 0.0, 0.0
    for bound, count in cumulative.items():
        if count >= rank and count > below:
            if math.isinf(bound):
                return lower
            return round(lower + (bound - lower) * (rank - below) / (count - below), 3)
        lower, below = bound, count
    return lower

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.metrics import BOUNDS_MS, Histogram, Metrics


@given(st.lists(st.integers(-10, 2_000_000_000), max_size=50))
def test_every_duration_falls_into_exactly_one_bucket(durations_ns: list[int]) -> None:
    histogram = Histogram()
    for duration_ns in durations_ns:
        histogram.observe_ns(duration_ns)
    assert sum(histogram.counts) == len(durations_ns)
    for index, bound_ms in enumerate(BOUNDS_MS):
        below = sum(1 for duration_ns in durations_ns if duration_ns <= bound_ms * 1e6)
        assert sum(histogram.counts[: index + 1]) == below


def test_a_snapshot_is_a_copy() -> None:
    metrics = Metrics()
    metrics.count("frames_total", 2)
    metrics.gauge("backlog_ms", 1.5)
    metrics.histogram("latency_ms").observe_ns(0)
    snapshot = metrics.snapshot()
    metrics.count("frames_total")
    metrics.histogram("latency_ms").observe_ns(0)
    assert snapshot["frames_total"] == 2 and snapshot["backlog_ms"] == 1.5
    assert sum(snapshot["latency_ms"]) == 1  # type: ignore[arg-type]

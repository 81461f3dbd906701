"""The gateway's ``/metrics`` page."""

from __future__ import annotations

from benchmarks.rig.metrics_page import MetricsPage


def page(frames: int, buckets: tuple[int, int, int]) -> MetricsPage:
    low, middle, total = buckets
    return MetricsPage(
        "# TYPE mixminus_frames_in counter\n"
        f'mixminus_frames_in_total{{program="media_worker"}} {frames}\n'
        "# TYPE mixminus_wait_ms histogram\n"
        f'mixminus_wait_ms_bucket{{program="x",le="1.0"}} {low}\n'
        f'mixminus_wait_ms_bucket{{program="x",le="3.0"}} {middle}\n'
        f'mixminus_wait_ms_bucket{{program="x",le="+Inf"}} {total}\n'
        f'mixminus_wait_ms_count{{program="x"}} {total}\n'
        "# TYPE audio_backlog_ms gauge\n"
        'audio_backlog_ms{program="mixer_core",stage="mixer_core"} 40\n'
    )


def test_a_metrics_page_is_read_and_compared() -> None:
    before, after = page(10, (5, 5, 5)), page(25, (5, 15, 16))
    assert after.since(before, "media_worker", "frames_in_total") == 15
    assert after.backlog_ms == {"mixer_core": 40}
    assert after.quantiles(before, "x", "wait_ms", 0.5, 0.99) == {"p50": 2.1, "p99": 3.0}
    assert after.quantiles(before, "x", "other_ms", 0.5) == {}
    assert after.quantiles(after, "x", "wait_ms", 0.5) == {}

"""Metrics of many processes in one page; counters never fall."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mixer_core.runtime.metrics import BOUNDS_MS
from signaling.http.metrics_page import Figures, render
from signaling.registry.totals import FRESH_NS, MAX_SOURCES, Key, Totals, Value


def test_counters_of_ended_processes_stay_in_the_sum() -> None:
    totals = Totals()
    for pid in range(3 * MAX_SOURCES):
        totals.heard("media_worker", f"worker-{pid}", pid, {"frames_total": 1}, 0)
        totals.heard("media_worker", f"worker-{pid}", pid, {"frames_total": 2}, 0)
    assert totals.sums() == {("media_worker", "frames_total"): 6 * MAX_SOURCES}


def test_a_counter_that_falls_has_begun_anew() -> None:
    totals = Totals()
    for value in (5, 7, 2, 3):
        totals.heard("mixer_core", "mixer_core", 1, {"mixes_total": value}, 0)
    assert totals.sums() == {("mixer_core", "mixes_total"): 10}


def test_histograms_are_summed_bucket_by_bucket() -> None:
    totals = Totals()
    totals.heard("mixer_core", "a", 1, {"mix_ms": [1, 2]}, 0)
    totals.heard("mixer_core", "a", 2, {"mix_ms": [10, 20]}, 0)
    assert totals.sums() == {("mixer_core", "mix_ms"): [11, 22]}


def test_gauges_count_only_the_living_and_delays_take_the_worst() -> None:
    totals = Totals()
    totals.heard("media_worker", "old", 1, {"sessions": 5, "audio_backlog_ms": 500}, 0)
    for pid, backlog_ms in ((2, 20), (3, 40)):
        metrics = {"sessions": 1, "audio_backlog_ms": backlog_ms}
        totals.heard("media_worker", str(pid), pid, metrics, FRESH_NS)
    assert totals.gauges(FRESH_NS) == {
        ("media_worker", "sessions"): 2,
        ("media_worker", "audio_backlog_ms"): 40,
    }


def test_of_journals_that_are_behind_the_worst_is_told() -> None:
    totals = Totals()
    for pid, waiting in enumerate((3, 40, 2)):
        metrics: dict[str, Value] = {"journal_waiting_records": waiting, "rooms": 1}
        totals.heard("openai_link", str(pid), pid, metrics, 0)
    totals.heard("simulator", "s", 9, {"journal_waiting_records": 90}, 0)
    key = ("openai_link", "journal_waiting_records")
    assert totals.gauges(0)[key] == totals.gauge(*key, 0) == 40
    assert totals.gauge("openai_link", "rooms", 0) == 3
    assert totals.gauge(*key, FRESH_NS) == totals.gauge("openai_link", "unknown", 0) == 0


reports = st.lists(
    st.tuples(st.integers(0, 400), st.dictionaries(st.just("n_total"), st.integers(0, 9))),
    max_size=400,
)


@given(reports)
def test_sums_never_fall(items: list[tuple[int, dict[str, int]]]) -> None:
    totals, before = Totals(), 0
    for now_ns, (pid, metrics) in enumerate(items):
        totals.heard("p", "child", pid, dict(metrics), now_ns)
        after = totals.sums().get(("p", "n_total"), 0)
        assert isinstance(after, int) and after >= before
        before = after


def test_the_page_is_prometheus_text() -> None:
    buckets = [1] * (len(BOUNDS_MS) + 1)
    sums: dict[Key, Value] = {
        ("mixer_core", "mixes_total"): 3,
        ("media_worker", "mixes_total"): 4,
        ("mixer_core", "mix_ms"): buckets,
    }
    gauges = {
        ("mixer_core", "audio_backlog_ms"): 40,
        ("openai_link", "audio_backlog_jitter_ms"): 20,
        ("openai_link", "uplink_backlog_ms"): 12,
        ("mixer_core", "odd name!"): 1.5,
    }
    page = render(Figures(sums, gauges, {"rooms": 2})).decode()
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    mixer = ("program", "mixer_core")
    assert samples["mixminus_mixes_total", mixer] == 3
    assert samples["mixminus_mixes_total", ("program", "media_worker")] == 4
    assert samples["mixminus_mix_ms_bucket", ("le", str(BOUNDS_MS[1])), mixer] == 2
    assert samples["mixminus_mix_ms_bucket", ("le", "+Inf"), mixer] == len(buckets)
    assert samples["mixminus_mix_ms_count", mixer] == len(buckets)
    assert samples["audio_backlog_ms", mixer, ("stage", "mixer_core")] == 40
    assert samples["audio_backlog_ms", ("program", "openai_link"), ("stage", "jitter")] == 20
    assert samples["audio_backlog_ms", ("program", "openai_link"), ("stage", "uplink")] == 12
    assert samples["mixminus_odd_name_", mixer] == 1.5
    assert samples["mixminus_rooms", ("program", "signaling")] == 2

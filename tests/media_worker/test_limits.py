"""Rates: what a browser may send, and make us answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media_worker.limits import MISTAKES, RATES, Bucket, Rate, Repeats
from media_worker.protocol.browser_messages import MESSAGES, Say
from mixer_core.runtime.units import MS_NS

GAPS_NS = st.lists(st.integers(0, 2_000_000_000), max_size=80)


@given(st.builds(Rate, st.integers(1, 20), st.integers(1_000_000, 10**9)), GAPS_NS)
def test_no_window_lets_more_through_than_the_rate(rate: Rate, gaps_ns: list[int]) -> None:
    bucket, now_ns = Bucket(rate), 0
    passed_ns = []
    for gap_ns in gaps_ns:
        now_ns += gap_ns
        if bucket.allow(now_ns):
            passed_ns.append(now_ns)
    for first, start_ns in enumerate(passed_ns):
        for count, end_ns in enumerate(passed_ns[first:], start=1):
            assert count <= rate.burst + (end_ns - start_ns) / rate.refill_ns


@given(st.builds(Rate, st.integers(1, 20), st.integers(1_000_000, 10**9)), st.integers(0, 500))
def test_the_rate_itself_is_never_refused(rate: Rate, count: int) -> None:
    bucket = Bucket(rate)
    assert all(bucket.allow(0) for _ in range(rate.burst))
    assert all(bucket.allow(number * rate.refill_ns) for number in range(1, count))


def test_a_refusal_is_reported_once_until_the_bucket_is_full_again() -> None:
    bucket = Bucket(Rate(2, 10))
    assert [bucket.allow(0) for _ in range(3)] == [True, True, False]
    assert [bucket.report(), bucket.report()] == [True, False]
    assert [bucket.allow(10), bucket.allow(10), bucket.report()] == [True, False, False]
    assert [bucket.allow(30), bucket.report()] == [True, True]


def test_a_kind_is_reported_once_a_second() -> None:
    repeats = Repeats()
    assert repeats.allow("a", 0)
    assert not repeats.allow("a", 999 * MS_NS)
    assert repeats.allow("b", 999 * MS_NS)
    assert repeats.allow("a", 1000 * MS_NS)


def test_answers_come_in_bursts_of_ten_and_then_ten_a_second() -> None:
    bucket = Bucket(MISTAKES)
    assert [bucket.allow(0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert [bucket.allow(100 * MS_NS) for _ in range(2)] == [True, False]
    assert sum(bucket.allow(5_000 * MS_NS) for _ in range(20)) == 10


def test_every_message_has_a_rate_that_a_page_does_not_reach() -> None:
    assert set(RATES) == set(MESSAGES.values())
    assert RATES[Say].words == "5 at once, then 2 a second"

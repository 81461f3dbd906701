"""So much at once, so much a second, and never more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.token_bucket import TokenBucket
from mixer_core.runtime.units import MS_NS, S_NS


def test_a_burst_and_then_the_rate() -> None:
    bucket = TokenBucket(per_s=10, burst=3)
    assert [bucket.take(0) for _ in range(5)] == [True, True, True, False, False]
    assert bucket.wait_ns(0) == 100 * MS_NS
    assert not bucket.take(99 * MS_NS)
    assert bucket.take(101 * MS_NS)
    assert [bucket.take(3_600 * S_NS) for _ in range(4)] == [True, True, True, False]


def test_what_is_larger_than_the_bucket_is_owed() -> None:
    bucket = TokenBucket(per_s=10, burst=10)
    assert bucket.take(0, 25)
    assert not bucket.take(2 * S_NS, 10)
    assert bucket.take(3 * S_NS - 500 * MS_NS, 10)


def test_what_is_given_back_can_be_taken_again() -> None:
    bucket = TokenBucket(per_s=1, burst=2)
    assert bucket.is_full(0) and bucket.take(0, 2) and not bucket.is_full(0)
    bucket.give_back()
    assert bucket.take(0) and not bucket.take(0) and bucket.is_full(2 * S_NS)


@given(st.lists(st.tuples(st.integers(0, 2 * S_NS), st.integers(1, 20)), max_size=50))
def test_a_wait_is_long_enough_and_the_rate_is_kept(steps: list[tuple[int, int]]) -> None:
    bucket, now_ns, taken = TokenBucket(per_s=5, burst=20), 0, 0
    for step_ns, tokens in steps:
        now_ns += step_ns
        if bucket.take(now_ns, tokens):
            taken += tokens
        else:
            now_ns += bucket.wait_ns(now_ns, tokens)
            assert bucket.take(now_ns, tokens)
            taken += tokens
    assert taken <= 20 + 5 * now_ns / S_NS + 1e-6

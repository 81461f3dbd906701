"""The queue of a journal: batches, order, retries, records that cannot be written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.journal.records import RemovedRecord
from mixer_core.runtime.units import S_NS
from openai_link.transcript.journal_queue import (
    IDLE_WAIT_NS,
    MAX_BATCH_RECORDS,
    MAX_WAITING_RECORDS,
    RETRY_NS,
    Entry,
    Lag,
    WriteQueue,
)


def entry(records: int = 1, awaited: bool = True) -> Entry:
    """An entry of its own, which somebody waits for or nobody."""
    records_of_it = tuple(RemovedRecord(str(number)) for number in range(records))
    return Entry(records_of_it, (lambda: None) if awaited else None)


@pytest.fixture
def queue() -> WriteQueue:
    return WriteQueue()


def test_an_empty_queue_has_nothing_due(queue: WriteQueue) -> None:
    assert queue.next_timeout_ns() is None and queue.take() == []


def test_what_somebody_waits_for_is_due_at_once_and_takes_the_rest_along(queue: WriteQueue) -> None:
    first, second = entry(awaited=False), entry()
    queue.put(first, S_NS)
    assert queue.next_timeout_ns() == S_NS + IDLE_WAIT_NS
    queue.put(second, 2 * S_NS)
    assert queue.next_timeout_ns() == 0
    assert queue.take() == [first, second]
    queue.put(entry(awaited=False), 3 * S_NS)
    assert queue.next_timeout_ns() == 3 * S_NS + IDLE_WAIT_NS


def test_a_batch_is_bounded_and_the_rest_follows_at_once(queue: WriteQueue) -> None:
    entries = [entry() for _ in range(MAX_BATCH_RECORDS + 10)]
    for one in entries:
        queue.put(one, 0)
    assert queue.take() == entries[:MAX_BATCH_RECORDS]
    assert queue.next_timeout_ns() == 0
    assert queue.take() == entries[MAX_BATCH_RECORDS:]


def test_a_full_batch_is_due_although_nobody_waits(queue: WriteQueue) -> None:
    queue.put(entry(MAX_BATCH_RECORDS - 1, awaited=False), 0)
    assert queue.next_timeout_ns() == IDLE_WAIT_NS
    queue.put(entry(1, awaited=False), 0)
    assert queue.next_timeout_ns() == 0


def test_a_full_queue_drops_the_oldest(queue: WriteQueue) -> None:
    first, second = entry(), entry(MAX_WAITING_RECORDS - 1)
    assert queue.put(first, 0) == queue.put(second, 0) == []
    assert queue.put(entry(), 0) == [first]


def test_while_the_disk_fails_attempts_become_rare_and_nothing_is_lost(queue: WriteQueue) -> None:
    entries = [entry(), entry()]
    for one in entries:
        queue.put(one, 0)
    for wait_ns in (*RETRY_NS, RETRY_NS[-1]):
        assert queue.failed(queue.take(), False, S_NS) == []
        assert queue.is_failing and queue.next_timeout_ns() == S_NS + wait_ns
        assert queue.let_pass() == entries
    assert queue.take() == entries
    queue.written()
    assert not queue.is_failing and queue.next_timeout_ns() is None
    queue.put(entry(), 0)
    queue.failed(queue.take(), False, 0)
    assert queue.next_timeout_ns() == RETRY_NS[0], "the waits begin anew"


def test_what_comes_back_as_a_whole_is_tried_often(queue: WriteQueue) -> None:
    """A clustered room's journal: NATS was away for a while."""
    queue.retry_most_ns = 2 * S_NS
    queue.put(entry(), 0)
    waits_ns = []
    for _ in RETRY_NS:
        queue.failed(queue.take(), False, 0)
        waits_ns.append(queue.next_timeout_ns())
    assert waits_ns == [S_NS, *[2 * S_NS] * (len(RETRY_NS) - 1)]


def test_where_what_is_not_written_may_be_lost_nobody_is_let_pass(queue: WriteQueue) -> None:
    queue.lets_pass = False
    queue.put(entry(), 0)
    for now_ns in (S_NS, 60 * S_NS):
        queue.failed(queue.take(), False, now_ns)
        assert queue.let_pass() == []


def test_of_a_batch_that_cannot_be_written_only_the_bad_entry_is_given_up(
    queue: WriteQueue,
) -> None:
    good, bad, other, late = entry(), entry(), entry(), entry()
    for one in (good, bad, other):
        queue.put(one, 0)
    assert queue.failed(queue.take(), True, 0) == []
    queue.put(late, 0)
    assert queue.take() == [good]
    queue.written()
    assert queue.next_timeout_ns() == 0
    assert queue.failed(queue.take(), True, 0) == [bad]
    assert not queue.is_failing and queue.next_timeout_ns() == 0
    assert queue.take() == [other]
    queue.written()
    assert queue.take() == [late]


def test_the_lag_is_that_of_the_oldest_record_which_is_not_written(queue: WriteQueue) -> None:
    assert queue.lag(9 * S_NS) == Lag()
    queue.put(entry(0), 0)
    assert queue.lag(S_NS) == Lag(), "nothing to write, though somebody waits"
    queue.put(entry(2, awaited=False), S_NS)
    queue.put(entry(), 2 * S_NS)
    assert queue.lag(2 * S_NS) == Lag(S_NS, 3)
    batch = queue.take()
    queue.put(entry(), 4 * S_NS)
    assert queue.lag(5 * S_NS) == Lag(4 * S_NS, 4), "what is being written is not safe"
    queue.failed(batch, False, 5 * S_NS)
    assert queue.let_pass() and queue.lag(6 * S_NS) == Lag(5 * S_NS, 4)
    queue.take()
    queue.written()
    assert queue.lag(6 * S_NS) == Lag()


def test_of_a_batch_that_is_partly_written_the_rest_is_behind(queue: WriteQueue) -> None:
    first, second = entry(), entry(3)
    queue.put(first, S_NS)
    queue.put(second, 2 * S_NS)
    queue.take()
    second.records = second.records[1:]
    queue.failed([second], False, 3 * S_NS)
    assert queue.lag(4 * S_NS) == Lag(2 * S_NS, 2)
    queue.take()
    assert queue.clear() == [] and queue.lag(5 * S_NS) == Lag(), "given up: nothing is to come"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 300), st.booleans()),
        st.tuples(st.just("written"), st.none(), st.none()),
        st.tuples(st.just("fails"), st.none(), st.none()),
        st.tuples(st.just("bad"), st.none(), st.none()),
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_each_entry_leaves_once_and_in_order(
    steps: list[tuple[str, int | None, bool | None]],
) -> None:
    queue = WriteQueue()
    put: list[Entry] = []
    left: list[Entry] = []
    for now_ns, (kind, records, awaited) in enumerate(steps, start=1):
        if kind == "put":
            put.append(entry(records or 0, bool(awaited)))
            left += queue.put(put[-1], now_ns)
        elif kind == "written":
            left += queue.take()
            queue.written()
        elif batch := queue.take():
            left += queue.failed(batch, kind == "bad", now_ns)
        behind = sum(len(one.records) for one in put) - sum(len(one.records) for one in left)
        assert queue.lag(now_ns).records == behind
        assert (queue.lag(now_ns + 1).oldest_ns > 0) == (behind > 0)
    while batch := queue.take():
        left += batch
        queue.written()
    assert [id(one) for one in left] == [id(one) for one in put]
    assert queue.next_timeout_ns() is None

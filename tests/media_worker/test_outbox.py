"""What is sent to the browser, and what is dropped and counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media_worker.outbox import STALE_NS, Outbox
from mixer_core.bus import frames
from mixer_core.runtime.metrics import BOUNDS_MS
from mixer_core.runtime.units import MS_NS

NOW = 10_000 * MS_NS


def test_sends_while_no_more_than_two_frames_wait() -> None:
    outbox = Outbox(cap_ms=60)
    assert [outbox.admit(0, NOW, waiting * 960, NOW) for waiting in range(5)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert (outbox.sent_total, outbox.full_total, outbox.dropped_total) == (3, 2, 2)
    assert outbox.backlog_ms == 80


def test_a_cap_of_nothing_still_lets_a_frame_through_an_empty_queue() -> None:
    outbox = Outbox(cap_ms=0)
    assert outbox.admit(0, NOW, 0, NOW)
    assert not outbox.admit(0, NOW, 1, NOW)


def test_drops_audio_that_is_older_than_400_ms() -> None:
    outbox = Outbox(cap_ms=60)
    assert outbox.admit(0, NOW - STALE_NS, 0, NOW)
    assert not outbox.admit(0, NOW - STALE_NS - 1, 0, NOW)
    assert outbox.stale_total == 1


def test_adopts_a_newer_epoch_and_drops_the_older_one() -> None:
    outbox = Outbox(cap_ms=60)
    assert outbox.admit(65_535, NOW, 0, NOW) is False
    assert outbox.admit(3, NOW, 0, NOW)
    assert not outbox.admit(2, NOW, 0, NOW)
    assert outbox.admit(3, NOW, 0, NOW)
    assert outbox.old_epoch_total == 2
    assert outbox.epoch == 3


def test_epochs_wrap_around() -> None:
    outbox = Outbox(cap_ms=60)
    for epoch in (30_000, 60_000, 65_535, 0, 1):
        assert outbox.adopt(epoch), epoch
    assert not outbox.adopt(65_535)


def test_counts_the_time_since_entry() -> None:
    outbox = Outbox(cap_ms=60)
    outbox.admit(0, NOW - 3 * MS_NS, 0, NOW)
    assert outbox.latency.counts[BOUNDS_MS.index(3.0)] == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 600), st.integers(0, 6000), st.booleans()),
        max_size=60,
    )
)
def test_never_sends_old_stale_or_too_much(
    steps: list[tuple[int, int, int, bool]],
) -> None:
    outbox = Outbox(cap_ms=60)
    newest = 0
    for epoch, age_ms, waiting_bytes, flushed in steps:
        if flushed:
            outbox.adopt(epoch)
            newest = frames.newest_epoch(epoch, newest)
        sent = outbox.admit(epoch, NOW - age_ms * MS_NS, waiting_bytes, NOW)
        newest = frames.newest_epoch(epoch, newest)
        assert outbox.epoch == newest
        assert sent == (epoch == newest and age_ms <= 400 and waiting_bytes + 960 <= 2880)
    assert outbox.sent_total + outbox.dropped_total == len(steps)
    assert sum(outbox.latency.counts) == outbox.sent_total

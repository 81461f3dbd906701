"""The jitter buffer: order, gaps, pauses, bounds; every frame is accounted for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mixer_core.bus.frames import FLAG_CONCEALED, FLAG_PAUSE, U32, seq_delta
from mixer_core.bus.pcm import FRAME_NS, FRAME_SAMPLES, SILENCE
from mixer_core.jitter import (
    RESTART_LATE_RUN,
    Entry,
    JitterBuffer,
)
from mixer_core.quiet_moment import PATIENCE_FRAMES
from mixer_core.surplus import FIRST_POPS, WATCH_POPS
from tests.support.tables import examples

HOLD_NS = 3 * FRAME_NS
CAP_FRAMES = 10
LOUD = (8_000).to_bytes(2, "little", signed=True) * FRAME_SAMPLES


def new_buffer(gap_hold_ns: int = HOLD_NS) -> JitterBuffer:
    return JitterBuffer(gap_hold_ns, CAP_FRAMES)


def push(
    buffer: JitterBuffer, *seqs: int, now_ns: int = 0, flags: int = 0, pcm: bytes = LOUD
) -> None:
    for seq in seqs:
        buffer.push(seq & U32, pcm, flags, now_ns, now_ns)


def pop_all(buffer: JitterBuffer, now_ns: int = 0) -> list[int]:
    """Numbers of all frames that can be popped now; concealed ones are negative."""
    popped = []
    while (entry := buffer.pop(now_ns)) is not None:
        popped.append(-entry.seq if entry.flags & FLAG_CONCEALED else entry.seq)
    return popped


def adds_up(buffer: JitterBuffer) -> bool:
    counts = buffer.counts
    seen = counts.popped + counts.dropped + counts.late + counts.duplicate + buffer.depth
    return counts.pushed == seen


def test_frames_in_order_pass_at_once_and_unchanged() -> None:
    buffer = new_buffer()
    push(buffer, 7, now_ns=5)
    entry = buffer.pop(5)
    assert entry == Entry(7, LOUD, 0, 5, 5)
    assert buffer.pop(5) is None


def test_reordered_frames_come_out_in_order() -> None:
    buffer = new_buffer()
    push(buffer, 1)
    assert pop_all(buffer) == [1]
    push(buffer, 3, 4)
    assert pop_all(buffer) == []
    push(buffer, 2)
    assert pop_all(buffer) == [2, 3, 4]
    assert buffer.counts.concealed == 0


def test_order_survives_the_wrap_of_the_counter() -> None:
    buffer = new_buffer()
    push(buffer, U32 - 1)
    assert pop_all(buffer) == [U32 - 1]
    push(buffer, 1, 0, U32)
    assert pop_all(buffer) == [U32, 0, 1]


def test_late_and_duplicate_frames_are_dropped_and_counted() -> None:
    buffer = new_buffer()
    push(buffer, 5, 5)
    assert pop_all(buffer) == [5]
    push(buffer, 5, 4)
    assert pop_all(buffer) == []
    assert (buffer.counts.duplicate, buffer.counts.late) == (1, 2)
    assert adds_up(buffer)


def test_a_gap_is_held_and_then_concealed() -> None:
    buffer = new_buffer()
    push(buffer, 1)
    pop_all(buffer)
    push(buffer, 3, now_ns=10)
    assert buffer.next_timeout_ns() == 10 + HOLD_NS
    assert pop_all(buffer, 9 + HOLD_NS) == []
    assert pop_all(buffer, 10 + HOLD_NS) == [-2, 3]
    assert buffer.next_timeout_ns() is None


def test_a_gap_is_held_from_the_first_frame_that_showed_it() -> None:
    buffer = new_buffer()
    push(buffer, 1)
    pop_all(buffer)
    push(buffer, 4, now_ns=10)
    push(buffer, 3, now_ns=30)
    assert buffer.next_timeout_ns() == 10 + HOLD_NS


def test_three_frames_are_concealed_with_a_fade_and_the_rest_is_skipped() -> None:
    buffer = new_buffer()
    push(buffer, 1)
    pop_all(buffer)
    push(buffer, 7)
    entries = [buffer.pop(HOLD_NS) for _ in range(4)]
    first_samples = [int.from_bytes(e.pcm[:2], "little", signed=True) for e in entries if e]
    last_samples = [int.from_bytes(e.pcm[-2:], "little", signed=True) for e in entries if e]
    assert [e.seq for e in entries if e] == [2, 3, 4, 7]
    assert first_samples == [8_000, 6_400, 3_200, 0]
    assert last_samples == [6_407, 3_207, 7, 8_000]
    assert (buffer.counts.concealed, buffer.counts.skipped) == (3, 2)


def test_a_gap_wider_than_the_buffer_is_skipped_at_once() -> None:
    buffer = new_buffer()
    push(buffer, 1)
    pop_all(buffer)
    push(buffer, 2 + CAP_FRAMES + 1)
    assert pop_all(buffer) == [2 + CAP_FRAMES + 1]
    assert (buffer.counts.concealed, buffer.counts.skipped) == (0, CAP_FRAMES + 1)


def test_a_forced_pop_conceals_before_the_hold_is_over() -> None:
    buffer = new_buffer()
    push(buffer, 1)
    pop_all(buffer)
    push(buffer, 3)
    entry = buffer.pop(0, force=True)
    assert entry is not None
    assert (entry.seq, entry.flags) == (2, FLAG_CONCEALED)
    push(buffer, 2)
    assert buffer.counts.late == 1


def test_a_pause_ends_the_spurt_and_any_later_number_resumes_at_once() -> None:
    buffer = new_buffer()
    push(buffer, 1)
    push(buffer, 2, flags=FLAG_PAUSE)
    assert pop_all(buffer) == [1, 2]
    assert not buffer.talking
    push(buffer, 90)
    assert buffer.talking
    assert pop_all(buffer) == [90]
    assert buffer.counts.skipped == 0


def test_frames_behind_a_waiting_pause_follow_it_without_a_gap() -> None:
    buffer = new_buffer()
    push(buffer, 1, flags=FLAG_PAUSE)
    push(buffer, 40)
    assert pop_all(buffer) == [1, 40]
    assert buffer.talking


def test_a_lost_pause_costs_no_wait_after_a_long_silence() -> None:
    buffer = new_buffer()
    push(buffer, 1)
    pop_all(buffer)
    push(buffer, 5, now_ns=11 * FRAME_NS)
    assert pop_all(buffer, 11 * FRAME_NS) == [5]


def test_a_starved_stream_returns_with_one_frame_and_with_two_when_it_starves_again() -> None:
    buffer = new_buffer()
    push(buffer, 1)
    pop_all(buffer)
    buffer.starve(0)
    assert not buffer.talking
    push(buffer, 2)
    assert pop_all(buffer) == [2]
    buffer.starve(1)
    push(buffer, 3, now_ns=1)
    assert pop_all(buffer, 1) == []
    assert buffer.next_timeout_ns() == 1 + FRAME_NS
    push(buffer, 4, now_ns=2)
    assert pop_all(buffer, 2) == [3, 4]


def test_a_starved_stream_fades_over_three_slots_and_takes_no_frames_number() -> None:
    buffer = new_buffer()
    push(buffer, 1, now_ns=5)
    pop_all(buffer, 5)
    entries = [buffer.starve(FRAME_NS)]
    while buffer.fades:
        entries.append(buffer.tail(len(entries) * FRAME_NS))
    last_samples = [int.from_bytes(e.pcm[-2:], "little", signed=True) for e in entries if e]
    assert last_samples == [6_407, 3_207, 7]
    assert [e.stamp_ns for e in entries if e] == [5 + FRAME_NS * n for n in (1, 2, 3)]
    assert {e.flags for e in entries if e} == {FLAG_CONCEALED}
    push(buffer, 2, now_ns=4 * FRAME_NS)
    assert pop_all(buffer, 4 * FRAME_NS) == [2]
    assert buffer.counts.concealed == 0


def test_what_was_muted_or_never_heard_has_no_tail() -> None:
    buffer = new_buffer()
    assert buffer.starve(0) is None
    push(buffer, 1)
    pop_all(buffer)
    buffer.end_spurt()
    assert not buffer.fades
    buffer.clear()
    assert buffer.starve(0) is None and not buffer.fades


def test_a_lone_frame_of_a_starved_stream_is_heard_after_one_frame_time() -> None:
    buffer = new_buffer()
    push(buffer, 1)
    pop_all(buffer)
    buffer.starve(0)
    buffer.starve(1)
    push(buffer, 2, now_ns=5)
    assert pop_all(buffer, 5) == []
    assert pop_all(buffer, 5 + FRAME_NS) == [2]


def test_a_loss_whose_slot_has_passed_is_neither_held_nor_concealed_nor_refilled_for() -> None:
    buffer = new_buffer()
    push(buffer, 1)
    pop_all(buffer)
    for lost in (2, 4, 6):
        buffer.starve(lost)
        push(buffer, lost + 1, now_ns=lost)
        assert pop_all(buffer, lost) == [lost + 1]
    assert (buffer.counts.concealed, buffer.counts.skipped, buffer.depth) == (0, 0, 0)


def test_what_was_lost_beyond_the_passed_slot_is_held_and_concealed() -> None:
    buffer = new_buffer()
    push(buffer, 1)
    pop_all(buffer)
    buffer.starve(0)
    push(buffer, 4, now_ns=1)
    assert pop_all(buffer, 1) == []
    assert pop_all(buffer, 1 + HOLD_NS) == [-2, 4]


def test_shedding_lets_one_frame_go_and_fades_it_into_the_next() -> None:
    buffer = new_buffer()
    buffer.shed(0)
    push(buffer, 1)
    assert pop_all(buffer) == []
    push(buffer, 2, pcm=SILENCE)
    entry = buffer.pop(0)
    assert entry is not None
    assert (entry.seq, entry.pcm[:2]) == (2, LOUD[:2])
    assert int.from_bytes(entry.pcm[-2:], "little") < 100
    push(buffer, 3)
    assert pop_all(buffer) == [3]
    assert (buffer.counts.surplus, buffer.counts.concealed) == (1, 0)
    assert adds_up(buffer)


def test_shedding_is_given_up_at_a_pause_and_when_no_second_frame_comes() -> None:
    buffer = new_buffer()
    buffer.shed(0)
    push(buffer, 1)
    assert buffer.next_timeout_ns() == 2 * FRAME_NS
    assert pop_all(buffer, 2 * FRAME_NS) == [1]
    buffer.shed(2 * FRAME_NS)
    push(buffer, 2, now_ns=2 * FRAME_NS, flags=FLAG_PAUSE)
    assert pop_all(buffer, 2 * FRAME_NS) == [2]
    assert buffer.counts.surplus == 0


def test_overflow_drops_the_oldest_quiet_frame_before_a_loud_one() -> None:
    buffer = new_buffer()
    push(buffer, 0, 1, 2)
    push(buffer, 3, pcm=SILENCE)
    push(buffer, *range(4, CAP_FRAMES + 2))
    assert buffer.counts.overflowed == 2
    assert buffer.depth == CAP_FRAMES
    assert pop_all(buffer) == [1, 2, *range(4, CAP_FRAMES + 2)]
    assert buffer.counts.concealed == 0
    assert adds_up(buffer)


def test_a_source_that_starts_again_from_zero_is_heard_at_once() -> None:
    buffer = new_buffer()
    push(buffer, 1_000)
    pop_all(buffer)
    push(buffer, 0)
    assert pop_all(buffer) == [0]
    assert buffer.counts.restarts == 1


def test_a_source_that_starts_again_early_is_heard_after_half_a_second() -> None:
    buffer = new_buffer()
    push(buffer, 40)
    pop_all(buffer)
    push(buffer, *range(RESTART_LATE_RUN))
    assert pop_all(buffer) == [RESTART_LATE_RUN - 1]
    assert buffer.counts.restarts == 1
    assert adds_up(buffer)


def test_a_frame_that_only_adds_delay_is_dropped_in_a_quiet_moment() -> None:
    buffer = new_buffer()
    push(buffer, 0)
    for seq in range(1, WATCH_POPS * 2 + 5):
        push(buffer, seq, pcm=SILENCE)
        buffer.pop(0)
    assert buffer.counts.surplus == 1
    assert buffer.depth == 0
    assert adds_up(buffer)


def test_a_burst_at_the_beginning_of_a_spurt_is_noticed_sooner() -> None:
    buffer = new_buffer()
    push(buffer, 0)
    for seq in range(1, FIRST_POPS + 3):
        push(buffer, seq, pcm=SILENCE)
        buffer.pop(0)
    assert (buffer.counts.surplus, buffer.depth) == (1, 0)


def test_without_a_quiet_moment_it_is_dropped_after_patience_and_cross_faded() -> None:
    buffer = new_buffer()
    push(buffer, 0)
    growing = [(100 + 100 * n).to_bytes(2, "little") * FRAME_SAMPLES for n in range(200)]
    for seq in range(1, WATCH_POPS * 2 + PATIENCE_FRAMES + 5):
        push(buffer, seq, pcm=growing[seq])
        entry = buffer.pop(0)
        if entry is not None and buffer.depth == 0:
            break
    assert entry is not None
    assert entry.pcm[:2] == growing[seq - 1][:2]
    last, before = (int.from_bytes(pcm[-2:], "little") for pcm in (entry.pcm, growing[seq - 1]))
    assert last > before
    assert (buffer.counts.surplus, buffer.counts.concealed, buffer.depth) == (1, 0, 0)


def test_a_new_epoch_forgets_everything_that_waits() -> None:
    buffer = new_buffer()
    push(buffer, 5, 6)
    buffer.clear()
    assert (buffer.depth, buffer.counts.flushed, buffer.talking) == (0, 2, False)
    push(buffer, 2)
    assert pop_all(buffer) == [2]


arrivals = st.lists(
    st.tuples(
        st.integers(-4, 14),
        st.integers(0, 60_000_000),
        st.sampled_from([0, 0, 0, 0, FLAG_PAUSE]),
        st.sampled_from(["pop", "pop", "pop", "hold", "force", "starve", "shed"]),
        st.booleans(),
    ),
    max_size=80,
)


@settings(max_examples=examples(150), deadline=None)
@given(arrivals, st.sampled_from([0, U32 - 20]))
def test_any_arrival_order_comes_out_increasing_bounded_and_accounted_for(
    steps: list[tuple[int, int, int, str, bool]], base: int
) -> None:
    buffer = new_buffer()
    now_ns, last = 0, None
    for step, (offset, wait_ns, flags, action, quiet) in enumerate(steps):
        now_ns += wait_ns
        seq = base + step + offset
        push(buffer, seq, now_ns=now_ns, flags=flags, pcm=SILENCE if quiet else LOUD)
        assert buffer.depth <= CAP_FRAMES
        assert adds_up(buffer)
        if action == "starve":
            buffer.starve(now_ns)
        if action == "shed":
            buffer.shed(now_ns)
        entry = None if action == "hold" else buffer.pop(now_ns, force=action == "force")
        if entry is not None:
            assert last is None or buffer.counts.restarts or seq_delta(entry.seq, last) > 0
            last = entry.seq
        timeout_ns = buffer.next_timeout_ns()
        if timeout_ns is not None and buffer.depth and not buffer.available(now_ns):
            assert now_ns < timeout_ns <= now_ns + HOLD_NS
            assert buffer.available(timeout_ns)


@settings(max_examples=examples(50), deadline=None)
@given(st.permutations(range(8)), st.sets(st.integers(1, 7), max_size=5))
def test_a_shuffled_spurt_without_its_lost_frames_is_played_in_order_to_the_end(
    order: list[int], lost: set[int]
) -> None:
    buffer = new_buffer()
    push(buffer, 100)
    assert pop_all(buffer) == [100]
    push(buffer, *(101 + i for i in order if i not in lost))
    heard = [seq for seq in pop_all(buffer, HOLD_NS) if seq > 0]
    assert heard == [101 + i for i in range(8) if i not in lost]

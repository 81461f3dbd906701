"""The pacer, with literal times."""

from __future__ import annotations

import itertools
import struct

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.pcm import FRAME_NS, SILENCE
from mixer_core.runtime.units import MS_NS
from openai_link.media.uplink_pacer import Drop, PacerAction, SendFrame, SendSilence, UplinkPacer

LOUD = struct.pack("<h", 8_000) * 480


def run_pacer(
    pacer: UplinkPacer, arrivals_ms: list[tuple[float, bytes, bool]], until_ms: float
) -> list[tuple[float, PacerAction]]:
    """Feed frames at their times and tick at every timeout; returns (time in ms, action)."""
    log: list[tuple[float, PacerAction]] = []
    log += [(0, action) for action in pacer.start(0)]
    pending = sorted(arrivals_ms, key=lambda arrival: arrival[0])
    while True:
        timeout_ns = pacer.next_timeout_ns()
        assert timeout_ns is not None
        if pending and pending[0][0] * MS_NS <= timeout_ns:
            at_ms, pcm, pause = pending.pop(0)
            actions = pacer.frame(pcm, int(at_ms * MS_NS), pause)
        elif timeout_ns > until_ms * MS_NS:
            return log
        else:
            at_ms = timeout_ns / MS_NS
            actions = pacer.tick(timeout_ns)
        log += [(at_ms, action) for action in actions]


def sent(log: list[tuple[float, PacerAction]]) -> list[tuple[float, str, int]]:
    return [
        (at, "frame" if isinstance(action, SendFrame) else "silence", action.timestamp // 960)
        for at, action in log
        if not isinstance(action, Drop)
    ]


def test_before_anybody_talks_silence_goes_out_every_20_ms() -> None:
    log = run_pacer(UplinkPacer(), [], until_ms=60)
    assert sent(log) == [(0, "silence", 0), (20, "silence", 1), (40, "silence", 2),
                         (60, "silence", 3)]  # fmt: skip


def test_a_frame_goes_out_the_moment_it_arrives_and_the_first_is_marked() -> None:
    log = run_pacer(UplinkPacer(), [(5, LOUD, False), (25, LOUD, False)], until_ms=44)
    assert sent(log) == [(0, "silence", 0), (5, "frame", 1), (25, "frame", 2)]
    assert [a.marker for _, a in log if isinstance(a, SendFrame)] == [True, False]


def test_a_silence_that_lasts_goes_out_every_400_ms_on_the_clocks_timeline() -> None:
    log = run_pacer(UplinkPacer(sparse_after_ms=60), [(1_000, LOUD, False)], until_ms=1_139)
    assert sent(log) == [
        (0, "silence", 0), (20, "silence", 1), (40, "silence", 2), (60, "silence", 3),
        (460, "silence", 23), (860, "silence", 43), (1_000, "frame", 50), (1_120, "silence", 56),
    ]  # fmt: skip
    frame = next(action for _, action in log if isinstance(action, SendFrame))
    assert frame.marker
    log = run_pacer(UplinkPacer(), [], until_ms=10_000)
    assert len(log) == 501


def test_a_frame_after_a_sparse_silence_is_not_behind_the_clock() -> None:
    pacer = UplinkPacer(240, sparse_after_ms=20)
    pacer.start(0)
    pacer.tick(20 * MS_NS)
    for number in range(4):
        at_ns = (220 + number * 20) * MS_NS
        action = pacer.frame(LOUD, at_ns)[0]
        assert isinstance(action, SendFrame) and action.timestamp == (11 + number) * 960
        assert 0 < pacer.lead_ns(at_ns) <= FRAME_NS


def test_after_a_pause_flag_silence_follows_in_the_next_slot() -> None:
    log = run_pacer(UplinkPacer(), [(5, LOUD, False), (25, LOUD, True)], until_ms=100)
    assert sent(log)[2:] == [(25, "frame", 2), (60, "silence", 3), (80, "silence", 4),
                             (100, "silence", 5)]  # fmt: skip


def test_a_talker_who_is_late_is_waited_for_and_loses_nothing() -> None:
    plan = [(0, LOUD, False), (20, LOUD, False), (130, LOUD, False), (131, LOUD, False)]
    log = run_pacer(UplinkPacer(), plan, until_ms=150)
    assert sent(log)[-2:] == [(130, "frame", 3), (131, "frame", 4)]
    assert all(isinstance(action, SendFrame | SendSilence) for _, action in log)


def test_a_talker_who_stays_away_is_replaced_by_silence_at_the_present_time() -> None:
    pacer = UplinkPacer()
    log = run_pacer(pacer, [(0, LOUD, False)], until_ms=160)
    assert sent(log)[1:] == [(0, "frame", 1), (120, "silence", 6), (140, "silence", 7),
                             (160, "silence", 8)]  # fmt: skip
    assert (pacer.counters.starved, pacer.counters.skipped) == (1, 4)


def test_after_our_own_stall_slots_are_skipped_and_nothing_bursts() -> None:
    pacer = UplinkPacer()
    pacer.start(0)
    assert pacer.tick(510 * MS_NS) == [SendSilence(25 * 960)]
    assert pacer.next_timeout_ns() == 520 * MS_NS


def test_what_queued_during_a_long_stall_is_bounded() -> None:
    pacer = UplinkPacer(max_lead_ms=100)
    pacer.frame(LOUD, 0)
    actions = [action for _ in range(20) for action in pacer.frame(LOUD, 500 * MS_NS)]
    assert sum(isinstance(action, SendFrame) for action in actions) == 6
    assert actions[-1] == Drop(quiet=False)
    assert (pacer.counters.dropped, pacer.counters.dropped_quiet) == (14, 0)
    assert isinstance(actions[0], SendFrame) and actions[0].timestamp == 25 * 960


def test_a_source_that_hands_out_long_pieces_loses_nothing() -> None:
    pacer = UplinkPacer()
    for piece in range(20):
        for _ in range(8):
            pacer.frame(SILENCE, piece * 160 * MS_NS)
    assert (pacer.counters.dropped, pacer.counters.frames) == (0, 160)


def test_a_lead_that_stands_goes_with_quiet_frames_and_leaves_loud_ones() -> None:
    pacer = UplinkPacer()
    for _ in range(6):
        pacer.frame(LOUD, 0)
    for slot in range(1, 60):
        assert isinstance(pacer.frame(LOUD, slot * 20 * MS_NS)[0], SendFrame)
    assert pacer.lead_ns(59 * 20 * MS_NS) == 120 * MS_NS
    for slot in range(60, 70):
        pacer.frame(SILENCE, slot * 20 * MS_NS)
    assert pacer.lead_ns(69 * 20 * MS_NS) == 60 * MS_NS
    assert pacer.counters.dropped == pacer.counters.dropped_quiet == 3


@given(
    st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.booleans()), max_size=60),
    st.integers(0, 100),
)
def test_whatever_the_source_does_timestamps_rise_by_whole_frames_near_the_clock(
    gaps: list[tuple[int, bool, bool]], late_ms: int
) -> None:
    pacer = UplinkPacer()
    at_ms, plan = 0.0, []
    for gap_ms, pause, loud in gaps:
        at_ms += gap_ms
        plan.append((at_ms, LOUD if loud else SILENCE, pause))
    log = run_pacer(pacer, plan, until_ms=at_ms + 100 + late_ms)
    timestamps = [action.timestamp for _, action in log if not isinstance(action, Drop)]
    assert all(timestamp % 960 == 0 for timestamp in timestamps)
    assert all(b > a for a, b in itertools.pairwise(timestamps))
    for at, action in log:
        if not isinstance(action, Drop):
            lead_ms = action.timestamp / 48 - at
            assert -140 <= lead_ms <= 400
    c = pacer.counters
    assert c.frames + c.dropped == len(gaps)
    assert c.frames + c.silences == len(timestamps)
    assert timestamps[-1] // 960 + 1 == c.frames + c.silences + c.skipped


def test_a_tick_before_its_time_does_nothing() -> None:
    pacer = UplinkPacer()
    assert pacer.tick(5) == []
    pacer.start(0)
    assert pacer.start(1) == []
    assert pacer.tick(FRAME_NS - 1) == []

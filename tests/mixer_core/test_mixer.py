"""The mixer: who hears what, when; epochs, rosters, levels; nothing that arrives can hurt it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer_core.bus.events import Mode, StreamInfo, decode_event, encode_map
from mixer_core.bus.frames import FLAG_CONCEALED, FLAG_PAUSE, Frame, Kind
from mixer_core.bus.pcm import FRAME_MS, SILENCE
from mixer_core.bus.place import Place
from mixer_core.concealment import JOIN_SAMPLES
from mixer_core.kernels import KNEE
from mixer_core.mixer import DESERTED_NS
from mixer_core.runtime.units import MS_NS
from mixer_core.slots import LINE_SLACK_NS
from tests.mixer_core.mixer_bench import Bench, audio_in, constant, samples
from tests.support.tables import examples

ANN, BEN, CLEO, LINK = 11, 12, 13, 99
NEWER = 98


def values(pcm: bytes) -> set[int]:
    return {int(value) for value in samples(pcm)}


def room_of(*browsers: int, mode: str = "assistant", **options: int) -> Bench:
    bench = Bench(**options)
    for stream in browsers:
        bench.start(stream, mode="conference" if mode == "conference" else "assistant")
    bench.start(LINK, "link", mode="conference" if mode == "conference" else "assistant")
    return bench


def two_talkers(**options: int) -> Bench:
    """Ann and Ben in mid-sentence; the slot was just mixed and nothing waits."""
    bench = room_of(ANN, BEN, **options)
    for stream in (ANN, BEN, ANN):
        bench.audio(stream, constant(1))
    bench.advance(40)
    bench.published.clear()
    return bench


def test_one_talker_is_passed_to_the_link_at_once_and_bit_by_bit() -> None:
    bench = room_of(ANN, BEN)
    loud = constant(32_767)
    (out,) = audio_in(bench.audio(ANN, loud))
    assert (out.stream, out.payload, out.stamp_ns, out.flags) == (LINK, loud, bench.now_ns, 0)


def test_the_assistant_is_passed_to_every_browser_and_never_waits_for_them() -> None:
    bench = room_of(ANN, BEN)
    bench.audio(ANN, constant(5))
    bench.audio(BEN, constant(6))
    out = audio_in(bench.audio(LINK, constant(-32_768)))
    assert [(f.stream, f.payload) for f in out] == [(s, constant(-32_768)) for s in (ANN, BEN)]


def test_two_talkers_are_added_as_soon_as_both_have_a_frame() -> None:
    bench = two_talkers()
    bench.advance(5)
    first_ns = bench.now_ns
    assert audio_in(bench.audio(ANN, constant(100))) == []
    bench.advance(7)
    (out,) = audio_in(bench.audio(BEN, constant(20)))
    assert set(samples(out.payload)) == {120}
    assert out.stamp_ns == first_ns


def test_at_the_deadline_the_slot_is_mixed_without_the_missing_frame() -> None:
    bench = two_talkers()
    bench.advance(100)
    bench.audio(ANN, constant(100))
    assert audio_in(bench.advance(19.9)) == []
    (out,) = audio_in(bench.advance(0.1))
    assert out.payload == constant(100), "of a voice that has long ended nothing is invented"


def test_a_frame_that_missed_its_slot_is_heard_in_the_next_one() -> None:
    bench = two_talkers()
    bench.audio(ANN, constant(100))
    bench.advance(20)
    (out,) = bench.heard_by(LINK)
    assert set(samples(out.payload)) == {101}, "the last period of the missing voice sounds on"
    assert out.flags & FLAG_CONCEALED
    bench.advance(1)
    assert audio_in(bench.audio(BEN, constant(20))) == []
    bench.advance(1)
    (out,) = audio_in(bench.audio(ANN, constant(100)))
    assert set(samples(out.payload)[JOIN_SAMPLES:]) == {120}
    assert samples(out.payload)[0] == 101, "it fades in from what stood in"


def test_a_voice_that_is_missing_fades_over_three_slots_and_is_silent_then() -> None:
    bench = two_talkers()
    bench.audio(BEN, constant(8_000))
    for _ in range(6):
        bench.audio(ANN, constant(0))
        bench.advance(20)
    levels = [int(samples(out.payload)[-1]) for out in bench.heard_by(LINK)]
    assert levels == [8_000, 6_407, 3_207, 7, 0, 0]


def test_a_stream_that_was_late_once_runs_deeper_and_is_not_late_again() -> None:
    bench = two_talkers()
    bench.audio(ANN, constant(100))
    for _ in range(20):
        bench.advance(20)
        bench.audio(ANN, constant(100))
        bench.advance(1)
        bench.audio(BEN, constant(20))
        bench.advance(19)
        bench.audio(ANN, constant(100))
        bench.audio(BEN, constant(20))
    bench.mixer.update_metrics()
    assert bench.metrics.values["slots_deadline_total"] <= 2


@settings(max_examples=examples(40), deadline=None)
@given(
    st.integers(2, 6).flatmap(
        lambda n: st.tuples(
            st.lists(st.integers(0, 19), min_size=n, max_size=n),
            st.lists(st.integers(0, 5), min_size=n * 8, max_size=n * 8),
        )
    )
)
def test_talkers_of_any_phase_and_little_jitter_lose_nothing(
    plan: tuple[list[int], list[int]],
) -> None:
    phases_ms, jitter_ms = plan
    bench = Bench()
    bench.start(LINK, "link")
    arrivals = []
    for index, phase_ms in enumerate(phases_ms):
        bench.start(index + 1)
        for n in range(8):
            at_ms = n * FRAME_MS + phase_ms + jitter_ms[index * 8 + n]
            arrivals.append((at_ms, index + 1, n))
    total, elapsed_ms = np.zeros(1, np.int64), 0
    for at_ms, stream, n in sorted(arrivals):
        bench.advance(at_ms - elapsed_ms)
        elapsed_ms = at_ms
        value = 10 ** (stream - 1) % 3_000 + n
        total += value
        bench.audio(stream, constant(value), flags=FLAG_PAUSE if n == 7 else 0)
    bench.advance(200)
    heard = bench.heard_by(LINK)
    assert sum(int(samples(f.payload)[0]) for f in heard) == total[0]
    assert heard[-1].flags & FLAG_PAUSE
    assert not any(f.flags & FLAG_CONCEALED for f in heard)


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.integers(0, 19), min_size=1, max_size=6))
def test_regular_talkers_wait_at_most_the_deadline_and_miss_no_slot(phases_ms: list[int]) -> None:
    bench = Bench()
    bench.start(LINK, "link")
    for stream in range(1, len(phases_ms) + 1):
        bench.start(stream)
    for _ in range(20):
        began_ns = bench.now_ns
        for phase_ms, stream in sorted((phase, i + 1) for i, phase in enumerate(phases_ms)):
            bench.advance(phase_ms - (bench.now_ns - began_ns) // MS_NS)
            for frame in audio_in(bench.audio(stream, constant(1))):
                assert bench.now_ns - frame.stamp_ns <= 20 * MS_NS
        assert audio_in(bench.advance(FRAME_MS - (bench.now_ns - began_ns) // MS_NS)) == []
    bench.mixer.update_metrics()
    assert bench.metrics.values["slots_deadline_total"] == 0


@pytest.mark.parametrize(("talkers", "jitter_ms"), [(2, 30), (6, 10), (6, 30)])
def test_jitter_does_not_chop_what_several_people_say(talkers: int, jitter_ms: int) -> None:
    rng = np.random.default_rng(5)
    bench = Bench()
    bench.start(LINK, "link")
    arrivals = []
    for stream in range(1, talkers + 1):
        bench.start(stream)
        late_ms = (
            rng.uniform(0, FRAME_MS) + np.arange(400) * FRAME_MS + rng.uniform(0, jitter_ms, 400)
        )
        arrivals += [(at_ms, stream) for at_ms in np.maximum.accumulate(late_ms).tolist()]
    elapsed_ms = 0.0
    for at_ms, stream in sorted(arrivals):
        bench.advance(at_ms - elapsed_ms)
        elapsed_ms = at_ms
        bench.audio(stream, constant(100))
    bench.mixer.update_metrics()
    assert bench.metrics.values["jitter_starved_total"] <= talkers
    assert len(bench.heard_by(LINK)) <= 400 + 3 * talkers


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.integers(0, 45)), max_size=60))
def test_whatever_comes_when_every_frame_is_heard_and_no_slot_waits_beyond_the_line(
    steps: list[tuple[int, int]],
) -> None:
    bench = Bench()
    bench.start(LINK, "link")
    for stream in (1, 2, 3):
        bench.start(stream)
    pushed: dict[int, list[int]] = {1: [], 2: [], 3: []}
    mixes_ns: list[int] = []
    for stream, wait_ms in steps:
        for frame in audio_in(bench.advance(wait_ms)):
            mixes_ns.append(frame.stamp_ns)
        pushed[stream].append(bench.now_ns)
        bench.audio(stream, constant(1))
        due_ns = bench.mixer.next_timeout_ns()
        assert due_ns is not None
        assert due_ns <= bench.now_ns + 20 * MS_NS + LINE_SLACK_NS or not audio_waits(bench)
    bench.advance(500)
    assert not audio_waits(bench)
    bench.mixer.update_metrics()
    gone = ("late", "overflowed", "surplus", "duplicate", "flushed")
    assert [bench.metrics.values[f"jitter_{name}_total"] for name in gone] == [0] * len(gone)


def audio_waits(bench: Bench) -> bool:
    bench.mixer.update_metrics()
    return bench.metrics.values["audio_backlog_ms"] > 0


@settings(max_examples=examples(30), deadline=None)
@given(
    st.lists(st.integers(-KNEE // 5, KNEE // 5), min_size=2, max_size=5),
    st.integers(-KNEE // 5, KNEE // 5),
)
def test_in_a_conference_everybody_hears_all_but_oneself(values: list[int], link: int) -> None:
    browsers = list(range(1, len(values) + 1))
    bench = room_of(*browsers, mode="conference")
    for _ in range(3):
        bench.published.clear()
        for stream, value in zip(browsers, values, strict=True):
            bench.audio(stream, constant(value))
        bench.audio(LINK, constant(link))
    total = sum(values) + link
    for stream, value in zip(browsers, values, strict=True):
        assert set(samples(bench.heard_by(stream)[-1].payload)) == {total - value}
    assert set(samples(bench.heard_by(LINK)[-1].payload)) == {sum(values)}


def test_in_a_conference_a_lone_talker_is_heard_bit_by_bit_and_hears_nothing() -> None:
    bench = room_of(ANN, BEN, mode="conference")
    out = audio_in(bench.audio(ANN, constant(32_767)))
    assert [(f.stream, f.payload) for f in out] == [(s, constant(32_767)) for s in (BEN, LINK)]


def test_in_a_conference_two_talkers_hear_each_other_bit_by_bit() -> None:
    bench = room_of(ANN, BEN, CLEO, mode="conference")
    bench.audio(ANN, constant(1))
    assert audio_in(bench.audio(BEN, constant(32_767))) == []
    out = {f.stream: f.payload for f in audio_in(bench.audio(ANN, constant(-30_000)))}
    assert out[ANN] == constant(32_767)
    assert out[BEN] == constant(-30_000)
    assert out[CLEO] == out[LINK] == constant(2_767)


def test_loud_voices_are_bent_and_not_clipped() -> None:
    bench = room_of(ANN, BEN)
    for _ in range(2):
        bench.audio(ANN, constant(30_000))
        bench.audio(BEN, constant(30_000))
    value = int(samples(bench.heard_by(LINK)[-1].payload)[0])
    assert KNEE < value < 32_767


def test_the_pause_is_passed_on_when_the_last_talker_pauses() -> None:
    bench = room_of(ANN, BEN)
    bench.audio(ANN, constant(1))
    bench.audio(BEN, constant(1))
    bench.audio(ANN, constant(1), flags=FLAG_PAUSE)
    (both,) = audio_in(bench.audio(BEN, constant(1)))
    assert both.flags == 0
    (last,) = audio_in(bench.audio(BEN, constant(1), flags=FLAG_PAUSE))
    assert last.flags == FLAG_PAUSE
    assert [f.seq for f in bench.heard_by(LINK)] == [0, 1, 2, 3]


def test_a_held_burst_carries_the_pause_on_its_last_frame_only() -> None:
    bench = room_of(ANN)
    bench.audio(ANN, constant(1), seq=0)
    bench.audio(ANN, constant(1), seq=2)
    bench.audio(ANN, constant(1), seq=3, flags=FLAG_PAUSE)
    out = audio_in(bench.audio(ANN, constant(1), seq=1))
    assert [f.flags for f in out] == [0, 0, FLAG_PAUSE]


def test_a_talker_who_is_muted_or_leaves_ends_with_a_silent_frame() -> None:
    bench = room_of(ANN, BEN)
    bench.audio(ANN, constant(1))
    (out,) = audio_in(bench.start(ANN, muted=True))
    assert (out.stream, out.payload, out.flags) == (LINK, SILENCE, FLAG_PAUSE)
    assert audio_in(bench.audio(ANN, constant(1))) == []
    assert bench.metrics.values["frames_muted_total"] == 1
    bench.audio(BEN, constant(1))
    (out,) = audio_in(bench.put(Frame(Kind.STOP, BEN)))
    assert (out.payload, out.flags) == (SILENCE, FLAG_PAUSE)


def test_who_leaves_while_another_talks_ends_without_a_word() -> None:
    bench = two_talkers()
    bench.audio(BEN, constant(7))
    (out,) = audio_in(bench.put(Frame(Kind.STOP, ANN)))
    assert (out.payload, out.flags) == (constant(7), 0)


def test_a_silent_room_produces_nothing_and_wakes_nobody() -> None:
    bench = room_of(ANN, BEN)
    bench.audio(ANN, constant(1), flags=FLAG_PAUSE)
    bench.published.clear()
    assert bench.advance(2_900) == []
    assert bench.timeouts == 0


def test_no_streams_no_timeouts() -> None:
    bench = Bench()
    assert bench.mixer.next_timeout_ns() is None
    bench.start(ANN)
    bench.put(Frame(Kind.STOP, ANN))
    assert bench.mixer.next_timeout_ns() is None


def test_a_start_is_echoed_with_the_rooms_epoch_and_the_roster() -> None:
    bench = Bench()
    bench.start(LINK, "link", epoch=7)
    ack, roster = bench.start(ANN, name="Ann")[:2]
    assert (ack.kind, ack.stream, ack.epoch) == (Kind.START, ANN, 7)
    assert decode_event(roster.payload) == {
        "type": "participants",
        "participants": [
            {
                "participant": "p-11",
                "name": "Ann",
                "muted": False,
                "role": "admin",
                "verified": False,
                "stream": ANN,
            }
        ],
    }
    assert {f.stream for f in bench.published if f.kind is Kind.EVENT} == {ANN, LINK}


def test_the_roster_is_repeated_while_a_newcomer_may_still_be_subscribing() -> None:
    bench = room_of(ANN)
    bench.published.clear()
    bench.advance(50)
    bench.start(ANN)
    assert len(bench.events_to(ANN, "participants")) == 1
    bench.advance(2_000)
    bench.start(ANN)
    assert len(bench.events_to(ANN, "participants")) == 1
    bench.start(ANN, name="Anna")
    assert len(bench.events_to(LINK, "participants")) == 1


def test_a_stream_that_says_nothing_for_three_seconds_is_removed() -> None:
    bench = room_of(ANN, BEN)
    bench.advance(1_500)
    bench.start(BEN)
    bench.start(LINK, "link")
    bench.advance(1_500)
    people = bench.events_to(BEN, "participants")[-1]["participants"]
    assert [(one["participant"], one["stream"]) for one in people] == [("p-12", BEN)]
    assert bench.metrics.values["streams_expired_total"] == 1
    bench.advance(1_500)
    assert bench.mixer.next_timeout_ns() is None


def test_a_stream_whose_process_has_ended_is_removed_at_once() -> None:
    bench = room_of(ANN, BEN)
    bench.advance(1_000)
    bench.start(LINK, "link")
    bench.mixer.deserted(ANN, bench.now_ns)
    bench.mixer.deserted(4_242, bench.now_ns)
    bench.advance(DESERTED_NS // MS_NS - 1)
    assert len(bench.events_to(BEN, "participants")[-1]["participants"]) == 2
    bench.advance(1)
    (left,) = bench.events_to(BEN, "participants")[-1]["participants"]
    assert left["participant"] == f"p-{BEN}"


def test_a_process_that_only_connects_anew_stays() -> None:
    bench = room_of(ANN, BEN)
    bench.mixer.deserted(ANN, bench.now_ns)
    bench.advance(200)
    bench.start(ANN)
    bench.advance(1_000)
    assert len(bench.events_to(BEN, "participants")[-1]["participants"]) == 2
    assert "streams_expired_total" not in bench.metrics.values


def test_an_unknown_stream_is_asked_to_identify_itself_at_most_every_100_ms() -> None:
    bench = Bench()
    (question,) = bench.audio(ANN, constant(1))
    assert (question.kind, question.stream) == (Kind.EVENT, ANN)
    assert decode_event(question.payload) == {"type": "identify"}
    bench.advance(99)
    assert bench.audio(ANN, constant(1)) == []
    bench.advance(1)
    assert len(bench.audio(ANN, constant(1))) == 1
    bench.start(ANN)
    bench.start(LINK, "link")
    assert len(audio_in(bench.audio(ANN, constant(1)))) == 1


def test_thousands_of_unknown_streams_are_answered_and_forgotten() -> None:
    bench = Bench()
    for stream in range(1, 3_000):
        assert len(bench.audio(stream, constant(1))) == 1


def test_a_flush_begins_an_epoch_and_older_audio_is_never_forwarded() -> None:
    bench = room_of(ANN, BEN, mode="conference")
    bench.audio(ANN, constant(1))
    bench.audio(LINK, constant(500))
    bench.audio(LINK, constant(500))
    out = bench.put(Frame(Kind.FLUSH, LINK, 1))
    assert [(f.kind, f.stream, f.epoch) for f in out[:2]] == [
        (Kind.FLUSH, ANN, 1),
        (Kind.FLUSH, BEN, 1),
    ]
    bench.published.clear()
    bench.audio(LINK, constant(500), epoch=0)
    bench.audio(ANN, constant(1))
    bench.audio(LINK, constant(7), epoch=1)
    bench.advance(100)
    assert {(f.epoch, f.payload) for f in bench.heard_by(BEN)} <= {
        (1, constant(1)),
        (1, constant(7)),
        (1, constant(8)),
    }
    assert bench.metrics.values["frames_old_epoch_total"] == 1


def test_a_lost_flush_is_healed_by_the_next_frame() -> None:
    bench = room_of(ANN)
    bench.audio(LINK, constant(1), epoch=3)
    (out,) = audio_in(bench.audio(LINK, constant(2), epoch=4))
    assert (out.epoch, out.payload) == (4, constant(2))
    assert audio_in(bench.audio(LINK, constant(3), epoch=3)) == []
    (mic,) = audio_in(bench.audio(ANN, constant(4), epoch=0))
    assert mic.epoch == 4


def test_a_restarted_mixer_learns_the_epoch_from_whoever_knows_it() -> None:
    bench = Bench()
    bench.start(ANN, epoch=5)
    assert bench.start(LINK, "link", epoch=0)[0].epoch == 5
    assert bench.put(Frame(Kind.FLUSH, LINK, 4)) == []
    assert bench.start(ANN, epoch=6)[0].epoch == 6


def test_a_browser_cannot_flush() -> None:
    bench = room_of(ANN, BEN)
    assert bench.put(Frame(Kind.FLUSH, ANN, 1)) == []
    assert bench.metrics.values["flushes_ignored_total"] == 1


def test_events_go_from_browsers_to_the_link_and_from_the_link_to_all_or_one() -> None:
    bench = room_of(ANN, BEN)
    payload = encode_map({"type": "caption", "text": "hello"})
    (out,) = bench.put(Frame(Kind.EVENT, ANN, payload=payload))
    assert (out.stream, out.payload) == (LINK, payload)
    out_all = bench.put(Frame(Kind.EVENT, LINK, payload=payload))
    assert [f.stream for f in out_all] == [ANN, BEN]
    (out,) = bench.put(Frame(Kind.EVENT, LINK, flags=BEN, payload=payload))
    assert (out.stream, out.flags) == (BEN, BEN)
    assert bench.put(Frame(Kind.EVENT, LINK, flags=4_711, payload=payload)) == []


def test_levels_come_at_10_hz_while_somebody_talks_and_end_at_minus_100() -> None:
    bench = room_of(ANN, BEN)
    for n in range(50):
        bench.audio(ANN, constant(3_277), flags=FLAG_PAUSE if n == 49 else 0)
        bench.advance(FRAME_MS)
    levels = [event["levels"] for event in bench.events_to(BEN, "level")]
    assert 9 <= len(levels) <= 11
    assert levels[0] == {"p-11": -20.0}
    assert levels[-1] == {"p-11": -100.0}
    assert bench.events_to(LINK, "level") == [], "the link is told who speaks, see speech_timeline"


@pytest.mark.parametrize(("load", "sets"), [(0, 21), (1, 5), (2, 3), (3, 3), (99, 3)])
def test_under_load_browsers_get_levels_less_often_and_the_sound_as_before(
    load: int, sets: int
) -> None:
    bench = room_of(ANN, BEN)
    bench.mixer.set_load(load)
    for _ in range(100):
        bench.audio(ANN, constant(3_277))
        bench.advance(20)
    bench.audio(ANN, constant(3_277), flags=FLAG_PAUSE)
    bench.advance(1)
    levels = [event["levels"] for event in bench.events_to(BEN, "level")]
    assert abs(len(levels) - sets) <= 1
    assert levels[-1] == {"p-11": -100.0}, "the end is told at once"
    assert len(bench.heard_by(LINK)) == 101


def test_under_load_a_pause_between_two_sets_does_not_hide_a_voice() -> None:
    bench = room_of(ANN, BEN)
    bench.mixer.set_load(3)
    for step in range(100):
        bench.audio(ANN, constant(3_277 if step % 10 < 4 else 1))
        bench.advance(20)
    shown = [event["levels"] for event in bench.events_to(BEN, "level")]
    assert shown and all(isinstance(levels, dict) and levels["p-11"] > -30 for levels in shown)


def test_a_room_that_opens_under_load_is_paced_too_and_all_are_again_when_it_goes() -> None:
    bench = room_of(ANN)
    bench.mixer.set_load(3)
    bench.start(BEN, room="attic")
    for load, least, most in ((3, 2, 4), (0, 19, 22)):
        bench.mixer.set_load(load)
        bench.published.clear()
        for _ in range(100):
            bench.audio(BEN, constant(3_277))
            bench.advance(20)
        assert least <= len(bench.events_to(BEN, "level")) <= most


def test_levels_end_also_when_a_talker_vanishes_without_a_pause() -> None:
    bench = room_of(ANN)
    bench.audio(LINK, constant(3_277))
    bench.advance(301)
    assert bench.events_to(ANN, "level") == [{"type": "level", "levels": {"assistant": -100.0}}]


def test_rooms_do_not_hear_each_other() -> None:
    bench = room_of(ANN)
    bench.start(BEN, room="loft")
    bench.start(98, "link", room="loft")
    assert [f.stream for f in audio_in(bench.audio(BEN, constant(1)))] == [98]
    assert [f.stream for f in audio_in(bench.audio(ANN, constant(1)))] == [LINK]


@pytest.mark.parametrize("mode", ["assistant", "conference"])
@pytest.mark.parametrize("comes_first", [True, False], ids=["older first", "newer first"])
def test_of_two_links_the_one_that_was_opened_last_is_the_rooms(
    mode: Mode, comes_first: bool
) -> None:
    bench = Bench()
    bench.start(ANN, mode=mode)
    for opened_ns in (1, 2) if comes_first else (2, 1):
        bench.start(LINK if opened_ns == 1 else NEWER, "link", mode=mode, opened_ns=opened_ns)
    assert audio_in(bench.audio(LINK, constant(10))) == []
    bench.put(Frame(Kind.EVENT, LINK, payload=encode_map({"type": "state"})))
    bench.put(Frame(Kind.FLUSH, LINK, 5))
    bench.start(LINK, "link", mode=mode, opened_ns=1, epoch=5)
    assert bench.events_to(ANN, "state") == []
    assert bench.metrics.values["frames_retired_link_total"] == 3
    assert [f.payload for f in audio_in(bench.audio(NEWER, constant(20)))] == [constant(20)]
    bench.put(Frame(Kind.EVENT, NEWER, payload=encode_map({"type": "state"})))
    assert len(bench.events_to(ANN, "state")) == 1
    bench.audio(ANN, constant(1))
    bench.advance(60)
    assert not bench.heard_by(LINK) and bench.heard_by(NEWER)
    bench.put(Frame(Kind.EVENT, ANN, payload=encode_map({"type": "say"})))
    assert not bench.events_to(LINK, "say") and bench.events_to(NEWER, "say")


def test_a_link_that_is_relieved_falls_silent_and_returns_if_the_other_ends() -> None:
    bench = Bench()
    bench.start(ANN)
    bench.start(LINK, "link", opened_ns=1)
    bench.audio(LINK, constant(10))
    (out,) = audio_in(bench.start(NEWER, "link", opened_ns=2))
    assert (out.stream, out.flags & FLAG_PAUSE, out.payload) == (ANN, FLAG_PAUSE, SILENCE)
    bench.put(Frame(Kind.STOP, NEWER))
    assert [f.payload for f in audio_in(bench.audio(LINK, constant(10)))] == [constant(10)]


def test_a_stream_that_starts_in_another_room_moves() -> None:
    bench = room_of(ANN, BEN)
    bench.start(BEN, room="loft")
    people = bench.events_to(ANN, "participants")[-1]["participants"]
    assert [person["participant"] for person in people] == ["p-11"]  # type: ignore[attr-defined]
    assert audio_in(bench.audio(BEN, constant(1))) == []


def test_streams_over_the_limit_are_refused_and_counted() -> None:
    bench = room_of(ANN, max_streams=2)
    assert bench.start(BEN) == []
    assert bench.start(0) == []
    assert bench.metrics.values["streams_refused_total"] == 2


def test_a_large_roster_of_long_names_still_fits_an_event() -> None:
    bench = Bench()
    place = Place("\N{PILE OF POO}" * 64)
    for stream in range(1, 129):
        bench.start(stream, name="\N{PILE OF POO}" * 64, place=place)
    people = bench.events_to(1, "participants")[-1]["participants"]
    assert len(people) == 128  # type: ignore[arg-type]


def test_of_more_people_than_an_event_can_hold_the_first_are_told_and_all_are_heard() -> None:
    bench = Bench(max_streams=1024)
    bench.start(LINK, "link")
    for stream in range(100, 400):
        bench.mixer.on_frame(start_of(stream), bench.now_ns)
        bench.now_ns += MS_NS
    bench.start(400)
    people = bench.events_to(LINK, "participants")[-1]["participants"]
    assert 150 < len(people) < 300  # type: ignore[arg-type]
    assert people[0]["participant"] == "p-100"  # type: ignore[index]
    assert listeners_of(bench.audio(400, constant(7), flags=FLAG_PAUSE)) == {LINK}


def start_of(stream: int) -> Frame:
    """Somebody with a long name."""
    info = StreamInfo("browser", "den", f"p-{stream}", "\N{PILE OF POO}" * 64)
    return Frame(Kind.START, stream, payload=info.encode())


kinds = st.sampled_from(list(Kind))


@settings(max_examples=examples(100), deadline=None)
@given(
    st.lists(
        st.tuples(
            kinds,
            st.integers(0, 4),
            st.integers(0, 0xFFFF),
            st.integers(0, 0xFFFF_FFFF),
            st.integers(0, 3),
            st.binary(max_size=40),
            st.integers(0, 50),
        ),
        max_size=40,
    )
)
def test_nothing_that_arrives_can_raise(
    steps: list[tuple[Kind, int, int, int, int, bytes, int]],
) -> None:
    bench = room_of(1, 2, mode="conference")
    for kind, stream, epoch, seq, flags, payload, wait_ms in steps:
        pcm = (payload * 960 + SILENCE)[:960]
        body = pcm if kind is Kind.AUDIO else payload
        bench.put(Frame(kind, stream, epoch, seq, flags, bench.now_ns, body))
        bench.advance(wait_ms)


SOUND = (500, -500)
"""Of even and odd epochs: however it fades, it says of which it is."""


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.tuples(st.sampled_from([ANN, LINK, 0]), st.integers(0, 30)), max_size=60))
def test_after_a_flush_no_audio_of_an_older_epoch_is_published(
    steps: list[tuple[int, int]],
) -> None:
    bench = room_of(ANN, BEN, mode="conference")
    epoch = 0
    for who, wait_ms in steps:
        if who:
            bench.audio(who, constant(SOUND[epoch % 2] if who == LINK else 0), epoch=epoch)
        else:
            epoch += 1
            bench.put(Frame(Kind.FLUSH, LINK, epoch))
            bench.audio(LINK, constant(SOUND[(epoch - 1) % 2]), epoch=epoch - 1)
        bench.advance(wait_ms)
    bench.advance(100)
    epochs = [f.epoch for f in bench.heard_by(BEN)]
    assert epochs == sorted(epochs)
    for frame in bench.heard_by(BEN):
        assert int(samples(frame.payload)[0]) * SOUND[frame.epoch % 2] >= 0


@pytest.mark.parametrize("role", ["browser", "link"])
def test_a_gap_of_a_browser_is_held_but_one_of_the_link_is_not(role: str) -> None:
    bench = room_of(ANN)
    stream = ANN if role == "browser" else LINK
    bench.audio(stream, constant(900), seq=0)
    out = audio_in(bench.audio(stream, constant(900), seq=2))
    if role == "browser":
        assert out == []
        out = audio_in(bench.advance(60))
    assert [f.flags for f in out] == [FLAG_CONCEALED, 0]


def listeners_of(frames: list[Frame]) -> set[int]:
    return {frame.stream for frame in audio_in(frames)}


def test_a_change_of_the_mode_changes_who_hears_whom() -> None:
    bench = room_of(ANN, BEN)
    assert listeners_of(bench.audio(ANN, constant(1))) == {LINK}
    ended = audio_in(bench.start(ANN, mode="conference"))
    assert [(f.stream, f.flags & FLAG_PAUSE) for f in ended] == [(LINK, FLAG_PAUSE)]
    bench.start(BEN, mode="conference")
    bench.advance(20)
    assert listeners_of(bench.audio(ANN, constant(2))) == {BEN, LINK}
    bench.advance(100)
    assert listeners_of(bench.audio(LINK, constant(3)) + bench.advance(60)) == {ANN, BEN}
    for stream in (BEN, ANN):
        bench.start(stream, mode="assistant")
    bench.advance(20)
    assert listeners_of(bench.audio(ANN, constant(4))) == {LINK}
    assert listeners_of(bench.audio(LINK, constant(5))) == {ANN, BEN}


def test_a_repeated_start_with_the_old_mode_changes_nothing() -> None:
    bench = room_of(ANN, BEN)
    bench.start(ANN, mode="conference")
    bench.start(BEN)
    bench.start(LINK, "link")
    assert listeners_of(bench.audio(ANN, constant(2))) == {BEN, LINK}


def test_after_a_restart_the_browsers_know_the_mode_and_the_link_does_not() -> None:
    bench = Bench()
    bench.start(LINK, "link", mode="assistant")
    bench.start(ANN, mode="conference")
    bench.start(BEN, mode="conference")
    assert listeners_of(bench.audio(ANN, constant(2))) == {BEN, LINK}


def test_a_roster_that_was_lost_comes_again_with_a_start() -> None:
    bench = room_of(ANN, BEN)
    for _ in range(8):
        bench.advance(1_000)
        for stream in (ANN, BEN):
            bench.start(stream)
        bench.start(LINK, "link")
    bench.published.clear()
    told = 0
    for _ in range(10):
        bench.advance(1_000)
        told += sum(f.kind is Kind.EVENT for f in bench.start(ANN))
        bench.start(BEN)
        bench.start(LINK, "link")
    assert told == 2


def test_an_address_rule_that_an_admin_chooses_reaches_the_link_with_the_roster() -> None:
    bench = room_of(ANN, BEN)
    assert "address" not in bench.events_to(LINK, "participants")[-1]
    bench.start(ANN, address="addressed")
    assert bench.events_to(LINK, "participants")[-1]["address"] == "addressed"
    bench.start(BEN)  # Their worker has not heard of it.
    assert bench.events_to(LINK, "participants")[-1]["address"] == "addressed"
    bench.start(ANN, address="")
    assert "address" not in bench.events_to(LINK, "participants")[-1]


def test_after_a_restart_the_browsers_know_the_address_rule() -> None:
    bench = Bench()
    bench.start(LINK, "link")
    bench.start(ANN, address="open")
    assert bench.events_to(LINK, "participants")[-1]["address"] == "open"

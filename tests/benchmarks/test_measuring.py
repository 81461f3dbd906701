"""What the benchmarks measure with measures right."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

from benchmarks.rig import ledger, signals, usage, voice
from benchmarks.rig.impairment import Impairment, is_media
from benchmarks.rig.metrics_page import MetricsPage
from benchmarks.rig.window import Window
from mixer_core.bus.frames import FLAG_PAUSE
from mixer_core.bus.pcm import FRAME_BYTES, is_silence
from openai_link.media.opus import OpusDecoder, OpusEncoder

NS_PER_MS = 1_000_000


def test_a_mark_is_found_in_the_packet_that_carries_it_and_in_no_speech() -> None:
    encoder, decoder = OpusEncoder(bitrate_bps=40_000), OpusDecoder()
    for index, frame in enumerate(signals.speech(1)):
        assert signals.find_mark(frame) == -1
        assert not is_silence(frame) and len(frame) == FRAME_BYTES
        marked = index % 12 == 5
        kind = index % len(signals.MARKS_HZ)
        heard = decoder.decode(encoder.encode(signals.mark_frame(kind) if marked else frame))
        if marked:
            assert signals.find_mark(heard) == kind
        elif index % 12 != 6:  # Opus delays by 6.5 ms, so that a mark reaches into the next frame
            assert signals.find_mark(heard) == -1


def test_a_mark_is_found_in_the_average_of_six() -> None:
    frames = [signals.speech(voice)[7] for voice in range(5)] + [signals.mark_frame(3)]
    mean = np.mean([np.frombuffer(frame, "<i2") for frame in frames], axis=0)
    assert signals.find_mark(mean.astype("<i2").tobytes()) == 3


@pytest.mark.parametrize("late_ms", [0, 100, 300, 1_900])
def test_the_number_of_a_mark_is_known_for_two_seconds(late_ms: int) -> None:
    for number in (1_000, 1_001, 1_007):
        heard_ns = number * signals.MARK_NS + late_ms * NS_PER_MS
        assert signals.number_of(number % 8, heard_ns) == number


def test_marks_are_joined_by_room_and_number() -> None:
    start_ns = 4_000 * signals.MARK_NS

    def client(room: str, numbers: list[int]) -> dict[str, object]:
        marks = [(number, start_ns + number * signals.MARK_NS) for number in numbers]
        return {"room": room, "sent_marks": [(4_000 + n, at_ns) for n, at_ns in marks]}

    def heard(call: str, number: int, late_ms: int) -> tuple[str, int, int]:
        at_ns = start_ns + number * signals.MARK_NS + late_ms * NS_PER_MS
        return call, (4_000 + number) % 8, at_ns

    marks = [heard("7", 0, 5), heard("7", 0, 25), heard("9", 1, 8)]
    window = Window(
        usage.Usage(1.0),
        0.0,
        0.0,
        0.0,
        start_ns + 3_000 * NS_PER_MS,
        [client("a", [0, 2]), client("b", [1])],
        {"heard_marks": marks},
        {"7": "a", "9": "b"},
    )
    latencies, lost = window.uplink_ms()
    assert sorted(latencies) == [5.0, 8.0]
    assert lost == 1


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


def test_the_ledger_names_what_was_lost_between_client_and_worker() -> None:
    before, after = page(0, (0, 0, 0)), page(97, (0, 0, 0))
    clients = [{"sent_total": 0, "received_total": 0}], [{"sent_total": 100, "received_total": 0}]
    result = ledger.balance(before, after, *clients, talkers=1)
    assert result.counts["lost between client and worker"] == 3
    assert result.counts["vanished"] == 97
    assert result.lost_in_gateway == 97


def counters(**values: int) -> MetricsPage:
    """A page with these counters, named ``program__counter``."""
    return MetricsPage(
        "".join(
            f"# TYPE mixminus_{name} counter\n"
            f'mixminus_{name}_total{{program="{program}"}} {value}\n'
            for (program, name), value in ((key.split("__"), n) for key, n in values.items())
        )
    )


def test_the_ledger_accounts_for_quiet_frames_that_a_link_dropped() -> None:
    before = counters()
    after = counters(
        media_worker__frames_in=100,
        openai_link__uplink_frames=93,
        openai_link__uplink_dropped_frames=7,
        openai_link__uplink_dropped_quiet_frames=5,
        openai_link__uplink_unsent_packets=1,
    )
    clients = [{"sent_total": 0, "received_total": 0}], [{"sent_total": 100, "received_total": 0}]
    result = ledger.balance(before, after, *clients, talkers=1)
    assert result.counts["vanished"] == 0
    assert result.lost_in_gateway == 3
    assert result.lost_on_the_way == 0


def test_usage_of_this_process_is_seen() -> None:
    me = usage.Process(1, "nobody"), usage.Process(os.getpid(), "me")
    before = usage.read(me[1:])
    sum(i * i for i in range(300_000))
    used = usage.between(before, usage.read(me[1:]))
    assert used.cpu_percent["me"] > 1
    assert used.total_percent == used.cpu_percent["me"]
    pss, private = usage.memory_mib(me[1].pid)
    assert 0 < private <= pss * 1.5


def test_an_impairment_loses_its_share_and_nothing_of_stun() -> None:
    dice = random.Random(1)
    bad = Impairment(loss=0.1, jitter_ms=30)
    verdicts = [bad.verdict(dice) for _ in range(5_000)]
    assert 400 < verdicts.count(None) == bad.lost < 600
    assert max(late for late in verdicts if late is not None) <= 0.03
    assert is_media(b"\x17\xfe") and is_media(b"\x80\x6f")
    assert not is_media(b"\x00\x01") and not is_media(b"")


def test_a_conversation_ends_its_turns_with_a_pause() -> None:
    speaker = voice.Voice("room", 0, 1)
    speaker.behave("conversation")
    said = [speaker.next(slot * 20 * NS_PER_MS) for slot in range(voice.CYCLE_FRAMES)]
    sent = [(pcm, flags) for pcm, flags in said if pcm]
    assert len(sent) == voice.SPEAK_FRAMES + voice.HANGOVER_FRAMES
    assert [flags for _, flags in sent] == [0] * (len(sent) - 1) + [FLAG_PAUSE]
    assert len(speaker.marks.take()) == 3_000 // 250
    speaker.behave("quiet")
    assert not speaker.wants_ticks


def test_talkers_of_a_room_share_the_marks() -> None:
    speakers = [voice.Voice("room", index, 3) for index in range(3)]
    for speaker in speakers:
        speaker.behave("continuous")
        for slot in range(300):
            speaker.next(slot * 20 * NS_PER_MS)
    numbers = [{number for number, _ in speaker.marks.take()} for speaker in speakers]
    assert sum(len(own) for own in numbers) == 24
    assert set.union(*numbers) == set(range(24))

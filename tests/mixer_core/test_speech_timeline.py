"""Who speaks: the mixer's reports, frame by frame, and what the link makes of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer_core.bus.frames import FLAG_PAUSE, Kind
from mixer_core.bus.pcm import FRAME_NS, FRAME_SAMPLES
from mixer_core.speech_timeline import REPORT_SLOTS, SpeechReports
from openai_link.transcript.speech_timeline import SpeechTimeline
from tests.mixer_core.mixer_bench import Bench

ANN, BEN, LINK = 11, 12, 99
ROOM_DB = -70.0
SYLLABLE = 8
"""Frames of a syllable and the dip behind it."""


def noise(level_db: float, dice: np.random.Generator) -> bytes:
    amplitude = 32_768 * 10 ** (level_db / 20)
    return (
        np.clip(dice.normal(0, amplitude, FRAME_SAMPLES), -32_768, 32_767).astype("<i2").tobytes()
    )


def voice(frame: int, level_db: float, dice: np.random.Generator) -> bytes:
    """A frame of something like speech: noise that moves with the syllables."""
    if frame % SYLLABLE == SYLLABLE - 1:
        return noise(ROOM_DB, dice)
    return noise(level_db - 3.0 * (frame % 3), dice)


class Call:
    """A mixer with talkers, and the timeline of the link that hears it."""

    def __init__(self, people: Sequence[int], levels: Mapping[int, float], **start: int) -> None:
        # These voices rise and fall together: for the detector, one is the echo of the other.
        self.bench = Bench(echo_detector=False)
        for stream in people:
            self.bench.start(stream)
        self.bench.start(LINK, "link", **start)
        self.people, self.levels = people, levels
        self.timeline = SpeechTimeline()
        self.dice = np.random.default_rng(1)
        self.frame = 0
        self.loss: set[int] = set()
        """Reports that do not arrive, by number."""
        self.reports = 0

    def say(self, talkers: Sequence[int], frames: int, pause_last: bool = False) -> None:
        for n in range(frames):
            flags = FLAG_PAUSE if pause_last and n == frames - 1 else 0
            for stream in self.people:
                says = stream in talkers
                pcm = voice(self.frame, self.levels[stream], self.dice) if says else self.quiet()
                self.bench.audio(stream, pcm, flags=flags)
            self.frame += 1
            if self.frame % 50 == 0:
                self.bench.start(LINK, "link")  # It is still there.
            self.bench.advance(20)
            self.take()

    def quiet(self) -> bytes:
        return noise(ROOM_DB, self.dice)

    def take(self) -> None:
        """What the link gets."""
        for frame in self.bench.published:
            if frame.stream == LINK and frame.kind is Kind.AUDIO:
                self.timeline.heard(frame.seq, self.bench.now_ns)
        for event in self.bench.events_to(LINK, "speech"):
            self.reports += 1
            if self.reports not in self.loss:
                assert self.timeline.report(event)
        self.bench.published.clear()


def wrong(call: Call, who: int, truth: Sequence[tuple[int, int]]) -> int:
    """Frames in which the timeline differs from the truth."""
    said = {n for begin, end in truth for n in range(begin, end)}
    told = {n for begin, end in call.timeline.spells(f"p-{who}") for n in range(begin, end)}
    return len(said ^ told)


def test_each_has_their_frames_and_overlap_belongs_to_both() -> None:
    call = Call([ANN, BEN], {ANN: -20.0, BEN: -26.0})
    call.say([], 60)  # The noise floor is learned.
    call.say([ANN], 100)
    call.say([ANN, BEN], 50)
    call.say([BEN], 100)
    call.say([], 60, pause_last=True)
    assert wrong(call, ANN, [(60, 210)]) <= 2
    assert wrong(call, BEN, [(160, 310)]) <= 2
    end_ns = call.bench.now_ns
    assert abs(call.timeline.overlap_slots(0, end_ns) - 50) <= 2
    shares = dict(call.timeline.who(0, end_ns))
    assert shares == {"p-11": pytest.approx(0.5, abs=0.02), "p-12": pytest.approx(0.5, abs=0.02)}
    assert call.timeline.talking == []


def test_a_quiet_microphone_is_its_owners_and_an_echo_of_another_is_nobodys() -> None:
    call = Call([ANN, BEN], {ANN: -20.0, BEN: -45.0})
    call.say([], 60)
    call.say([ANN, BEN], 100)  # Ben's microphone hears Ann, 25 dB below.
    assert call.timeline.spells("p-12") == [], "he has never been heard alone"
    call.say([], 60)
    call.say([BEN], 100)
    call.say([], 60)
    call.say([ANN, BEN], 50)
    call.say([], 60)
    assert len(call.timeline.spells("p-12")) == 2, "now that is how he sounds"


def test_silence_is_not_reported_and_nobody_is_woken_for_it() -> None:
    call = Call([ANN, BEN], {})
    call.say([], 60)
    call.reports = 0
    call.say([], 200)
    assert call.reports == 0


def test_a_lost_report_leaves_a_short_gap_at_most() -> None:
    call = Call([ANN, BEN], {ANN: -20.0})
    call.loss = {5, 6, 12}
    call.say([], 60)
    call.say([ANN], 150)
    call.say([], 60)
    assert wrong(call, ANN, [(60, 210)]) <= 2


def test_a_link_that_comes_later_and_one_that_counts_over_the_edge() -> None:
    call = Call([ANN, BEN], {ANN: -20.0}, seq=2**32 - 30)
    call.say([], 20)
    call.say([ANN], 50)
    call.say([], 40)
    assert wrong(call, ANN, [(20, 70)]) <= 2


def test_without_a_link_nothing_is_gathered() -> None:
    bench = Bench()
    bench.start(ANN)
    dice = np.random.default_rng(1)
    for n in range(50):
        bench.audio(ANN, voice(n, -20.0, dice))
        bench.advance(20)
    bench.start(LINK, "link")
    bench.advance(500)
    assert bench.events_to(LINK, "speech") == []


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), max_size=60))
def test_reports_cover_each_slot_once_and_are_never_long(
    slots: list[tuple[int, bool, bool]],
) -> None:
    """Whatever numbers the slots have, each voice's frame is in one report, at its number."""
    from mixer_core.bus.events import StreamInfo
    from mixer_core.jitter import JitterBuffer
    from mixer_core.slots import Stream
    from mixer_core.voice_chain import VoiceChain
    from mixer_core.voice_kernels import SPEECH

    chain = VoiceChain()
    stream = Stream(1, StreamInfo("browser", "den", "p-1"), JitterBuffer(0, 1), 0, 0, chain=chain)
    reports, number, now_ns, told = SpeechReports(), 0, 0, []
    wanted = set()
    for jump, speech, talking in slots:
        number += 1 + (jump if jump > 35 else 0)
        now_ns += FRAME_NS
        told.append(reports.slot(number, now_ns))
        chain.row[SPEECH] = float(speech)
        reports.voice(stream)
        if speech:
            wanted.add(number)
        told.append(reports.due(now_ns, talking))
    told += [reports.take(), reports.due(now_ns, talking=False)]
    assert not told[-1] or told[-1]["voices"] == {}, "that nobody speaks any more"
    found: list[int] = []
    for report in told:
        if report is not None:
            assert 0 < report["count"] <= REPORT_SLOTS
            mask = report["voices"].get("p-1", [0])[0]
            assert mask < 1 << report["count"]
            found += [report["slot"] + bit for bit in range(REPORT_SLOTS) if mask >> bit & 1]
    assert sorted(found) == sorted(wanted)
    assert reports.next_timeout_ns() is None


def test_a_report_that_makes_no_sense_is_refused_and_changes_nothing() -> None:
    timeline = SpeechTimeline()
    dice = random.Random(1)
    timeline.heard(10, 0)
    for event in (
        {},
        {"slot": "10", "count": 1, "voices": {}},
        {"slot": 10, "count": 0, "voices": {}},
        {"slot": 10, "count": 10_000, "voices": {}},
        {"slot": 10, "count": 1, "voices": []},
        {"slot": 10, "count": 1, "voices": {"p": [1]}},
        {"slot": 10 + 2**31, "count": 1, "voices": {"p": [1, 1, -20]}},
        {"slot": dice.getrandbits(80), "count": 1, "voices": {"p": [None, 1, -20]}},
    ):
        assert not timeline.report(event)
    assert timeline.talking == [] == timeline.who(0, 10**12)


def test_somebody_whose_frames_stop_without_a_word_is_silent_soon() -> None:
    call = Call((ANN,), {ANN: -20.0})
    call.say([ANN], 30)
    assert call.timeline.talking == [f"p-{ANN}"]
    for _ in range(30):
        call.bench.advance(20)
        call.take()
    assert call.timeline.talking == [], "nothing else would tell, until somebody else speaks"

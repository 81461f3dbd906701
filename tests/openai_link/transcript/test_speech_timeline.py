"""Who spoke when, on the clock of the slots that the link hears."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.frames import U32
from mixer_core.bus.pcm import FRAME_NS
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.transcript.slot_clock import MAX_ANCHORS, SlotClock
from openai_link.transcript.speech_timeline import MAX_PEOPLE, MAX_SPELLS, SpeechTimeline


class Heard:
    """A timeline that is told slot by slot."""

    def __init__(self, first: int = 0) -> None:
        self.timeline = SpeechTimeline()
        self.number = first
        self.now_ns = 0

    def slots(self, count: int, **voices: int) -> None:
        for _ in range(count):
            self.timeline.heard(self.number, self.now_ns)
            read = {who: [1, 1, level] for who, level in voices.items()}
            event = {"slot": self.number, "count": 1, "voices": read}
            assert self.timeline.report(event)
            self.number = (self.number + 1) & U32
            self.now_ns += FRAME_NS


def test_a_turn_is_whose_voice_was_in_it() -> None:
    heard = Heard()
    heard.slots(50, ada=-20)
    heard.slots(25, ada=-20, ben=-24)
    heard.slots(25, ben=-24)
    heard.slots(30)
    timeline = heard.timeline
    assert timeline.who(0, S_NS) == [("ada", 1.0)]
    assert timeline.who(S_NS, 3 * S_NS) == [("ben", pytest.approx(2 / 3)), ("ada", 1 / 3)]
    assert timeline.overlap_slots(0, 3 * S_NS) == 25
    assert timeline.spoken_slots(0, 3 * S_NS) == {"ada": 75, "ben": 50}
    assert timeline.who(3 * S_NS, 9 * S_NS) == [] == SpeechTimeline().who(0, 9)


def test_the_begin_is_the_first_sound_and_the_end_the_last() -> None:
    """The detector is 3 frames late, and hangs over."""
    timeline = SpeechTimeline()
    for slot in range(40):
        timeline.heard(slot, slot * FRAME_NS)
    for slot, speech, sound in ((0, 0b00000, 0b11110), (5, 0b11110, 0b11111), (10, 0b11111, 0b1)):
        timeline.report({"slot": slot, "count": 5, "voices": {"ada": [speech, sound, -20]}})
    timeline.report({"slot": 15, "count": 1, "voices": {}})
    assert timeline.spells("ada") == [(1, 11)]
    assert timeline.talking == []


def test_a_voice_through_the_air_is_nobodys_and_a_quiet_microphone_is_somebodys() -> None:
    heard = Heard()
    heard.slots(50, ada=-20, ben=-45)
    assert heard.timeline.spells("ben") == []
    heard.slots(20)
    heard.slots(50, ben=-45)
    heard.slots(20)
    heard.slots(50, ada=-20, ben=-45)
    assert heard.timeline.spoken_slots(0, heard.now_ns) == {"ada": 100, "ben": 100}


def test_another_mixer_and_a_pause_of_the_room_keep_the_order() -> None:
    heard = Heard(first=U32 - 20)
    heard.slots(50, ada=-20)  # The numbers begin anew in between.
    heard.now_ns += 60 * S_NS
    heard.slots(50, ben=-20)
    heard.number = 7  # A mixer that knows nothing of the numbers.
    heard.slots(50, cem=-20)
    heard.slots(1)
    timeline, minute = heard.timeline, 60 * S_NS
    assert timeline.who(0, minute) == [("ada", 1.0)]
    assert timeline.who(minute, minute + 2 * S_NS) == [("ben", 1.0)]
    assert timeline.who(minute + 2 * S_NS, 2 * minute) == [("cem", 1.0)]


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(-15, 15)), min_size=1, max_size=80))
def test_the_clock_knows_when_each_slot_was_heard(steps: list[tuple[int, int]]) -> None:
    """Slots after pauses of any length, with jitter: each is found at its time, to two slots."""
    clock, number, due_ns = SlotClock(), 0, 0
    times: list[tuple[int, int]] = []
    for gap, jitter in steps:
        number, due_ns = number + 1, due_ns + (gap if gap > 100 else 1) * FRAME_NS
        now_ns = due_ns + jitter * MS_NS
        clock.heard(number, now_ns)
        times.append((clock.newest, now_ns))
    for place, now_ns in times:
        assert abs(clock.at(now_ns) - place) <= 3
    assert [place for place, _ in times] == list(range(len(times)))
    assert clock.at(due_ns + S_NS) == clock.newest + 1


def test_memory_is_bounded() -> None:
    clock = SlotClock()
    for n in range(3 * MAX_ANCHORS):
        clock.heard(n, n * S_NS)
    assert len(clock._places) <= MAX_ANCHORS
    timeline = SpeechTimeline()
    for n in range(2 * MAX_SPELLS + MAX_PEOPLE):
        timeline.heard(n, n * FRAME_NS)
        who = "ada" if n < 2 * MAX_SPELLS else f"p-{n}"
        read = {who: [n % 2, n % 2, -20]}
        timeline.report({"slot": n, "count": 1, "voices": read})
    assert len(timeline._voices) <= MAX_PEOPLE
    assert all(len(voice.spells) <= MAX_SPELLS for voice in timeline._voices.values())


VOICES = st.dictionaries(
    st.sampled_from("abc"),
    st.tuples(st.integers(0, 31), st.integers(0, 31), st.integers(-100, 0)).map(list),
    max_size=3,
)


@given(st.lists(st.tuples(st.integers(-3, 40), st.integers(1, 5), VOICES), max_size=30))
def test_whatever_is_reported_spells_are_in_order_and_shares_sum_up_to_one(
    reports: list[tuple[int, int, dict[str, list[int]]]],
) -> None:
    timeline, number = SpeechTimeline(), 100
    for jump, count, voices in reports:
        number += jump
        for slot in range(number, number + count):
            timeline.heard(slot, slot * FRAME_NS)
        timeline.report({"slot": number, "count": count, "voices": voices})
    for who in "abc":
        spells = timeline.spells(who)
        assert all(begin < end for begin, end in spells)
        assert all(one[1] <= two[0] for one, two in pairwise(spells))
    shares = timeline.who(0, 10**12)
    assert not shares or sum(part for _, part in shares) == pytest.approx(1)
    assert shares == sorted(shares, key=lambda share: -share[1])

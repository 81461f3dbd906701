"""Listeners' positions from their reports, and the words that fit into a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.pcm import FRAME_NS, FRAME_SAMPLES
from mixer_core.runtime.units import MS_NS
from openai_link.playback.positions import MAX_FRAMES, MS_SAMPLES, PlaybackPositions
from openai_link.playback.spoken_text import SpokenText, cut_at_word


def line(frames: int, first_ns: int = 0) -> PlaybackPositions:
    positions = PlaybackPositions()
    for number in range(frames):
        positions.sent(first_ns + number * FRAME_NS)
    return positions


def test_a_stamp_and_an_offset_are_an_exact_place() -> None:
    positions = line(50)
    report = {"epoch": 0, "stamp_ns": 10 * FRAME_NS, "offset_samples": 100}
    assert positions.played("p-1", report, 0) == 10 * FRAME_SAMPLES + 100


def test_the_stamp_of_a_mix_is_taken_for_the_frame_before() -> None:
    positions = line(50)
    report = {"epoch": 0, "stamp_ns": 10 * FRAME_NS + 5 * MS_NS, "offset_samples": 480}
    assert positions.played("p-1", report, 0) == 11 * FRAME_SAMPLES


def test_frames_whose_packets_overtook_each_other_are_found() -> None:
    positions = PlaybackPositions()
    for stamp_ms in (0, 20, 45, 41, 80):
        positions.sent(stamp_ms * MS_NS)
    places = [positions.played("p", {"stamp_ns": ms * MS_NS}, 0) for ms in (45, 41, 80)]
    assert places == [2 * FRAME_SAMPLES, 3 * FRAME_SAMPLES, 4 * FRAME_SAMPLES]


def test_the_memory_is_bounded_and_what_is_older_counts_as_its_beginning() -> None:
    positions = line(3 * MAX_FRAMES)
    assert len(positions._frames) == MAX_FRAMES
    place = positions.played("p-1", {"stamp_ns": 5}, 0)
    assert place == (2 * MAX_FRAMES - 1) * FRAME_SAMPLES


def test_without_a_stamp_the_epochs_sound_is_counted() -> None:
    positions = line(50)
    assert positions.played("p-1", {"epoch": 0, "played_ms": 300, "buffered_ms": 80}, 0) == 7200
    positions.epoch(1)
    assert positions.played("p-1", {"epoch": 1, "played_ms": 0.0, "buffered_ms": 0}, 0) == 24_000
    assert positions.played("p-1", {"epoch": 0, "played_ms": 310, "buffered_ms": 0}, 0) == 7440


def test_who_came_later_counts_from_there() -> None:
    positions = PlaybackPositions()
    positions.roster(["p-1"])
    for number in range(50):
        positions.sent(number * FRAME_NS)
    positions.roster(["p-1", "p-2"])
    for number in range(50, 100):
        positions.sent(number * FRAME_NS)
    report = {"epoch": 0, "played_ms": 500, "buffered_ms": 0}
    assert positions.played("p-2", report, 0) == 50 * FRAME_SAMPLES + 12_000
    assert positions.played("p-1", report, 0) == 12_000


def test_who_has_left_is_forgotten_and_who_never_reported_is_known_to_be_plain() -> None:
    positions = line(10)
    assert not positions.all_report
    positions.played("p-1", {"stamp_ns": 0}, 0)
    assert positions.all_report
    positions.roster(["p-1", "p-2"])
    assert not positions.all_report
    positions.roster(["p-2"])
    assert positions.reporting == set()
    assert positions.played("p-1", {"stamp_ns": 0}, 0) is None
    positions.roster([])
    assert not positions.all_report


def test_a_place_goes_on_by_itself_for_a_while() -> None:
    positions = line(100)
    positions.played("p-1", {"stamp_ns": 10 * FRAME_NS}, 0)
    assert positions.current(50 * MS_NS) == {"p-1": 10 * FRAME_SAMPLES + 50 * MS_SAMPLES}
    assert positions.current(900 * MS_NS) == {"p-1": 10 * FRAME_SAMPLES + 900 * MS_SAMPLES}
    assert positions.current(1_100 * MS_NS) == {}


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["epoch", "stamp_ns", "offset_samples", "played_ms"]), JUNK)
    )
)
def test_no_report_leads_off_the_line(reports: list[dict[str, Any]]) -> None:
    positions = line(20, 1_000)
    for number, report in enumerate(reports):
        place = positions.played("p-1", report, number)
        assert place is None or 0 <= place <= positions.samples


@pytest.mark.parametrize(
    ("text", "chars", "kept"),
    [
        ("One two three.", 7, "One two"),
        ("One two three.", 8, "One two"),
        ("One two three.", 9, "One two"),
        ("One two three.", 2, ""),
        ("One two three.", 3, "One"),
        ("One two three.", 14, "One two three."),
        ("One two three.", 99, "One two three."),
        ("One", -1, ""),
        ("", 5, ""),
        ("你好世界", 2, "你好"),
    ],
)
def test_text_is_cut_at_a_word(text: str, chars: int, kept: str) -> None:
    assert cut_at_word(text, chars) == kept


@given(st.text(), st.integers(-5, 50))
def test_a_cut_text_is_a_beginning(text: str, chars: int) -> None:
    kept = cut_at_word(text, chars)
    assert text.startswith(kept) and len(kept) <= max(0, chars)


def test_the_rate_of_speech_is_learnt() -> None:
    spoken = SpokenText()
    content = {"role": "assistant", "content": [{"transcript": "one two six ten"}]}
    spoken.done("i", content)
    spoken.done("j", content)
    assert spoken.length_ms("i") == 1_000
    assert spoken.until("j", 500) == "one two"
    spoken.learn("i", 3_000)
    assert spoken.until("j", 1_400) == "one two"
    spoken.learn("i", 100)
    assert spoken.length_ms("j") == 3_000
    assert spoken.until("j", 500, whole_ms=1_000) == "one two"

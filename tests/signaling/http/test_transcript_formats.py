"""Transcripts as subtitles: what players and editors read."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mixer_core.journal.records import HistoryItem
from signaling.http.transcript_formats import as_srt, as_text, as_vtt, cues, time_of

BEGAN_MS = 1_790_000_000_123
ASKED = HistoryItem("u1", 1, "message", "user", "p-1", "Änne", "How late\nis it?", BEGAN_MS, True)
LATER = BEGAN_MS + 2_500
ANSWER = HistoryItem(
    "a1", 2, "message", "assistant", text="It is <noon> & late --> go.", wall_ms=LATER, heard_ms=400
)
CALL = HistoryItem("f1", 3, "tool", "assistant", tool="get_time", wall_ms=LATER, call="c1")
HOUR = HistoryItem(
    "u2", 4, "message", "user", "p-2", "Ben", "Oh.", BEGAN_MS + 3_723_004, final=True
)
ITEMS = [ASKED, ANSWER, CALL, replace(HOUR, text=""), HOUR]


def test_subrip() -> None:
    assert as_srt(ITEMS) == (
        "1\n00:00:00,000 --> 00:00:01,000\nÄnne: How late is it?\n\n"
        "2\n00:00:02,500 --> 00:00:03,500\n"
        "Assistant: It is <noon> & late --> go. — (interrupted)\n\n"
        "3\n01:02:03,004 --> 01:02:04,004\nBen: Oh.\n"
    )
    assert as_srt([]) == ""


def test_webvtt() -> None:
    text = as_vtt(ITEMS)
    assert text.startswith("WEBVTT\n\nNOTE 00:00:00.000 is 2026-09-21T14:13:20.123+00:00\n\n00:")
    assert "00:00:00.000 --> 00:00:01.000\n<v Änne>How late is it?\n\n" in text
    assert "<v Assistant>It is &lt;noon&gt; &amp; late --&gt; go. — (interrupted)\n" in text
    assert len(re.findall(r"^\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}$", text, re.M)) == 3
    assert as_vtt([]) == "WEBVTT\n"


def test_nobodys_line_outlasts_their_next_one_and_none_begins_before_the_one_above() -> None:
    long = replace(ASKED, text="bla " * 200)
    soon = replace(ASKED, item="u3", position=5, text="And?", wall_ms=BEGAN_MS + 4_000)
    over = replace(ANSWER, wall_ms=BEGAN_MS - 9_000_000_000, position=6, heard_ms=None)
    first, second, third = cues([replace(long, wall_ms=over.wall_ms), replace(soon), over])
    assert (first.start_ms, first.end_ms) == (0, 30_000), "bounded"
    assert second.start_ms <= third.start_ms < third.end_ms
    first, second = cues([long, soon])
    assert (first.end_ms, second.start_ms) == (4_000, 4_000)


def test_words_that_came_late_stand_above_the_answer_in_every_form() -> None:
    """The order is that of the conversation: the journal has it, whenever words came."""
    for text in (as_text(ITEMS), as_srt(ITEMS), as_vtt(ITEMS)):
        assert text.index("How late is it?") < text.index("It is ") < text.index("Oh.")


@pytest.mark.parametrize("wall_ms", [-(1 << 62), -1, 1 << 50, (1 << 63) - 1])
def test_a_time_that_no_calendar_has_is_shown_as_the_nearest(wall_ms: int) -> None:
    """A damaged file has such numbers."""
    items = [ASKED, replace(ANSWER, wall_ms=wall_ms)]
    assert "How late" in as_text(items) and "How late" in as_srt(items) + as_vtt(items)
    assert time_of(wall_ms)[:4] in ("1970", "9999")


def test_nobody_forges_a_line_or_speaks_to_a_terminal() -> None:
    evil = "a\n10:00:00 Anna: yes\x1b[2J\x00\x9b\x85\u2028b"
    said = HistoryItem("u1", 1, "message", "user", "p-1", evil, evil, BEGAN_MS, True)
    run = replace(CALL, tool=evil, arguments=evil, output=evil, ok=False)
    cut = replace(ANSWER, heard_ms=None, failure=evil)
    entries = [said, run, cut]
    text = as_text(entries)
    assert len(text.splitlines()) == len(entries)
    for shown in (text, as_srt(entries), as_vtt(entries)):
        assert shown.replace("\n", "").isprintable()

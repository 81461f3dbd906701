"""Where interrupted replies end: one room, its listeners and their reports."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer_core.bus.pcm import SILENCE
from mixer_core.runtime.units import MS_NS
from openai_link.facts import (
    Caption,
    ItemDone,
    ItemTruncated,
    ItemVoiced,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
)
from openai_link.playback.replies import WAIT_NS
from openai_link.playback.tracker import PlaybackTracker
from openai_link.playback.truncation import TrackerAction, Truncation
from openai_link.realtime.client_events import ClientEvents
from openai_link.turns.actions import Send

LOUD = np.full(480, 1000, np.int16).tobytes()
TEXT = "one two six ten one two six ten one two six ten one two six ten"
"""64 characters: at 15 a second 4.2 s."""


class Room:
    """A link that sends a reply in real time from ``now_ms`` on; a stamp is the time of sending."""

    def __init__(self, *people: str, **options: Any) -> None:
        self.tracker = PlaybackTracker(ClientEvents(), **options)
        self.tracker.on_roster(people)
        self.now_ms = 0
        self.epoch = 0
        self.actions: list[TrackerAction] = []

    def frames(self, count: int, pcm: bytes = LOUD) -> None:
        for _ in range(count):
            self.tracker.sent(self.now_ms * MS_NS, pcm)
            self.now_ms += 20

    def begin(self, response: str = "r", item: str = "i", text: str = TEXT) -> None:
        self.fact(ItemVoiced(response, item))
        self.fact(Caption("assistant", item, text, True))
        self.fact(PlaybackStarted(response))

    def fact(self, fact: Any) -> list[TrackerAction]:
        actions = self.tracker.on_fact(fact, self.now_ms * MS_NS)
        self.actions += actions
        return actions

    def report(
        self, who: str, played_until_ms: int, last: bool = False, new: bool = False
    ) -> list[TrackerAction]:
        """``who`` has played what was sent before the moment ``played_until_ms``.

        While a cut is pending the report is one of the old epoch, unless it is ``new``.
        """
        pending = self.tracker.next_timeout_ns() is not None
        stamp_ms = (played_until_ms - 1) // 20 * 20
        report = {
            "epoch": self.epoch - (pending and not new),
            "stamp_ns": stamp_ms * MS_NS,
            "offset_samples": (played_until_ms - stamp_ms) * 24,
            "last": last,
        }
        actions = self.tracker.played(who, report, self.now_ms * MS_NS)
        self.actions += actions
        return actions

    def cut(self) -> list[TrackerAction]:
        self.epoch += 1
        actions = self.tracker.cut(self.epoch, self.now_ms * MS_NS)
        self.actions += actions
        return actions

    def wait(self) -> list[TrackerAction]:
        timeout_ns = self.tracker.next_timeout_ns()
        assert timeout_ns is not None
        assert self.tracker.tick(timeout_ns - 1) == []
        actions = self.tracker.tick(timeout_ns)
        self.actions += actions
        return actions


def truncations(actions: list[TrackerAction]) -> list[tuple[str, int]]:
    return [
        (action.event["item_id"], action.event["audio_end_ms"])
        for action in actions
        if isinstance(action, Send)
    ]


def ends(actions: list[TrackerAction]) -> list[tuple[str, int]]:
    return [(a.item, a.audio_end_ms) for a in actions if isinstance(a, Truncation)]


def test_the_reply_ends_where_the_only_browser_was() -> None:
    room = Room("p-1")
    room.begin()
    room.frames(50)
    room.report("p-1", 800)
    assert room.cut() == []
    room.fact(PlaybackEnded("r", True))
    room.fact(ItemTruncated("i", 1_000))
    actions = room.report("p-1", 873, last=True)
    assert truncations(actions) == ends(actions) == [("i", 873)]
    assert actions[-1] == Truncation("i", "one two six", 873)
    assert actions[-1].caption == Caption("assistant", "i", "one two six", True)
    assert room.fact(ItemTruncated("i", 873)) == []
    assert room.tracker.next_timeout_ns() is None


def test_the_one_who_heard_most_decides() -> None:
    room = Room("p-1", "p-2")
    room.begin()
    room.frames(50)
    room.report("p-1", 700)
    room.report("p-2", 700)
    room.cut()
    assert room.report("p-1", 910, last=True) == []
    assert truncations(room.report("p-2", 880, last=True)) == [("i", 910)]


def test_a_browser_that_says_no_last_word_is_waited_for_a_while() -> None:
    room = Room("p-1", "p-2")
    room.begin()
    room.frames(50)
    room.report("p-1", 900)
    room.report("p-2", 850)
    room.now_ms += 40
    room.cut()
    room.report("p-1", 905)
    room.report("p-1", 918)  # Without the mark: perhaps sent before the flush was known.
    assert ends(room.wait()) == [("i", 918)]


def test_without_a_late_report_playing_is_taken_to_have_gone_on() -> None:
    room = Room("p-1")
    room.begin()
    room.frames(50)
    room.report("p-1", 850)
    room.now_ms += 60
    room.cut()
    assert ends(room.wait()) == [("i", 910)]


def test_plain_clients_have_heard_what_was_sent() -> None:
    room = Room("p-1", "plain")
    room.begin()
    room.frames(50)
    room.report("p-1", 800)
    actions = room.cut()
    assert truncations(actions) == [] and ends(actions) == [("i", 1_000)]
    assert truncations(room.fact(ItemTruncated("i", 1_005))) == []


def test_what_the_server_sent_and_the_gate_held_back_is_truncated_later() -> None:
    room = Room("plain")
    room.begin()
    room.frames(50)
    assert ends(room.cut()) == [("i", 1_000)]
    assert truncations(room.fact(ItemTruncated("i", 1_100))) == [("i", 1_000)]
    assert room.fact(ItemTruncated("i", 1_000)) == []
    assert ends(room.fact(ItemTruncated("i", 600))) == [("i", 600)]


def test_the_servers_own_truncation_may_come_first_and_be_the_shorter_one() -> None:
    room = Room("p-1")
    room.begin()
    room.frames(50)
    room.report("p-1", 900)
    room.fact(ItemTruncated("i", 500))
    room.cut()
    actions = room.report("p-1", 950, last=True)
    assert truncations(actions) == [] and ends(actions) == [("i", 500)]


def test_sound_just_before_the_event_belongs_to_the_reply() -> None:
    room = Room("p-1")
    room.frames(5, SILENCE)
    room.frames(2)
    room.begin()
    room.frames(48)
    room.report("p-1", 800)
    room.cut()
    assert ends(room.report("p-1", 900, last=True)) == [("i", 800)]


def test_a_browser_that_plays_the_reply_before_has_heard_nothing_of_this_one() -> None:
    room = Room("p-1")
    room.begin("r1", "i1")
    room.frames(50)
    room.fact(ResponseEnded("r1", "completed"))
    room.fact(PlaybackEnded("r1", False))
    room.begin("r2", "i2")
    room.frames(5)
    room.report("p-1", 850)
    room.cut()
    actions = room.report("p-1", 900, last=True)
    assert truncations(actions) == [("i1", 900), ("i2", 1)]
    assert ends(actions) == [("i1", 900), ("i2", 0)]
    assert actions[-1] == Truncation("i2", "", 0)


def test_a_reply_that_was_heard_whole_stays_as_it_is() -> None:
    room = Room("p-1")
    room.begin("r1", "i1")
    room.frames(50)
    room.fact(PlaybackEnded("r1", False))
    room.begin("r2", "i2")
    room.frames(20)
    room.report("p-1", 1_200)
    room.cut()
    assert ends(room.report("p-1", 1_300, last=True)) == [("i2", 300)]


def test_a_flush_with_nothing_on_its_way_changes_nothing() -> None:
    room = Room("p-1")
    room.begin()
    room.frames(50)
    room.fact(PlaybackEnded("r", False))
    room.report("p-1", 1_000)
    room.now_ms += 1_500
    assert room.cut() == []
    assert room.tracker.next_timeout_ns() is None


def test_reports_of_the_new_epoch_do_not_move_the_end() -> None:
    room = Room("p-1")
    room.begin()
    room.frames(50)
    room.report("p-1", 850)
    room.now_ms += 20
    room.cut()
    assert ends(room.report("p-1", 1_000, new=True)) == [("i", 870)]


def test_cut_off_words_do_not_come_back() -> None:
    room = Room("p-1")
    room.begin()
    room.frames(50)
    whole = Caption("assistant", "i", TEXT, True)
    assert room.tracker.passes(whole)
    room.report("p-1", 800)
    room.cut()
    assert not room.tracker.passes(whole)
    room.report("p-1", 850, last=True)
    assert not room.tracker.passes(whole)
    assert room.tracker.passes(Caption("user", "i", "Stop!", True))
    assert room.tracker.passes(Caption("assistant", "i2", "Yes?", False))


def test_a_response_that_was_cancelled_before_it_sounded_was_not_heard() -> None:
    room = Room("p-1")
    room.fact(ItemVoiced("r", "i"))
    room.fact(Caption("assistant", "i", TEXT, False))
    actions = room.fact(ResponseEnded("r", "cancelled", "turn_detected"))
    assert actions == [Truncation("i", "", 0)]


def test_a_response_that_ran_out_of_tokens_is_heard_all_the_same() -> None:
    room = Room("p-1")
    room.fact(ItemVoiced("r", "i"))
    assert room.fact(ResponseEnded("r", "incomplete", "max_output_tokens")) == []


def test_a_lost_call_ends_the_reply_with_what_was_sent() -> None:
    room = Room("p-1")
    room.begin()
    room.frames(50)
    assert room.tracker.end() == [Truncation("i", "one two six ten", 1_000)]
    assert room.tracker.end() == []


def test_a_call_that_is_lost_while_reports_are_waited_for() -> None:
    room = Room("p-1")
    room.begin()
    room.frames(50)
    room.report("p-1", 850)
    room.cut()
    assert ends(room.tracker.end()) == [("i", 850)]


def test_over_websocket_ours_is_the_only_truncation() -> None:
    room = Room("plain", server_truncates=False)
    room.fact(ItemVoiced("r", "i"))
    room.tracker.delivered("i", 4_000 * 24)
    room.fact(Caption("assistant", "i", TEXT, True))
    room.fact(ResponseEnded("r", "completed"))
    room.fact(PlaybackStarted("r"))
    room.frames(50)
    actions = room.cut()
    assert truncations(actions) == [("i", 1_000)]
    assert actions[-1] == Truncation("i", "one two six ten", 1_000)


def test_several_items_of_one_response_are_ended_each() -> None:
    room = Room("p-1", server_truncates=False)
    for item, length_ms in (("a", 400), ("b", 2_000), ("c", 500)):
        room.fact(ItemVoiced("r", item))
        room.tracker.delivered(item, length_ms * 24)
        room.fact(Caption("assistant", item, TEXT, True))
    room.fact(PlaybackStarted("r"))
    room.frames(50)
    room.report("p-1", 900)
    room.cut()
    assert truncations(room.report("p-1", 950, last=True)) == [("b", 550), ("c", 1)]


def test_the_item_that_the_server_truncated_ends_with_what_was_sent() -> None:
    room = Room("p-1")
    for item in ("a", "b"):
        room.fact(ItemVoiced("r", item))
        room.fact(Caption("assistant", item, "one two six", True))
    room.fact(PlaybackStarted("r"))
    room.frames(50)
    room.report("p-1", 900)
    room.cut()
    room.fact(ItemTruncated("b", 300))
    assert ends(room.report("p-1", 950, last=True)) == [("b", 250)]


def test_the_words_of_a_whole_item_teach_the_rate() -> None:
    room = Room("p-1")
    room.begin("r1", "i1", "")
    content = {"role": "assistant", "content": [{"transcript": "one two six ten"}]}
    room.fact(ItemDone("i1", content))
    room.frames(150)
    room.fact(PlaybackEnded("r1", False))
    room.now_ms += 2_000
    room.begin("r2", "i2")
    room.frames(100)
    room.tracker.on_roster(["plain"])
    (until,) = room.cut()
    assert until == Truncation("i2", "one two", 2_000)


BROWSER = st.tuples(st.integers(5, 120), st.integers(20, 300))
"""Delay on the way, and sound that waits in front of the loudspeaker, in ms."""


@settings(max_examples=60, deadline=None)
@given(st.lists(BROWSER, min_size=1, max_size=5), st.integers(30, 200), st.booleans())
def test_the_end_is_what_the_best_of_any_browsers_played(
    browsers: list[tuple[int, int]], frames: int, marks: bool
) -> None:
    people = [f"p-{number}" for number in range(len(browsers))]
    room = Room(*people)
    room.begin()
    room.frames(frames)
    sent_ms = room.now_ms
    for who, (way_ms, wait_ms) in zip(people, browsers, strict=True):
        room.report(who, max(1, sent_ms - 2 * way_ms - wait_ms))
    room.cut()
    room.fact(ItemTruncated("i", sent_ms))
    played = [max(1, sent_ms - wait_ms) for way_ms, wait_ms in browsers]
    for who, place_ms in zip(people, played, strict=True):
        room.report(who, place_ms, last=marks)
    if not marks:
        room.wait()
    assert ends(room.actions) == [("i", max(played))]
    assert room.tracker.next_timeout_ns() is None


def test_memory_is_bounded() -> None:
    room = Room("p-1")
    for number in range(200):
        room.begin(f"r{number}", f"i{number}")
        room.frames(2)
        room.fact(PlaybackEnded(f"r{number}", False))
        if number % 5 == 0:
            room.report("p-1", room.now_ms)
            room.cut()
    assert len(room.tracker._replies) <= 8


@pytest.mark.parametrize("event", [{}, {"epoch": "x"}, {"played_ms": None}, {"stamp_ns": -1}])
def test_reports_that_say_nothing_are_ignored(event: dict[str, Any]) -> None:
    room = Room("p-1")
    room.begin()
    room.frames(10)
    assert room.tracker.played("p-1", event, 0) == []
    assert WAIT_NS == 250 * MS_NS

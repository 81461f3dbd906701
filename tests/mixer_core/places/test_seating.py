"""Places: which device plays, and whose voice is not sent to whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mixer_core.bus.frames import FLAG_PAUSE
from mixer_core.bus.pcm import SILENCE
from mixer_core.bus.place import Place
from mixer_core.runtime.units import MS_NS
from tests.mixer_core.mixer_bench import Bench, audio_in, constant

LAPTOP, PHONE, TABLET, AWAY, LINK = 11, 12, 13, 14, 99
KITCHEN = Place("Kitchen", came_ns=1)


def listeners(bench: Bench, source: int) -> set[int]:
    """Who is sent the next frame of ``source``, which says nothing after it."""
    return {f.stream for f in audio_in(bench.audio(source, constant(7), flags=FLAG_PAUSE))}


def kitchen(mode: Any = "assistant", **of_phone: Any) -> Bench:
    """A laptop and a phone in the kitchen, somebody away, and the assistant."""
    bench = Bench()
    bench.start(PHONE, mode=mode, place=Place("kitchen", came_ns=2, **of_phone))
    bench.start(LAPTOP, mode=mode, place=KITCHEN)
    bench.start(AWAY, mode=mode)
    bench.start(LINK, "link", mode=mode)
    bench.published.clear()
    return bench


def test_the_device_that_came_first_plays_whoever_announced_itself_first() -> None:
    assert listeners(kitchen(), LINK) == {LAPTOP, AWAY}


def test_the_device_that_was_asked_last_plays() -> None:
    bench = kitchen(asked_ns=10)
    assert listeners(bench, LINK) == {PHONE, AWAY}
    bench.start(LAPTOP, place=replace(KITCHEN, asked_ns=11))
    assert listeners(bench, LINK) == {LAPTOP, AWAY}


def test_headphones_play_besides_the_device_of_the_place_and_never_for_it() -> None:
    assert listeners(kitchen(headphones=True), LINK) == {LAPTOP, PHONE, AWAY}
    bench = kitchen()
    bench.start(LAPTOP, place=replace(KITCHEN, headphones=True, asked_ns=99))
    assert listeners(bench, LINK) == {LAPTOP, PHONE, AWAY}


def test_when_the_device_that_plays_leaves_or_moves_another_one_plays() -> None:
    bench = kitchen()
    bench.start(LAPTOP, place=Place("Study", came_ns=3))
    assert listeners(bench, LINK) == {LAPTOP, PHONE, AWAY}


def test_in_a_conference_a_voice_is_not_sent_to_its_own_place() -> None:
    bench = kitchen("conference")
    assert listeners(bench, PHONE) == {AWAY, LINK}, "the laptop hears the phone's person anyway"
    assert listeners(bench, AWAY) == {LAPTOP, LINK}
    assert listeners(bench, LINK) == {LAPTOP, AWAY}


def test_who_is_sent_no_more_sound_in_mid_sentence_is_told_so_by_silence() -> None:
    bench = kitchen()
    bench.audio(LINK, constant(7))
    (end,) = audio_in(bench.start(PHONE, place=Place("kitchen", came_ns=2, asked_ns=5)))
    assert (end.stream, end.flags, end.payload) == (LAPTOP, FLAG_PAUSE, SILENCE)
    assert listeners(bench, LINK) == {PHONE, AWAY}


def test_the_roster_shows_places_and_who_plays_and_nothing_of_them_where_there_are_none() -> None:
    bench = kitchen()
    bench.start(TABLET)
    shown = {
        entry["participant"]: (entry.get("place"), entry.get("plays"))
        for entry in bench.events_to(AWAY, "participants")[-1]["participants"]  # type: ignore[attr-defined]
    }
    assert shown == {
        f"p-{PHONE}": ("kitchen", False),
        f"p-{LAPTOP}": ("Kitchen", True),
        f"p-{AWAY}": (None, None),
        f"p-{TABLET}": (None, None),
    }


def test_a_held_button_changes_no_roster() -> None:
    bench = kitchen()
    bench.start(LAPTOP, place=replace(KITCHEN, held=True))
    assert bench.events_to(AWAY, "participants") == []


def test_a_mixer_that_takes_over_knows_the_places_from_the_announcements_in_any_order() -> None:
    for order in ((PHONE, LAPTOP), (LAPTOP, PHONE)):
        bench = Bench()
        bench.start(LINK, "link")
        for stream in order:
            bench.start(stream, place=replace(KITCHEN, came_ns=stream))
        assert listeners(bench, LINK) == {LAPTOP}


def taken_over(first: Bench) -> Bench:
    """Another mixer goes on where this one has ended; the assistant has announced itself to it."""
    bench = Bench()
    bench.mixer.begin(bench.now_ns + 500 * MS_NS, first.mixer.memory())
    bench.start(LINK, "link")
    return bench


def test_who_was_sent_no_sound_is_sent_none_by_the_next_mixer_before_the_others_are_there() -> None:
    bench = taken_over(kitchen())
    bench.start(PHONE, place=Place("kitchen", came_ns=2))
    bench.start(AWAY)
    assert listeners(bench, LINK) == {AWAY}
    bench = taken_over(bench)  # That one ends too, before everybody has announced themselves.
    bench.start(PHONE, place=Place("kitchen", came_ns=2))
    assert listeners(bench, LINK) == set()
    bench.start(LAPTOP, place=KITCHEN)
    assert listeners(bench, LINK) == {LAPTOP}
    bench.advance(500)
    assert listeners(bench, LINK) == {LAPTOP}


def test_where_the_device_that_played_does_not_come_back_another_one_plays_soon() -> None:
    bench = taken_over(kitchen())
    bench.start(PHONE, place=Place("kitchen", came_ns=2))
    assert listeners(bench, LINK) == set()
    bench.advance(500)
    assert listeners(bench, LINK) == {PHONE}
    assert not taken_over(bench).mixer.memory().soundless


def test_who_has_left_the_place_or_wears_headphones_is_sent_sound_at_once() -> None:
    for place in (Place(), Place("kitchen", came_ns=2, headphones=True)):
        bench = taken_over(kitchen())
        bench.start(PHONE, place=place)
        assert listeners(bench, LINK) == {PHONE}

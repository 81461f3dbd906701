"""What the rig of the cluster makes of what it has seen."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.rig.cluster_checks import (
    asked_twice,
    balance,
    both_answer_ms,
    by_room,
    held_together_ms,
    longest_gap_s,
    longest_without_s,
    money,
    most_together,
    talks_again_s,
    two_assistants_ms,
    words_lost,
)

MS = 1_000_000


def session(
    first_ms: int, last_ms: int, room: str = "a", answers: tuple[tuple[int, int], ...] = ()
) -> dict[str, Any]:
    return {
        "room": room,
        "model": "m",
        "opened_ns": first_ms * MS,
        "first_ns": first_ms * MS or int(last_ms > 0),
        "last_ns": last_ms * MS,
        "answers": [
            [f"{first_ms}-{begun}", begun * MS, done * MS, {"cost": 1} if done else None]
            for begun, done in answers
        ],
    }


def test_a_session_that_nobody_feeds_any_more_is_followed_by_another() -> None:
    dead, heir = session(0, 1000), session(4000, 9000)
    assert held_together_ms(dead, heir) == 0
    assert most_together([dead, heir]) == (1, 0)


def test_a_frozen_owner_that_speaks_again_is_two() -> None:
    frozen, heir = session(0, 10_020), session(4000, 12_000)
    assert held_together_ms(frozen, heir) == held_together_ms(heir, frozen) == 6020
    assert most_together([frozen, heir]) == (2, 6020)


def test_three_are_counted_as_three() -> None:
    assert most_together([session(0, 100), session(10, 50), session(20, 30)]) == (3, 40)


def test_a_session_that_was_never_used_counts_nothing() -> None:
    unused = session(0, 0)
    assert held_together_ms(unused, session(1, 2)) == 0
    assert most_together([unused, session(1, 2)]) == (1, 0)


def test_one_that_stands_by_is_no_second_assistant() -> None:
    old = session(0, 3000, answers=((100, 900), (1500, 2400)))
    new = session(2000, 9000, answers=((2600, 2700),))
    assert held_together_ms(old, new) == 1000
    assert two_assistants_ms([old, new]) == 0


def test_two_that_answer_in_turn_are_two_assistants() -> None:
    first = session(0, 9000, answers=((100, 200), (3000, 3100)))
    second = session(0, 9000, answers=((1000, 1100),))
    assert both_answer_ms(first, second) == both_answer_ms(second, first) == 100
    running = session(0, 9000, answers=((1000, 0),))
    assert both_answer_ms(first, running) == 0
    assert both_answer_ms(first, session(0, 1)) == 0


def test_rooms_are_told_apart() -> None:
    late, early, other = session(5, 6), session(1, 2), session(3, 4, "b")
    assert by_room([late, early, other]) == {"a": [early, late], "b": [other]}


def test_a_room_talks_again_when_the_last_of_its_people_has_heard_it() -> None:
    people = [
        {"room": "a", "answered_ms": 900.0},
        {"room": "a", "answered_ms": 4100.0},
        {"room": "b", "answered_ms": None},
    ]
    assert talks_again_s(people, 60.0) == {"a": 4.1, "b": 60.0}


def test_a_line_is_kept_by_its_item_or_by_its_words() -> None:
    told = [
        ("a", "1", "Ann asks 1"),
        ("a", "2", "It is"),
        ("a", "2", "It is so long"),
        ("b", "1", "x"),
    ]
    kept = {"a": {"9": "Ann asks 1", "2": "It is so"}}
    assert words_lost(told, kept) == ["b: x"]
    assert words_lost(told[:1], {"a": {"1": "Ben asks 1"}}) == ["a: Ann asks 1"]
    assert words_lost([("a", "2", "It")], {"a": {"2": ""}}) == ["a: It"]
    assert words_lost([("a", "2", "It")], {"a": {"2": None}}) == []


def test_a_question_that_was_written_twice_is_seen() -> None:
    kept = {"a": {"1": "Ann asks 1", "2": "Ann asks 1", "3": "[simulator] x", "4": "[simulator] x"}}
    assert asked_twice(kept) == ["a: Ann asks 1"]


def test_each_answer_costs_once() -> None:
    told = session(0, 10, answers=((1, 2), (3, 4), (5, 0)))
    rows = [("0-1", 1.0), ("0-1", 1.0)]
    found = money([told], rows, 1.0, lambda usage, model: usage["cost"])
    assert found == {"server": 2.0, "journals": 1.0, "bucket": 1.0, "missing": 1.0, "double": 0.0}
    assert money([told], rows, 2.0, lambda usage, model: 1)["double"] == 1.0


def test_balance() -> None:
    owners = {"a": "x", "b": "x", "c": "y"}
    assert balance(owners, ["x", "y", "z"]) == {"x": 2, "y": 1, "z": 0, "fullest_by_mean": 2.0}


@pytest.mark.parametrize(
    ("bounds", "gap_s"), [((0, 5_000), 2.0), ((0, 1_000), 0.5), ((4_000, 5_000), 0.0)]
)
def test_the_longest_gap_is_between_frames(bounds: tuple[int, int], gap_s: float) -> None:
    times = [at * MS for at in (500, 1000, 3000, 3020)]
    assert longest_gap_s(times, *(bound * MS for bound in bounds)) == gap_s


@pytest.mark.parametrize(
    ("bounds", "without_s"), [((0, 5_000), 2.0), ((0, 900), 0.5), ((3_020, 9_000), 5.98)]
)
def test_who_hears_nothing_any_more_is_without_it_to_the_end(
    bounds: tuple[int, int], without_s: float
) -> None:
    times = [at * MS for at in (500, 1000, 3000, 3020)]
    assert longest_without_s(times, *(bound * MS for bound in bounds)) == without_s

"""Who is started again, when, and who no longer."""

from __future__ import annotations

import time

import pytest

from deploy.deaths import MOST_PAUSE_S, Again, Deaths, GiveUp
from mixer_core.runtime.errors import EXIT_PASSING
from mixer_core.runtime.units import S_NS


class Life:
    """One program that is started and ends, again and again."""

    def __init__(self) -> None:
        self.deaths = Deaths()
        self.now_ns = 0

    def dies(self, words: str = "ValueError: 3", code: int = 1, lived_s: float = 2.0) -> object:
        self.deaths.started("oven", self.now_ns)
        self.now_ns += int(lived_s * S_NS)
        return self.deaths.ended("oven", code, words, self.now_ns)


def test_the_same_end_five_times_is_the_last_and_its_words_are_kept() -> None:
    life = Life()
    verdicts = [life.dies(f"12:0{n}.3 KeyError: 'p-0{n}f' of {n}") for n in range(5)]
    assert [isinstance(verdict, GiveUp) for verdict in verdicts] == [False] * 4 + [True]
    words = "it ended 5 times in a row (exit code 1): 12:04.3 KeyError: 'p-04f' of 4"
    assert life.deaths.failed == {"oven": words}
    life.deaths.started("oven", life.now_ns)
    assert life.deaths.failed == {}


def test_the_first_restart_is_at_once_and_pauses_grow_to_an_end() -> None:
    life = Life()
    pauses = []
    for number in range(9):
        verdict = life.dies(f"Error{'x' * number}")
        assert isinstance(verdict, Again)
        pauses.append(verdict.pause_s)
    assert pauses == [0, 1, 2, 4, 8, 16, MOST_PAUSE_S, MOST_PAUSE_S, MOST_PAUSE_S]
    assert life.dies(lived_s=11) == Again(0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"code": -9}, "killed by somebody, or for lack of memory"),
        ({"code": -15}, "stopped by somebody"),
        ({"code": EXIT_PASSING}, "what may pass by itself"),
        ({"lived_s": 301.0}, "a crash a day"),
    ],
)
def test_an_end_that_proves_nothing_is_never_the_last(
    change: dict[str, object], words: str
) -> None:
    life = Life()
    assert all(isinstance(life.dies(**change), Again) for _ in range(50)), words  # type: ignore[arg-type]


def test_another_place_counts_anew_and_a_crash_by_signal_counts() -> None:
    life = Life()
    for _ in range(4):
        life.dies()
    life.dies("TypeError: other")
    assert all(isinstance(life.dies(code=-11), Again) for _ in range(4))
    verdict = life.dies(code=-11)
    assert isinstance(verdict, GiveUp) and "signal 11" in verdict.words


def test_who_is_forgiven_is_as_new() -> None:
    life = Life()
    for _ in range(5):
        life.dies()
    life.deaths.forgive("oven")
    assert life.deaths.failed == {} and life.dies() == Again(0)


def test_what_is_killed_while_it_works_goes_on_at_once_however_often() -> None:
    life = Life()
    assert [life.dies(code=-9, lived_s=2) for _ in range(9)] == [Again(0)] * 9
    assert [life.dies(code=-9, lived_s=0.5) for _ in range(3)] == [Again(0), Again(1), Again(2)]


def test_a_long_last_line_costs_nothing() -> None:
    deaths, line = Deaths(), "a" * 64_000
    began_s = time.process_time()
    deaths.ended("media_worker", 1, line, 0)
    assert time.process_time() - began_s < 1.0  # In the square of its length: half a minute.

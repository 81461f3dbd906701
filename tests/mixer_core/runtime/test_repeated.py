"""Mistakes that come at any rate: one line an interval of each kind, and none is forgotten."""

from __future__ import annotations

from mixer_core.runtime.repeated import INTERVAL_NS, MAX_KINDS, Repeated
from mixer_core.runtime.units import MS_NS


def test_the_first_is_written_and_the_rest_is_counted() -> None:
    mistakes = Repeated()
    assert mistakes.line("bad", 0) == ""
    assert [mistakes.line("bad", n * MS_NS) for n in range(1, 1_000)] == [None] * 999
    assert mistakes.line("bad", INTERVAL_NS) == " (999 more since the last such line)"
    assert mistakes.line("bad", 2 * INTERVAL_NS) == ""
    assert mistakes.total == 1_002


def test_the_first_few_of_an_interval_are_written() -> None:
    mistakes = Repeated(lines=2)
    assert [mistakes.line("bad", n) for n in range(4)] == ["", "", None, None]
    later = [mistakes.line("bad", INTERVAL_NS + n) for n in range(3)]
    assert later == [" (2 more since the last such line)", "", None]


def test_kinds_are_told_apart() -> None:
    mistakes = Repeated()
    assert mistakes.line("bad", 0) == mistakes.line("worse", 0) == ""
    assert mistakes.line("bad", 1) is None


def test_kinds_without_end_make_one_line_more() -> None:
    mistakes = Repeated()
    lines = [mistakes.line(f"from {n}", n) for n in range(100_000)]
    assert sum(line is not None for line in lines) == MAX_KINDS + 1
    assert len(mistakes._kinds) == MAX_KINDS


def test_kinds_of_long_ago_give_way_and_stay_counted() -> None:
    mistakes = Repeated(max_kinds=2)
    for kind in ("a", "a", "b", "b", "b", "c"):
        mistakes.line(kind, 0)
    assert mistakes.line("d", INTERVAL_NS) == ""
    assert mistakes.line("e", INTERVAL_NS) == ""
    assert mistakes.line("f", INTERVAL_NS) == " (3 more since the last such line)"
    assert mistakes.total == 9

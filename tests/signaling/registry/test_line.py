"""The line in front of a full gateway."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.units import S_NS
from signaling.registry.line import CALL_NS, MAX_LENGTH, MAX_PER_CLIENT, PATIENCE_NS, Line


def line() -> Line:
    return Line(itertools.count(1).__next__)


def test_who_finds_a_place_and_no_line_gets_it() -> None:
    assert line().ask("", "a", 0, 1, 0).admitted


def test_first_come_first_served() -> None:
    queue = line()
    first, second = queue.ask("", "a", 0, 0, 0), queue.ask("", "b", 0, 0, 0)
    assert (first.position, second.position) == (1, 2)
    assert first.ticket != second.ticket
    newcomer = queue.ask("", "c", 0, 1, S_NS)
    assert (newcomer.admitted, newcomer.position) == (False, 3)
    later = queue.ask(second.ticket, "b", 0, 1, 2 * S_NS)
    assert (later.admitted, later.position, later.ticket) == (False, 2, second.ticket)
    assert queue.ask(first.ticket, "a", 0, 1, 3 * S_NS).admitted
    assert queue.ask(second.ticket, "b", 0, 0, 3 * S_NS).position == 1
    assert queue.ask(second.ticket, "b", 0, 1, 4 * S_NS).admitted
    assert queue.ask(newcomer.ticket, "c", 0, 1, 4 * S_NS).admitted


def test_a_free_place_is_kept_only_as_long_as_a_page_takes_to_ask() -> None:
    queue = line()
    queue.ask("", "a", 0, 0, 0)
    patient = queue.ask("", "b", 0, 0, 0)
    assert not queue.ask(patient.ticket, "b", 0, 1, S_NS).admitted
    assert not queue.ask(patient.ticket, "b", 0, 1, S_NS + CALL_NS - 1).admitted
    assert queue.ask(patient.ticket, "b", 0, 1, S_NS + CALL_NS).admitted


def test_a_page_that_no_longer_asks_is_forgotten() -> None:
    queue = line()
    queue.ask("", "a", 0, 0, 0)
    patient = queue.ask("", "b", 0, 0, 1)
    assert queue.ask(patient.ticket, "b", 0, 0, PATIENCE_NS - 1).position == 2
    assert queue.ask(patient.ticket, "b", 0, 0, PATIENCE_NS).position == 1


def test_a_made_up_ticket_gets_the_end_of_the_line() -> None:
    queue = line()
    queue.ask("", "a", 0, 0, 0)
    turn = queue.ask("0123456789abcdef", "b", 0, 0, 0)
    assert turn.position == 2 and turn.ticket != "0123456789abcdef"


def test_a_clearly_smaller_burden_goes_first() -> None:
    queue = line()
    heavy = queue.ask("", "flood", 9, 0, 0)
    newcomer = queue.ask("", "a", 0, 0, 0)
    assert (heavy.position, newcomer.position) == (1, 1)
    assert queue.ask("", "b", 1, 1, 0).position == 2
    assert queue.ask(newcomer.ticket, "a", 0, 1, 0).admitted


def test_the_line_and_a_clients_share_of_it_are_bounded() -> None:
    queue = line()
    turns = [queue.ask("", "a", 0, 0, 0) for _ in range(MAX_PER_CLIENT + 5)]
    assert sum(turn.ticket != "" for turn in turns) == MAX_PER_CLIENT
    others = [queue.ask("", f"c{n}", 0, 0, 0) for n in range(MAX_LENGTH)]
    assert sum(turn.ticket != "" for turn in others) == MAX_LENGTH - MAX_PER_CLIENT


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 9)), max_size=60))
def test_never_more_are_admitted_than_places_are_free(
    steps: list[tuple[int, int, int]],
) -> None:
    """Each step: a page asks when so many places are free; pages keep their last ticket."""
    queue, tickets, now_ns = line(), dict[int, str](), 0
    for page, free, seconds in steps:
        now_ns += seconds * S_NS
        turn = queue.ask(tickets.get(page, ""), f"p{page}", page, free, now_ns)
        assert turn.admitted <= (free > 0)
        assert turn.admitted or turn.position >= 1
        tickets[page] = turn.ticket

"""How long a turn waits for a response to begin."""

from __future__ import annotations

from openai_link.realtime.unanswered import EMPTY_TURN_NS, THINK_LIMIT_NS, UnansweredTurn


def waiting() -> UnansweredTurn:
    turn = UnansweredTurn(THINK_LIMIT_NS)
    turn.over(True, 1)
    turn.committed("item_1")
    return turn


def test_a_turn_waits_until_a_response_begins_or_for_so_long() -> None:
    turn = waiting()
    assert turn.somebodys_ns == turn.since_ns == 1 and turn.until_ns == 1 + THINK_LIMIT_NS
    turn.tick(THINK_LIMIT_NS)
    assert turn.since_ns == 1
    turn.tick(1 + THINK_LIMIT_NS)
    assert turn.since_ns is None and turn.until_ns is None and not turn.has_begun
    turn = waiting()
    turn.begun()
    assert turn.since_ns is None and turn.has_begun
    turn.over(False, 2)
    assert turn.since_ns is None and not turn.has_begun, "this one needs no answer"


def test_a_turn_of_which_nothing_was_understood_waits_less_and_nobody_for_it() -> None:
    turn = waiting()
    turn.not_understood("item_0")
    assert turn.somebodys_ns == 1
    turn.not_understood("item_1")
    assert turn.somebodys_ns is None and turn.until_ns == 1 + EMPTY_TURN_NS


def test_a_silence_in_which_the_server_speaks_is_nobodys_turn() -> None:
    turn = UnansweredTurn(THINK_LIMIT_NS)
    turn.over(True, 1)
    turn.idle("item_1", is_silence=True)
    turn.committed("item_1")
    assert turn.since_ns == 1 and turn.somebodys_ns is None
    turn.over(True, 2)
    turn.committed("item_2")
    assert turn.somebodys_ns == 2

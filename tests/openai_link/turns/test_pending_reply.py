"""Whether somebody in the room waits for an answer."""

from __future__ import annotations

from openai_link.facts import (
    ItemVoiced,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ServerError,
    ToolCalled,
    TurnCommitted,
)
from openai_link.turns.pending_reply import MAX_ASKED, MAX_MISSED, PendingReply

S = 1_000_000_000


def answer(pending_reply: PendingReply, status: str = "completed") -> None:
    pending_reply.on_fact(ResponseStarted("r"))
    pending_reply.on_fact(PlaybackStarted("r"))
    pending_reply.on_fact(ResponseEnded("r", status))


def test_an_answer_is_pending_until_it_has_been_heard() -> None:
    pending_reply = PendingReply()
    pending_reply.on_fact(TurnCommitted("i"))
    answer(pending_reply)
    assert pending_reply.is_pending
    pending_reply.on_fact(PlaybackEnded("r", cleared=False))
    assert not pending_reply.is_pending


def test_speaking_over_an_answer_settles_it() -> None:
    pending_reply = PendingReply()
    pending_reply.requested()
    pending_reply.on_fact(ResponseStarted("r"))
    pending_reply.on_fact(PlaybackStarted("r"))
    pending_reply.on_fact(PlaybackEnded("r", cleared=True))
    pending_reply.on_fact(ResponseEnded("r", "cancelled"))
    assert not pending_reply.is_pending


def test_a_response_that_calls_a_tool_is_no_answer_yet() -> None:
    pending_reply = PendingReply()
    pending_reply.requested()
    pending_reply.on_fact(ResponseStarted("r"))
    pending_reply.on_fact(ToolCalled("r", "i", "c", "clock", "{}"))
    pending_reply.on_fact(ResponseEnded("r", "completed"))
    assert pending_reply.is_pending


def test_without_sound_the_end_of_the_response_settles_it() -> None:
    pending_reply = PendingReply()
    pending_reply.requested()
    pending_reply.on_fact(ResponseStarted("r"))
    pending_reply.on_fact(ResponseEnded("r", "completed"))
    assert not pending_reply.is_pending
    pending_reply.requested()
    pending_reply.on_fact(ResponseEnded("aside", "completed", in_conversation=False))
    assert pending_reply.is_pending


def test_sound_that_is_made_and_not_heard_yet_is_pending() -> None:
    pending_reply = PendingReply()
    pending_reply.requested()
    pending_reply.on_fact(ResponseStarted("r"))
    pending_reply.on_fact(ItemVoiced("r", "i"))
    pending_reply.on_fact(ResponseEnded("r", "completed"))
    assert pending_reply.is_pending
    pending_reply.on_fact(PlaybackStarted("r"))
    assert pending_reply.is_pending
    pending_reply.on_fact(PlaybackEnded("r", cleared=False))
    assert not pending_reply.is_pending


def test_an_answer_that_fails_or_is_heard_before_its_end_is_not_pending() -> None:
    pending_reply = PendingReply()
    pending_reply.requested()
    answer(pending_reply, "failed")
    assert not pending_reply.is_pending
    pending_reply.requested()
    pending_reply.on_fact(ResponseStarted("r"))
    pending_reply.on_fact(PlaybackStarted("r"))
    pending_reply.on_fact(PlaybackEnded("r", cleared=False))
    assert pending_reply.is_pending, "the response goes on"
    pending_reply.on_fact(ResponseEnded("r", "completed"))
    assert not pending_reply.is_pending


def test_who_does_not_answer_turns_waits_nothing_for_them() -> None:
    silent = PendingReply(answers_turns=False)
    silent.on_fact(TurnCommitted("i"))
    assert not silent.is_pending


def test_of_several_replies_that_are_played_in_a_row_each_is_waited_for() -> None:
    """The server generates far ahead: the second is complete before the first was heard."""
    pending_reply = PendingReply()
    for response in ("a", "b"):
        pending_reply.requested()
        pending_reply.on_fact(ResponseStarted(response))
        pending_reply.on_fact(ItemVoiced(response, f"item_{response}"))
        pending_reply.on_fact(ResponseEnded(response, "completed"))
    pending_reply.on_fact(PlaybackStarted("a"))
    pending_reply.on_fact(PlaybackEnded("a", cleared=False))
    assert pending_reply.is_pending, "b has not been heard"
    pending_reply.on_fact(PlaybackStarted("b"))
    pending_reply.on_fact(PlaybackEnded("b", cleared=False))
    assert not pending_reply.is_pending


def test_a_cut_takes_the_replies_that_have_not_been_played_with_it() -> None:
    pending_reply = PendingReply()
    pending_reply.requested()
    for response in ("a", "b"):
        pending_reply.on_fact(ResponseStarted(response))
        pending_reply.on_fact(ItemVoiced(response, f"item_{response}"))
        pending_reply.on_fact(ResponseEnded(response, "completed"))
    pending_reply.on_fact(PlaybackStarted("a"))
    pending_reply.on_fact(PlaybackEnded("a", cleared=True))
    assert not pending_reply.is_pending


def test_replies_of_a_session_that_is_over_keep_nobody_waiting() -> None:
    pending_reply = PendingReply()
    pending_reply.requested()
    pending_reply.on_fact(ResponseStarted("old"), session=1)
    pending_reply.session_over(1)
    assert pending_reply.is_pending
    pending_reply.on_fact(ResponseStarted("new"), session=2)
    pending_reply.on_fact(ResponseEnded("new", "completed"), session=2)
    assert not pending_reply.is_pending


def test_the_end_of_an_answer_to_somebody_else_settles_nothing() -> None:
    """Somebody asks while an answer is heard, and the session is lost before the next begins."""
    pending = PendingReply()
    pending.requested()
    for fact in (ResponseStarted("r1"), ItemVoiced("r1", "i1"), PlaybackStarted("r1")):
        pending.on_fact(fact, 1)
    pending.requested()
    pending.on_fact(ResponseEnded("r1", "completed"), 1)
    pending.on_fact(PlaybackEnded("r1", False), 1)
    assert pending.is_pending
    for fact in (ResponseStarted("r2"), ResponseEnded("r2", "completed")):
        pending.on_fact(fact, 1)
    assert not pending.is_pending


def test_an_answer_that_does_not_come_is_hopeless_in_the_end() -> None:
    pending = PendingReply()
    pending.requested()
    for _ in range(MAX_MISSED):
        pending.missed()
        assert not pending.is_hopeless
    pending.missed()
    assert pending.is_hopeless
    pending.requested()
    assert not pending.is_hopeless, "it is another question"


def test_a_request_that_was_refused_is_not_waited_for() -> None:
    pending = PendingReply()
    pending.requested()
    pending.on_fact(ServerError("invalid_value", "", "mm_1", "response.create", False, False), 1)
    assert not pending.is_pending


def test_a_line_that_is_given_back_is_owed_nothing() -> None:
    pending = PendingReply()
    pending.requested("line")
    pending.told_again("line", "again")
    pending.given_back("line")
    assert pending.is_pending, "it has another id by now"
    pending.given_back("again")
    assert not pending.is_pending


def test_what_else_is_owed_is_owed_though_a_line_is_given_back() -> None:
    begun = PendingReply()
    begun.requested()
    begun.on_fact(ResponseStarted("r"), 1)
    begun.requested("line")
    lost, last = PendingReply(), PendingReply()
    for one in (lost, last):
        one.requested("line" if one is last else "")
        one.on_fact(ResponseStarted("r"), 1)
        one.session_over(1)
    lost.requested("line")
    turn = PendingReply()
    turn.on_fact(TurnCommitted("i"))
    turn.requested("line")
    many = PendingReply()
    for number in range(2 * MAX_ASKED):
        many.requested(f"other {number}")
    many.requested("line")
    for pending in (begun, lost, last, turn, many):
        pending.given_back("line")
        assert pending.is_pending
    begun.on_fact(ResponseEnded("r", "completed"), 1)
    assert not begun.is_pending


def test_an_answer_that_is_lost_behind_a_line_is_owed_yet() -> None:
    pending = PendingReply()
    pending.requested()
    pending.on_fact(ResponseStarted("r"), 1)
    pending.requested("line")
    pending.session_over(1)
    pending.given_back("line")
    assert pending.is_pending

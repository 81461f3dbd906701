"""Whether somebody in the room waits for an answer."""

from __future__ import annotations

from openai_link.facts import (
    ItemVoiced,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ToolCalled,
    TurnCommitted,
)
from openai_link.turns.pending_reply import PendingReply

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

"""When the reply that people hear is silenced."""

from __future__ import annotations

from openai_link.turns.actions import Flush, ReplyEnded, ReplyStarted
from openai_link.turns.audible_reply import BY_HAND, AudibleReply


def test_a_reply_is_played_to_its_end() -> None:
    reply = AudibleReply()
    reply.began("r1", is_uninvited=False)
    assert reply.started("r1") == [ReplyStarted()] and reply.is_playing
    assert reply.ended("r1", cleared=False) == [ReplyEnded()] and not reply.is_playing
    assert reply.ended("r1", cleared=False) == []


def test_it_is_silenced_once_whatever_tells_of_it_but_by_hand_always() -> None:
    reply = AudibleReply()
    reply.started("r1")
    assert reply.flush("barge-in") == [Flush("barge-in")]
    assert reply.flush("barge-in") == [] and reply.ended("r1", cleared=True) == []
    assert reply.flush(BY_HAND) == [Flush(BY_HAND)]
    assert reply.started("r2") == [ReplyStarted()]
    assert reply.ended("r2", cleared=True) == [Flush("cleared")]


def test_late_events_of_a_reply_that_was_stopped_count_no_more() -> None:
    reply = AudibleReply()
    reply.began("r1", is_uninvited=False)
    reply.stop()
    assert reply.has_stopped("r1") and not reply.is_uninvited("r1")
    assert reply.started("r1") == [] and reply.ended("r1", cleared=True) == []


def test_nothing_is_heard_of_a_response_that_nobody_asked_for() -> None:
    reply = AudibleReply()
    reply.began("r1", is_uninvited=True)
    assert reply.is_uninvited("r1") and reply.has_stopped("r1") and reply.uninvited == 1
    assert reply.started("r1") == [Flush("nobody asked")] and not reply.is_playing

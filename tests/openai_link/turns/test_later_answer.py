"""An answer that waits until nobody speaks."""

from __future__ import annotations

from openai_link.turns.later_answer import COMMIT_NS, LaterAnswer


def test_it_is_asked_for_once_with_the_commit_or_after_it_should_have_come() -> None:
    later = LaterAnswer()
    later.speech_stopped(0)
    assert later.next_timeout_ns() is None and not later.tick(COMMIT_NS), "nobody wants it"
    later.want()
    assert later.next_timeout_ns() is None, "somebody speaks"
    later.speech_stopped(5)
    assert later.next_timeout_ns() == 5 + COMMIT_NS
    assert not later.tick(4 + COMMIT_NS) and later.tick(5 + COMMIT_NS)
    assert not later.take() and later.next_timeout_ns() is None
    later.want()
    later.speech_stopped(6)
    assert later.take() and not later.tick(6 + COMMIT_NS)


def test_who_goes_on_is_waited_for() -> None:
    later = LaterAnswer()
    later.want()
    later.speech_stopped(0)
    later.speech_started()
    assert later.next_timeout_ns() is None and not later.tick(2 * COMMIT_NS)
    assert later.is_wanted

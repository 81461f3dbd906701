"""Which of the responses are wanted that the server begins by itself."""

from __future__ import annotations

from openai_link.turns.strangers import GO_ON_NS, Strangers


def test_a_response_is_uninvited_after_a_turn_for_which_nobody_asks() -> None:
    strangers = Strangers()
    assert not strangers.is_uninvited(0)
    strangers.committed(is_answered=False)
    assert strangers.is_uninvited(0) and strangers.is_uninvited(1)
    strangers.requested()
    assert not strangers.is_uninvited(2)
    strangers.committed(is_answered=True)
    assert not strangers.is_uninvited(3)


def test_the_service_goes_on_once_for_each_answer_whatever_is_said_meanwhile() -> None:
    strangers = Strangers()
    strangers.expect(0)
    strangers.expect(5)
    strangers.committed(is_answered=False)
    assert not strangers.is_uninvited(6) and not strangers.is_uninvited(7)
    assert strangers.is_uninvited(8), "both have begun"


def test_that_it_goes_on_is_not_expected_twice_or_for_ever() -> None:
    strangers = Strangers()
    strangers.expect(0)
    assert not strangers.is_uninvited(1)
    strangers.committed(is_answered=False)
    assert strangers.is_uninvited(2), "it has begun before the turn"
    strangers.expect(3)
    assert strangers.is_uninvited(3 + GO_ON_NS + 1)

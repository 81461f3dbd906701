"""Which of the responses are wanted that the server begins by itself."""

from __future__ import annotations

from openai_link.turns.strangers import GO_ON_NS, Strangers


def test_a_response_is_uninvited_after_a_turn_for_which_nobody_asks() -> None:
    strangers = Strangers()
    assert strangers.began(0) == "wanted"
    strangers.committed(is_answered=False)
    assert [strangers.began(0), strangers.began(1)] == ["uninvited", "uninvited"]
    strangers.requested()
    assert strangers.began(2) == "wanted"
    strangers.committed(is_answered=True)
    assert strangers.began(3) == "wanted"


def test_the_service_goes_on_once_for_each_answer_whatever_is_said_meanwhile() -> None:
    strangers = Strangers()
    strangers.expect("a", 0)
    strangers.expect("b", 5)
    strangers.committed(is_answered=False)
    assert [strangers.began(6), strangers.began(7)] == ["wanted", "wanted"]
    assert strangers.began(8) == "uninvited", "both have begun"


def test_that_it_goes_on_is_not_expected_twice_or_for_ever() -> None:
    strangers = Strangers()
    strangers.expect("a", 0)
    assert strangers.began(1) == "wanted"
    strangers.committed(is_answered=False)
    assert strangers.began(2) == "uninvited", "it has begun before the turn"
    strangers.expect("b", 3)
    assert strangers.began(3 + GO_ON_NS + 1) == "uninvited"


def test_the_next_response_after_a_stop_is_the_answer_that_was_stopped() -> None:
    strangers = Strangers()
    strangers.turn_over("a")
    strangers.stop()
    assert strangers.is_stopped
    strangers.turn_over("a")
    assert strangers.began(0) == "stopped", "what is told later of the same turn"
    assert strangers.began(1) == "wanted"


def test_whatever_is_said_asked_or_approved_after_a_stop_has_an_answer() -> None:
    strangers = Strangers()
    for goes_on in (
        lambda: strangers.turn_over("b"),
        lambda: strangers.turn_over(""),
        strangers.requested,
        lambda: strangers.expect("a", 0),
    ):
        strangers.stop()
        goes_on()
        assert strangers.began(0) == "wanted"


def test_a_stop_is_also_one_of_what_people_allowed() -> None:
    strangers = Strangers()
    strangers.expect("a", 0)
    strangers.committed(is_answered=False)
    strangers.stop()
    assert [strangers.began(1), strangers.began(2)] == ["stopped", "uninvited"]


def test_the_service_goes_on_after_a_tool_of_its_own_however_long_it_took() -> None:
    strangers = Strangers()
    strangers.tool_began("call", "", 0)
    strangers.committed(is_answered=False)
    strangers.tool_ended("call", GO_ON_NS)
    assert strangers.began(2 * GO_ON_NS) == "wanted"
    assert strangers.began(2 * GO_ON_NS) == "uninvited", "once"


def test_a_tool_that_was_stopped_or_is_told_otherwise_brings_no_other_response() -> None:
    strangers = Strangers()
    strangers.tool_began("call", "", 0)
    strangers.stop()
    strangers.turn_over("a")
    strangers.committed(is_answered=False)
    assert strangers.tool_ended("call", 1) == ""
    assert strangers.began(2) == "uninvited"
    strangers.tool_began("other", "", 3)
    strangers.went_on(strangers.tool_ended("other", 3))
    assert strangers.began(4) == "uninvited"


def test_a_tool_that_was_allowed_brings_one_response() -> None:
    strangers = Strangers()
    strangers.expect("request", 0)
    strangers.tool_began("call", "request", 1)
    strangers.committed(is_answered=False)
    strangers.tool_ended("call", GO_ON_NS)
    assert strangers.began(GO_ON_NS + 2) == "wanted"
    assert strangers.began(GO_ON_NS + 3) == "uninvited"

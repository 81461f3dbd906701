"""What follows where the service has run a tool of its own."""

from __future__ import annotations

import pytest

from openai_link.facts import (
    ItemAdded,
    ResponseEnded,
    ResponseStarted,
    ServerError,
    ServerToolEnded,
    SessionConfirmed,
    SpeechStarted,
    TurnCommitted,
)
from openai_link.realtime.client_events import ClientEvents
from openai_link.turns.actions import Send, TurnAction, TurnRules
from openai_link.turns.policy import TurnPolicy
from openai_link.turns.response_sequencer import ALREADY_ACTIVE
from openai_link.turns.service_tools import GO_ON_NS

CALL = ItemAdded("call", "", {"type": "mcp_call"})
WORDS = ItemAdded("words", "", {"type": "message", "role": "assistant"})


def ran(create_response: bool = True) -> TurnPolicy:
    """The tool has run, at 0; its response is over."""
    turns = TurnPolicy(ClientEvents("t"), rules=TurnRules(create_response=create_response))
    for fact in (
        *(SessionConfirmed("s", True), ResponseStarted("r1", "tag"), CALL),
        *(ResponseEnded("r1", "completed"), ServerToolEnded("call")),
    ):
        assert requests(turns.on_fact(fact)) == []
    return turns


def requests(actions: list[TurnAction]) -> list[str]:
    sent = [action.event for action in actions if isinstance(action, Send)]
    return [event["event_id"] for event in sent if event["type"] == "response.create"]


def test_a_server_that_does_not_go_on_is_asked_once() -> None:
    turns = ran()
    assert turns.next_timeout_ns() == GO_ON_NS and not turns.is_quiet
    assert requests(turns.tick(GO_ON_NS - 1)) == []
    (request,) = requests(turns.tick(GO_ON_NS))
    refused = ServerError(ALREADY_ACTIVE, "", request, "response.create", True, False)
    assert requests(turns.on_fact(refused, GO_ON_NS)) == [], "it was about to go on"
    assert turns.next_timeout_ns() is None
    assert requests(turns.on_fact(ResponseEnded("r2", "completed"), 2 * GO_ON_NS)) == []


def test_a_server_that_goes_on_is_not_asked() -> None:
    turns = ran()
    turns.on_fact(ResponseStarted("r2"), 1)
    assert turns.next_timeout_ns() is None
    turns = TurnPolicy(ClientEvents("t"))
    for fact in (ResponseStarted("r1"), CALL, ServerToolEnded("call"), WORDS):
        turns.on_fact(fact)
    turns.on_fact(ResponseEnded("r1", "completed"), 1)
    assert turns.next_timeout_ns() is None, "it went on in the same response"


def test_nobody_is_asked_while_a_response_is_open() -> None:
    turns = TurnPolicy(ClientEvents("t"))
    for fact in (ResponseStarted("r1"), CALL, ServerToolEnded("call")):
        turns.on_fact(fact)
    assert requests(turns.tick(GO_ON_NS)) == []
    turns.on_fact(ResponseEnded("r1", "completed"), GO_ON_NS + 1)
    assert turns.next_timeout_ns() == 2 * GO_ON_NS + 1
    assert len(requests(turns.tick(2 * GO_ON_NS + 1))) == 1


def test_after_a_stop_nobody_asks() -> None:
    turns = ran()
    turns.stop()
    assert turns.next_timeout_ns() is None
    turns = TurnPolicy(ClientEvents("t"))
    for fact in (ResponseStarted("r1"), CALL, ResponseEnded("r1", "completed")):
        turns.on_fact(fact)
    turns.stop()
    turns.on_fact(TurnCommitted("a"))
    turns.on_fact(ServerToolEnded("call"))
    assert turns.next_timeout_ns() is None


@pytest.mark.parametrize("answers", [True, False])
def test_while_somebody_speaks_the_answer_comes_with_their_turn(answers: bool) -> None:
    turns = ran(create_response=answers)
    turns.on_fact(SpeechStarted("a"), 1)
    assert requests(turns.tick(GO_ON_NS)) == []
    asked = requests(turns.on_fact(TurnCommitted("a"), 2 * GO_ON_NS))
    assert len(asked) == (0 if answers else 1), "a server that answers each turn need not be asked"


def test_what_people_say_while_a_tool_runs_keeps_nobody_from_the_result() -> None:
    turns = TurnPolicy(ClientEvents("t"), rules=TurnRules(create_response=False))
    facts = (SessionConfirmed("s", True), ResponseStarted("r1", "tag"), CALL)
    for fact in (*facts, ResponseEnded("r1", "completed"), TurnCommitted("a")):
        turns.on_fact(fact)
    turns.on_fact(ServerToolEnded("call"))
    assert turns.on_fact(ResponseStarted("r2")) == []
    assert not turns.is_uninvited("r2")

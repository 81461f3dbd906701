"""The beta shape of the Realtime API: recognised, translated both ways, or refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_link.facts import ItemAdded, ItemDone
from openai_link.realtime.client_events import TAG, ClientEvents
from openai_link.realtime.confirmed import differences
from openai_link.realtime.dialect import REFUSED, Dialect
from openai_link.realtime.reducer import Reducer
from openai_link.realtime.session_object import session_object
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.engine.session_config import create_session, echo
from tests.openai_link.realtime import beta
from tests.openai_link.simulator.scripted import TOOLS, ask, packaged

Json = dict[str, Any]

FLAT = {"type": "session.created", "event_id": "e1", "session": {"id": "s", "modalities": ["text"]}}
GA = {"type": "session.created", "event_id": "e1", "session": {"type": "realtime", "audio": {}}}


def served(*first: Json) -> Dialect:
    dialect = Dialect()
    for event in first:
        dialect.server(event)
    return dialect


@pytest.mark.parametrize(
    ("first", "is_beta"),
    [
        ([FLAT], True),
        ([GA], False),
        ([{"type": "error", "error": {}}, FLAT], True),
        ([{"type": "conversation.created"}, FLAT], True),
        ([{"type": "response.audio.delta", "delta": ""}], True),
        ([GA, {"type": "response.audio.delta", "delta": ""}], False),
        ([{"type": "session.created", "session": {}}], False),
        ([{"type": "session.created", "session": None}], False),
        ([{"type": 7}], False),
        ([FLAT, {"type": "session.updated", "session": {"audio": {}}}], True),
    ],
)
def test_the_session_shows_what_the_server_speaks(first: list[Json], is_beta: bool) -> None:
    assert served(*first).is_beta is is_beta


def test_names_of_the_beta_are_understood_from_servers_that_speak_half_of_each() -> None:
    dialect = served(GA)
    (event,) = dialect.server({"type": "response.audio.delta", "delta": "AA=="})
    assert event == {"type": "response.output_audio.delta", "delta": "AA=="}
    update = ClientEvents().update_session({"audio": {"output": {"voice": "alloy"}}})
    assert dialect.client(update) == update


def test_servers_of_ga_are_left_as_they_are() -> None:
    dialect = served(GA)
    for event in (GA, {"type": "conversation.item.added", "item": {"id": "i"}}, {"type": None}):
        assert dialect.server(event) == [event]


def test_a_beta_server_is_refused_where_it_must_not_be_served() -> None:
    dialect = Dialect("ga")
    assert dialect.refusal(GA) is None and dialect.refusal({"type": "error"}) is None
    for event in (FLAT, {"type": "response.audio.delta"}):
        refusal = dialect.refusal(event)
        assert refusal is not None and refusal.code == REFUSED and not refusal.retryable
    assert Dialect("auto").refusal(FLAT) is None and Dialect("beta").refusal(FLAT) is None


def test_where_the_beta_is_demanded_the_first_event_of_ours_is_of_it() -> None:
    update = ClientEvents().update_session({"audio": {"input": {"turn_detection": None}}})
    assert Dialect("beta").client(update)["session"] == {"turn_detection": None}


@pytest.mark.parametrize("first", [FLAT, GA])
@pytest.mark.parametrize(
    "error",
    [
        {"message": "Specifying `response.metadata` is not supported."},
        {"code": "unknown_parameter", "param": "response.metadata", "message": "Unknown."},
    ],
)
def test_a_server_that_complains_of_metadata_gets_none_any_more(first: Json, error: Json) -> None:
    """As speaches does, with each request."""
    dialect, events = served(first), ClientEvents()
    assert TAG in dialect.client(events.create_response())["response"]["metadata"]
    dialect.server({"type": "error", "error": {"message": "Specifying `model` is not supported."}})
    assert "metadata" in dialect.client(events.create_response())["response"]
    complaint = {"type": "error", "error": error}
    assert dialect.server(complaint) == [complaint]
    request = dialect.client(events.create_response({"instructions": "Be brief."}))
    assert request["response"] == {"instructions": "Be brief."}
    assert dialect.client(events.create_response())["response"] == {}
    assert "metadata" in served(first).client(events.create_response())["response"]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"output": "text", "transcription_model": "whisper-1", "speed": 1.2},
        {"turn_detection": "push_to_talk", "noise_reduction": "near_field"},
        {"max_output_tokens": 500, "reasoning_effort": "low", "truncation": "disabled"},
    ],
)
def test_a_session_is_confirmed_as_it_was_asked_for(settings: Json) -> None:
    """To the beta and back: what both shapes know is the same."""
    asked = session_object(OpenaiLinkSettings(**settings), TOOLS)
    dialect = served(FLAT)
    update = dialect.client(ClientEvents().update_session(asked))
    wanted = {**beta.hear(dict(update))["session"], "model": asked["model"]}
    given = echo(create_session("sess_1", 99, wanted))
    (event,) = beta.say({"type": "session.updated", "session": given})
    (understood,) = dialect.server(event)
    assert differences(asked, understood["session"]) == []
    assert understood["session"]["model"] == asked["model"]
    assert understood["session"]["expires_at"] == 99


@pytest.mark.parametrize("text", ["Good morning.", "What time is it?", "Tell me a story."])
def test_a_conversation_reads_the_same_in_both_dialects(text: str) -> None:
    session = packaged()
    ask(session, text)
    dialect = Dialect()
    understood = [
        event
        for made in session.events
        for said in beta.say(made)
        for event in dialect.server(said)
    ]
    assert dialect.is_beta
    for kind in {event["type"] for event in session.events}:
        expected = [e for e in session.events if e["type"] == kind]
        found = [e for e in understood if e["type"] == kind]
        if kind == "conversation.item.done":  # Items of ours are acknowledged at once.
            assert {e["item"]["id"] for e in found} == {e["item"]["id"] for e in expected}
            continue
        assert [e.get("event_id") for e in found] == [e.get("event_id") for e in expected], kind
        for event, other in zip(expected, found, strict=True):
            for key in ("delta", "transcript", "text", "arguments", "call_id", "response_id"):
                assert event.get(key) == other.get(key)
            if "item" in event:
                assert event["item"].get("content") == other["item"].get("content")


KEYS = ("type", "session", "item", "response", "output", "content", "role", "modalities", "audio")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just("assistant"),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(KEYS), v, max_size=4),
    max_leaves=10,
)
KINDS = (
    *("session.created", "session.updated", "conversation.item.created", "response.done"),
    *("response.output_item.done", "response.audio.delta", "session.update", "response.create"),
    "conversation.item.create",
)


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(KEYS[1:]), VALUES), st.booleans())
def test_anything_can_be_translated(kind: str, rest: Json, is_beta: bool) -> None:
    dialect = Dialect("beta" if is_beta else "auto")
    event = {**rest, "type": kind}
    assert all(isinstance(understood, dict) for understood in dialect.server(event))
    assert dialect.client(event)["type"] == kind
    assert Dialect("ga").refusal(event) is None or kind.startswith(("session.", "response.audio"))


def test_items_that_are_only_created_are_complete_unless_a_response_makes_them() -> None:
    """From servers that have taken nothing of GA but the session."""
    created = "conversation.item.created"
    for item, done in (
        ({"role": "user"}, True),
        ({"role": "system"}, True),
        ({"type": "function_call_output"}, True),
        ({"role": "assistant"}, False),
        ({"type": "function_call"}, False),
        ({"role": "assistant", "status": "completed"}, True),
        ({"role": "user", "status": "in_progress"}, False),
    ):
        event = {"type": created, "item": {"id": "i", "type": "message", **item}}
        facts = Reducer().feed(event, 0)
        assert [type(fact) for fact in facts] == [ItemAdded, *([ItemDone] if done else [])], item

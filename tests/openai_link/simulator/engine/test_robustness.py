"""Whatever a client sends, it gets an answer or one error, and the session goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_link.simulator.brains.tone import ToneBrain
from tests.openai_link.simulator.support import Json, Session
from tests.support.tables import examples

KINDS = [
    "session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "output_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.retrieve",
    "conversation.item.delete",
    "conversation.item.truncate",
    "response.create",
    "response.cancel",
]
KEYS = [
    *("session", "audio", "item", "item_id", "previous_item_id", "content_index", "audio_end_ms"),
    *("response", "response_id", "type", "event_id", "role", "content", "text", "input", "output"),
    *("call_id", "arguments", "name", "tools", "tool_choice", "turn_detection", "format", "voice"),
    *("transcription", "truncation", "tracing", "prompt", "include", "approve", "metadata"),
    *("approval_request_id", "server_label", "conversation", "instructions", "speed", "transcript"),
    *("output_modalities", "max_output_tokens", "reasoning", "noise_reduction", "image_url"),
]
WORDS = st.sampled_from(
    [
        *("realtime", "transcription", "message", "function_call", "function_call_output"),
        *("mcp_approval_response", "item_reference", "user", "assistant", "system", "input_text"),
        *("input_audio", "output_audio", "none", "auto", "audio", "root", "AAAA", "x", "x" * 40),
        *("mcp", "function", "server_vad", "semantic_vad", "mcp_call", "audio/pcmu", "input_image"),
    ]
)
LEAVES = st.one_of(
    WORDS, st.none(), st.booleans(), st.integers(-3, 10**20), st.floats(), st.text(max_size=3)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=12,
)
EVENTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5)


def answers(session: Session, event: Json) -> list[Json]:
    """Send an event; the session checks all answers."""
    return session.send_text(json.dumps(event))


@given(kind=st.sampled_from(KINDS), event=EVENTS)
@settings(max_examples=examples(300), deadline=None)
def test_nonsense_is_refused_once_and_the_session_goes_on(kind: str, event: Json) -> None:
    session = Session(brain=ToneBrain(100))
    heard = answers(session, {**event, "type": kind})
    errors = [answer for answer in heard if answer["type"] == "error"]
    assert len(errors) <= 1 and (not errors or len(heard) == 1)
    session.wait(30)
    session.send(type="response.create", response={"output_modalities": ["text"]})
    session.wait(30)
    assert session.last("response.done")["response"]["status"] == "completed"
    assert not session.all("response.done")[3:]


GOOD: list[Any] = [
    {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}},
    {"type": "realtime", "tools": [{"type": "function", "name": "f"}], "tool_choice": "required"},
    {"type": "realtime", "audio": {"output": {"voice": "marin", "speed": 1.5}}},
]


@given(
    session_object=st.sampled_from(GOOD),
    path=st.sampled_from(KEYS),
    value=VALUES,
)
@settings(max_examples=examples(150), deadline=None)
def test_an_update_is_applied_whole_or_not_at_all(
    session_object: Json, path: str, value: Any
) -> None:
    session = Session()
    before = json.dumps(session.engine.session)
    wanted = {**session_object, path: value}
    heard = answers(session, {"type": "session.update", "session": wanted})
    if heard[0]["type"] == "error":
        assert len(heard) == 1 and json.dumps(session.engine.session) == before
    else:
        assert heard[0]["type"] == "session.updated"


@pytest.mark.parametrize(
    "text", ['{"type": NaN}', '{"type": "response.create", "event_id": 7}', "[" * 5_000]
)
def test_messages_that_are_hardly_json_are_refused(text: str) -> None:
    [error] = Session().send_text(text)
    assert error["type"] == "error"
    assert error["error"]["event_id"] is None

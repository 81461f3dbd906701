"""What the service refuses, the simulator refuses too, and only a lenient one lets it pass."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from openai_link.simulator.engine.strict_checks import MAX_APPEND, MAX_TEXT
from tests.openai_link.simulator.support import REGULAR, Session, text_item
from tests.support.pictures import jpeg, png

Json = dict[str, Any]
LENIENT = replace(REGULAR, lenient=True)
CREATE = "conversation.item.create"


def call(name: str = "clock", call_id: str = "call_1", **more: Any) -> Json:
    item = {"type": "function_call", "name": name, "call_id": call_id, "arguments": "{}", **more}
    return {"type": CREATE, "item": item}


def message(*parts: Json, role: str = "user", **more: Any) -> Json:
    return {
        "type": CREATE,
        "item": {"type": "message", "role": role, "content": list(parts), **more},
    }


def text(**more: Any) -> Json:
    return {"type": "input_text", "text": "Hello.", **more}


def data_url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def image(url: str = data_url("png", png()), **more: Any) -> Json:
    return {"type": "input_image", "image_url": url, **more}


def session(**fields: Any) -> Json:
    return {"type": "session.update", "session": {"type": "realtime", **fields}}


def heard(**fields: Any) -> Json:
    return session(audio={"input": fields})


REFUSED: list[tuple[Json, str, str]] = [
    # Unknown fields, at any depth.
    ({"type": "response.cancel", "reason": "x"}, "unknown_parameter", "reason"),
    ({"type": "input_audio_buffer.commit", "item_id": "x"}, "unknown_parameter", "item_id"),
    ({"type": "response.create", "metadata": {}}, "unknown_parameter", "metadata"),
    (message(text(mood="glad")), "unknown_parameter", "item.content[0].mood"),
    (message(text(), text(cache_control={})), "unknown_parameter", "item.content[1].cache_control"),
    (
        {"type": "response.create", "response": {"audio": {"voice": "alloy"}}},
        "unknown_parameter",
        "response.audio.voice",
    ),
    (
        {"type": "response.create", "response": {"reasoning": {"summary": "auto"}}},
        "unknown_parameter",
        "response.reasoning.summary",
    ),
    (
        {
            "type": "response.create",
            "response": {"input": [text_item("a") | {"content": [text(x=1)]}]},
        },
        "unknown_parameter",
        "item.content[0].x",
    ),
    (
        heard(turn_detection={"type": "semantic_vad", "threshold": 0.5}),
        "unknown_parameter",
        "session.audio.input.turn_detection.threshold",
    ),
    (
        heard(turn_detection={"type": "server_vad", "eagerness": "low"}),
        "unknown_parameter",
        "session.audio.input.turn_detection.eagerness",
    ),
    (
        session(
            truncation={
                "type": "retention_ratio",
                "retention_ratio": 0.5,
                "token_limits": {"tokens": 1},
            }
        ),
        "unknown_parameter",
        "session.truncation.token_limits.tokens",
    ),
    # What is missing.
    ({"type": "conversation.item.delete"}, "missing_required_parameter", "item_id"),
    (
        {"type": "conversation.item.retrieve", "item_id": None},
        "missing_required_parameter",
        "item_id",
    ),
    (
        {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0},
        "missing_required_parameter",
        "audio_end_ms",
    ),
    ({"type": "session.update"}, "missing_required_parameter", "session"),
    ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
    ({"type": CREATE}, "missing_required_parameter", "item"),
    # Names.
    (call(name="a tool"), "invalid_value", "item.name"),
    (call(name="tool.name"), "invalid_value", "item.name"),
    (call(name="größe"), "invalid_value", "item.name"),
    (call(name=""), "invalid_value", "item.name"),
    (call(name="x" * 65), "string_above_max_length", "item.name"),
    # What is too long.
    (call(call_id="c" * 33), "string_above_max_length", "item.call_id"),
    (call(id="i" * 33), "string_above_max_length", "item.id"),
    (call(event_id="e"), "unknown_parameter", "item.event_id"),
    ({**call(), "event_id": "e" * 513}, "string_above_max_length", "event_id"),
    (
        {**call(), "previous_item_id": "p" * 33},
        "string_above_max_length",
        "previous_item_id",
    ),
    (message(text(text="x" * (MAX_TEXT + 1))), "string_above_max_length", "item.content[0].text"),
    (session(instructions="x" * (MAX_TEXT + 1)), "string_above_max_length", "session.instructions"),
    (
        {"type": "input_audio_buffer.append", "audio": "A" * (MAX_APPEND + 4)},
        "string_above_max_length",
        "audio",
    ),
    # Values.
    (message(text(), status="done"), "invalid_value", "item.status"),
    (message(text(), phase="thinking"), "invalid_value", "item.phase"),
    (message(image("https://x/y.png")), "invalid_value", "item.content[0].image_url"),
    (message(image("data:image/gif;base64,aGk=")), "invalid_value", "item.content[0].image_url"),
    (message(image(data_url("png", b"hi"))), "invalid_value", "item.content[0].image_url"),
    (message(image(data_url("png", jpeg()))), "invalid_value", "item.content[0].image_url"),
    (message(image(data_url("jpeg", png()[:-1]))), "invalid_value", "item.content[0].image_url"),
    (message(image(detail="huge")), "invalid_value", "item.content[0].detail"),
    (
        heard(transcription={"model": "m", "language": "german"}),
        "invalid_value",
        "session.audio.input.transcription.language",
    ),
    (
        heard(transcription={"model": "m", "languages": ["de", "Deutsch"]}),
        "invalid_value",
        "session.audio.input.transcription.language",
    ),
    (
        session(
            truncation={
                "type": "retention_ratio",
                "retention_ratio": 0.5,
                "token_limits": {"post_instructions": -1},
            }
        ),
        "invalid_value",
        "session.truncation.token_limits.post_instructions",
    ),
]


def answer(event: Json) -> Json:
    """The server's first answer."""
    found: Json = Session().send(**event)[0]
    return found


@pytest.mark.parametrize(("event", "code", "param"), REFUSED)
def test_the_service_refuses_it_and_so_does_the_simulator(
    event: Json, code: str, param: str
) -> None:
    found = answer({"event_id": "mine", **event})
    assert found["type"] == "error", found
    error = found["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert (
        error["event_id"] == ("mine" if event.get("event_id") is None else None)
        or param == "event_id"
    )


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.create", "mood": "glad"},
        message(text(mood="glad")),
        call(name="a tool"),
        message(image("https://x/y.png")),
        message(text(), status="done"),
        heard(transcription={"model": "m", "language": "german"}),
        session(
            truncation={
                "type": "retention_ratio",
                "retention_ratio": 0.5,
                "token_limits": {"tokens": 1},
            }
        ),
    ],
)
def test_a_lenient_one_lets_it_pass(event: Json) -> None:
    assert answer(event)["type"] == "error"
    engine = Session(options=LENIENT).engine
    made = engine.client_event(json.dumps(event), 0)
    assert all(action.event["type"] != "error" for action in made)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "event",
    [
        message(text(), role="user", phase="final_answer"),
        message({"type": "output_text", "text": "a"}, role="assistant", phase="commentary"),
        message(text(), status="incomplete"),
        message(text(), image(detail="high")),
        message(image(data_url("jpeg", jpeg()))),
        {**message(text()), "previous_item_id": "root"},
        {**message(text()), "previous_item_id": None},
        call(name="a-tool_1"),
        {"type": "response.create", "response": {"audio": {"output": {"voice": "alloy"}}}},
        {"type": "response.create"},
        heard(turn_detection={"type": "semantic_vad", "eagerness": "low"}),
        heard(transcription={"model": "m", "languages": ["de", "pt-BR"], "keywords": ["Ada"]}),
        session(
            truncation={
                "type": "retention_ratio",
                "retention_ratio": 0.5,
                "token_limits": {"post_instructions": 100},
            }
        ),
    ],
)
def test_what_the_service_takes_is_taken(event: Json) -> None:
    assert answer(event)["type"] != "error"


def test_the_phase_of_a_message_is_kept() -> None:
    item = message({"type": "output_text", "text": "a"}, role="assistant", phase="commentary")
    assert answer(item)["item"]["phase"] == "commentary"


def output(place: str | None) -> Json:
    item = {"type": "function_call_output", "call_id": "call_1", "output": "{}"}
    more = {} if place is None else {"previous_item_id": place}
    return {"type": CREATE, "item": item, **more}


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (None, None),
        ("call", None),
        ("after", None),
        ("root", "invalid_tool_call_id"),
        ("before", "invalid_tool_call_id"),
        ("nowhere", "item_create_invalid_item_id"),
    ],
)
def test_an_output_stands_behind_its_call(place: str | None, code: str | None) -> None:
    made = Session()
    made.send(**message(text(), id="before"))
    made.send(**call(id="call"))
    made.send(**message(text(), id="after"))
    found = made.send(**output(place))[0]
    assert found.get("error", {}).get("code") == code
    assert len(made.engine.conversation.items) == (4 if code is None else 3)


@pytest.mark.parametrize(
    "item",
    [
        message(text(), id="x"),
        message({"type": "output_text", "text": "a"}, role="assistant", id="x"),
        message(text(), role="system", id="x"),
        message({"type": "input_audio", "audio": "AAAA"}, id="x"),
        call(id="x"),
        message({"type": "output_audio", "transcript": "a"}, role="assistant", id="x"),
    ],
)
def test_only_sound_of_the_assistant_can_be_truncated(item: Json) -> None:
    made = Session()
    made.send(**item)
    cut = {"item_id": "x", "content_index": 0, "audio_end_ms": 10}
    (error,) = made.send(type="conversation.item.truncate", **cut)
    assert error["type"] == "error"
    (unknown,) = made.send(type="conversation.item.truncate", **{**cut, "item_id": "y"})
    assert unknown["error"]["code"] == "item_truncate_invalid_item_id"

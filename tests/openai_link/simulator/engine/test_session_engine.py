"""The session engine: recorded orders of events, ids, updates, errors, seeding, expiry."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mixer_core.bus.pcm import SILENCE
from tests.openai_link.simulator.support import (
    REGULAR,
    REPLY_ORDER,
    Json,
    Session,
    text_item,
    without_playback,
)


def test_the_first_event_introduces_the_session() -> None:
    session = Session({"model": "gpt-realtime-2.1"})
    assert session.kinds() == ["session.created"]
    shown = session.events[0]["session"]
    assert (shown["id"], shown["object"], shown["model"]) == (
        "sess_1",
        "realtime.session",
        "gpt-realtime-2.1",
    )


def test_order_a_text_in_audio_out() -> None:
    session = Session()
    session.send(type="conversation.item.create", event_id="e1", item=text_item("Hello?"))
    session.send(type="response.create", event_id="e2")
    session.wait(150)
    kinds = session.kinds()[1:]
    assert kinds[:3] == ["conversation.item.added", "conversation.item.done", "response.created"]
    assert without_playback(kinds)[3:] == REPLY_ORDER
    started = kinds.index("output_audio_buffer.started")
    assert kinds.index("response.output_audio_transcript.delta") < started
    assert started < kinds.index("response.done") < kinds.index("output_audio_buffer.stopped")
    assert kinds[-1] == "output_audio_buffer.stopped"


def test_ids_link_and_the_pieces_add_up_to_the_whole() -> None:
    session = Session()
    session.send(type="conversation.item.create", item=text_item("Hello?"))
    session.send(type="response.create", response={"metadata": {"a": "b"}})
    session.wait(150)
    deltas = [e["delta"] for e in session.all("response.output_audio_transcript.delta")]
    transcript = "".join(deltas)
    assert transcript == '[simulator] You wrote: "Hello?"'
    done = session.last("response.done")["response"]
    item = done["output"][0]
    assert session.last("response.output_audio_transcript.done")["transcript"] == transcript
    assert item["content"] == [{"type": "output_audio", "transcript": transcript}]
    assert session.last("response.output_item.done")["item"] == item
    assert session.last("response.content_part.done")["part"]["transcript"] == transcript
    user, answer = session.all("conversation.item.added")
    assert (user["previous_item_id"], answer["previous_item_id"]) == (None, user["item"]["id"])
    assert answer["item"]["content"] == [] and answer["item"]["status"] == "in_progress"
    assert item["id"] == answer["item"]["id"] and item["status"] == "completed"
    assert done["metadata"] == {"a": "b"}
    assert session.last("response.created")["response"]["usage"] is None
    placed = [e for e in session.events if "content_index" in e]
    assert {(e["response_id"], e["item_id"], e["content_index"]) for e in placed} == {
        (done["id"], item["id"], 0)
    }
    ids = [event["event_id"] for event in session.events]
    assert len(set(ids)) == len(ids)
    assert len(session.last("output_audio_buffer.started")["event_id"]) == len("event_") + 16


def test_order_c_text_out() -> None:
    session = Session({"output_modalities": ["text"]})
    session.send(type="conversation.item.create", item=text_item("Hi"))
    session.events.clear()
    session.send(type="response.create")
    session.wait(60)
    assert session.kinds() == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert session.last("response.output_text.done")["text"] == '[simulator] You wrote: "Hi"'
    assert set(session.spoken) == {SILENCE}


# --- push to talk --------------------------------------------------------------------------------


# --- manual stop ---------------------------------------------------------------------------------


# --- items, session, errors ----------------------------------------------------------------------


def test_a_partial_update_is_merged_and_everything_is_echoed() -> None:
    session = Session()
    before = session.events[0]["session"]
    audio = {
        "output": {"voice": "marin"},
        "input": {"turn_detection": {"silence_duration_ms": 300}},
    }
    [updated] = session.send(type="session.update", session={"type": "realtime", "audio": audio})
    after = updated["session"]
    assert after["audio"]["output"] == {**before["audio"]["output"], "voice": "marin"}
    detection = before["audio"]["input"]["turn_detection"]
    assert after["audio"]["input"]["turn_detection"] == {**detection, "silence_duration_ms": 300}
    assert {k: v for k, v in after.items() if k != "audio"} == {
        k: v for k, v in before.items() if k != "audio"
    }


def test_the_voice_is_locked_after_the_first_words_and_the_whole_update_is_lost() -> None:
    session = Session()
    session.send(type="response.create")
    session.wait(30)
    wanted = {"type": "realtime", "instructions": "new", "audio": {"output": {"voice": "cedar"}}}
    [error] = session.send(type="session.update", session=wanted)
    assert error["error"]["code"] == "cannot_update_voice"
    assert session.engine.session["instructions"] != "new"


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({}, "invalid_event", "type"),
        ({"type": "response.dance"}, "invalid_value", "type"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        (
            {"type": "session.update", "session": {"voice": "x", "type": "realtime"}},
            "unknown_parameter",
            "session.voice",
        ),
        (
            {"type": "session.update", "session": {}},
            "missing_required_parameter",
            "session.type",
        ),
        ({"type": "conversation.item.delete", "item_id": "x"}, "item_delete_invalid_item_id", None),
        (
            {"type": "conversation.item.retrieve", "item_id": "x"},
            "item_retrieve_invalid_item_id",
            None,
        ),
        (
            {"type": "conversation.item.truncate", "item_id": "x", "audio_end_ms": 1},
            "item_truncate_invalid_item_id",
            None,
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "call_id": "call_x", "output": "1"},
            },
            "invalid_tool_call_id",
            "item.call_id",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {**text_item("x"), "id": "i" * 33},
            },
            "string_above_max_length",
            "item.id",
        ),
        ({"type": "response.create", "response": {"a": 1}}, "unknown_parameter", "response.a"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
    ],
)
def test_what_is_wrong_is_named_and_the_session_goes_on(
    event: Json, code: str, param: str | None
) -> None:
    session = Session()
    [error] = session.send(event_id="cause", **event)
    assert (error["type"], error["error"]["code"]) == ("error", code)
    assert error["error"]["param"] == param
    assert error["error"]["event_id"] == "cause"
    session.send(type="response.create")
    session.wait(40)
    assert session.last("response.done")["response"]["status"] == "completed"


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"x"'])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    [error] = Session().send_text(text)
    assert error["error"]["code"] == "invalid_json"


def test_history_can_be_seeded_and_changed() -> None:
    session = Session()
    for number in range(3):
        item = {**text_item(f"text {number}"), "id": f"item_{number}"}
        session.send(type="conversation.item.create", item=item)
    call = {"type": "function_call", "name": "clock", "call_id": "c1", "arguments": "{}"}
    session.send(type="conversation.item.create", item=call)
    result = {"type": "function_call_output", "call_id": "c1", "output": '{"time": "noon"}'}
    session.send(type="conversation.item.create", item=result)
    first = {**text_item("first"), "id": "item_first"}
    [added, _] = session.send(type="conversation.item.create", item=first, previous_item_id="root")
    assert added["previous_item_id"] is None
    [deleted] = session.send(type="conversation.item.delete", item_id="item_1")
    assert deleted["item_id"] == "item_1"
    order = [item.id for item in session.engine.conversation.items[:3]]
    assert order == ["item_first", "item_0", "item_2"]
    [retrieved] = session.send(type="conversation.item.retrieve", item_id="item_2")
    assert retrieved["item"]["content"][0]["text"] == "text 2"


def test_usage_adds_up_grows_and_is_cached_from_the_second_response_on() -> None:
    session = Session({"instructions": "i" * 400})
    for _ in range(3):
        session.send(type="conversation.item.create", item=text_item("x" * 200))
        session.send(type="response.create")
        session.wait(60)
    usages = [event["response"]["usage"] for event in session.all("response.done")]
    for usage in usages:
        details = usage["input_token_details"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert usage["input_tokens"] == sum(details[f"{k}_tokens"] for k in ("text", "audio"))
        assert details["cached_tokens"] % 64 == 0
        assert details["cached_tokens"] <= usage["input_tokens"]
    assert usages[0]["input_tokens"] < usages[1]["input_tokens"] < usages[2]["input_tokens"]
    assert usages[0]["input_token_details"]["cached_tokens"] == 0
    assert usages[1]["input_token_details"]["cached_tokens"] > 0
    audio_ms = 20 * sum(frame != SILENCE for frame in session.spoken) / 3
    assert usages[0]["output_token_details"]["audio_tokens"] == pytest.approx(audio_ms / 50, abs=3)


def test_a_session_expires_once_with_an_error_and_the_end_of_the_call() -> None:
    session = Session(options=replace(REGULAR, session_limit_s=1.0))
    session.wait(50)
    assert not session.ended
    session.wait(20)
    assert session.ended == "session_expired"
    assert [e["error"]["code"] for e in session.all("error")] == ["session_expired"]


def test_the_same_seed_gives_the_same_session() -> None:
    def run() -> list[Any]:
        session = Session()
        session.send(type="response.create")
        session.wait(60)
        return session.events

    assert json.dumps(run()) == json.dumps(run())

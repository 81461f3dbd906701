"""Recorded orders of events D, E and H; endings of responses, delays, quirks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mixer_core.bus.pcm import SILENCE
from openai_link.simulator.engine.options import EngineOptions
from tests.openai_link.simulator.scripted import ask, packaged


def test_order_d_a_function_call_and_what_becomes_of_its_result() -> None:
    session = packaged()
    events = ask(session, "What time is it?")
    assert session.kinds(events) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    added = session.last("response.output_item.added")["item"]
    assert (added["status"], added["arguments"], added["name"]) == ("in_progress", "", "get_time")
    assert added["call_id"].startswith("call_") and len(added["call_id"]) == len("call_") + 16
    answers = session.give_output(added["call_id"], "noon")
    assert session.kinds(answers) == ["conversation.item.added", "conversation.item.done"]
    assert "status" not in answers[0]["item"]
    assert session.wait(50) == []
    session.send(type="response.create")
    session.wait(200)
    done = session.last("response.output_audio_transcript.done")
    assert done["transcript"] == "[simulator] The answer is: noon"


def test_parallel_calls_are_several_items_of_one_response() -> None:
    session = packaged()
    ask(session, "Call lamp and get_time")
    output = session.last("response.done")["response"]["output"]
    assert [item["name"] for item in output] == ["lamp", "get_time"]
    assert len({item["call_id"] for item in output}) == 2
    for item, result in zip(output, ("on", "noon"), strict=True):
        session.give_output(item["call_id"], result)
    session.send(type="response.create")
    session.wait(200)
    done = session.last("response.output_audio_transcript.done")
    assert done["transcript"] == "[simulator] The answer is: on; noon"


def test_without_parallel_calls_only_the_first_is_made() -> None:
    session = packaged({"parallel_tool_calls": False})
    assert "parallel_tool_calls" not in session.events[0]["session"]
    ask(session, "Call lamp and get_time")
    assert len(session.last("response.done")["response"]["output"]) == 1


@pytest.mark.parametrize("modality", ["audio", "text"])
def test_order_e_a_call_begins_before_the_words_have_ended(modality: str) -> None:
    session = packaged({"output_modalities": [modality]})
    ask(session, "While you talk, call lamp")
    places = [(e["type"], e["output_index"]) for e in session.events if "output_index" in e]
    stem = "response.output_audio_transcript" if modality == "audio" else "response.output_text"
    arguments = "response.function_call_arguments"
    order = [
        (f"{stem}.delta", 0),
        ("response.output_item.added", 1),
        (f"{arguments}.delta", 1),
        (f"{stem}.done", 0),
        ("response.output_item.done", 0),
        (f"{arguments}.done", 1),
        ("response.output_item.done", 1),
    ]
    assert [places.index(place) for place in order] == sorted(map(places.index, order))
    output = session.last("response.done")["response"]["output"]
    assert [item["type"] for item in output] == ["message", "function_call"]


def test_order_h_after_a_long_silence_the_model_speaks_by_itself() -> None:
    detection = {"type": "server_vad", "idle_timeout_ms": 5_000}
    transcription = {"model": "whisper-1"}
    audio = {"input": {"turn_detection": detection, "transcription": transcription}}
    session = packaged({"audio": audio})
    session.hear(SILENCE, 400)
    assert not session.all("input_audio_buffer.timeout_triggered")
    ask(session, "refuse", 1)
    while not session.all("output_audio_buffer.stopped"):
        session.hear(SILENCE)
    session.events.clear()
    assert session.hear(SILENCE, 245) == []
    events = session.hear(SILENCE, 10)
    kind = "conversation.item.input_audio_transcription.completed"
    assert session.kinds(events)[:8] == [
        "input_audio_buffer.timeout_triggered",
        "conversation.item.added",
        "conversation.item.done",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        kind,
        "response.created",
    ]
    times, prompt, _, committed, silence = events[:5]
    assert prompt["item"]["role"] == "system"
    assert committed["previous_item_id"] == silence["previous_item_id"] == prompt["item"]["id"]
    assert times["item_id"] == committed["item_id"] == silence["item"]["id"]
    assert times["audio_end_ms"] - times["audio_start_ms"] == pytest.approx(5_000, abs=40)
    assert (session.last(kind)["transcript"], session.last(kind)["usage"]["seconds"]) == ("", 0)
    session.hear(SILENCE, 200)
    assert [e["response"]["status"] for e in session.all("response.done")] == ["completed"]


# --- MCP -----------------------------------------------------------------------------------------


# --- endings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "status", "details"),
    [
        ("please fail", "failed", {"type": "server_error", "code": "server_error"}),
        ("quota", "failed", {"type": "insufficient_quota", "code": "insufficient_quota"}),
        ("cut off", "incomplete", "max_output_tokens"),
        ("filter", "incomplete", "content_filter"),
    ],
)
def test_responses_can_fail_or_stay_incomplete(text: str, status: str, details: Any) -> None:
    session = packaged()
    ask(session, text)
    done = session.last("response.done")["response"]
    assert done["status"] == status
    if status == "failed":
        error = done["status_details"]["error"]
        assert {key: error[key] for key in ("type", "code")} == details
        assert error["message"]
    else:
        assert done["status_details"]["reason"] == details
    assert all(item["status"] == "incomplete" for item in done["output"])
    ask(session, "refuse")
    assert session.last("response.done")["response"]["status"] == "completed"
    session.automaton.end()


def test_an_answer_over_its_limit_of_tokens_is_incomplete() -> None:
    session = packaged({"max_output_tokens": 40})
    ask(session, "A long story, please.", 600)
    done = session.last("response.done")["response"]
    assert done["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert 20 <= done["usage"]["output_tokens"] <= 60


def test_a_delay_comes_before_the_first_event_of_the_answer() -> None:
    session = packaged()
    events = ask(session, "Think!", 149)
    assert session.kinds(events) == ["response.created"]
    assert session.wait(2)[0]["type"] == "response.output_item.added"


def test_quirks_show_sometimes_and_never_change_what_is_said() -> None:
    options = EngineOptions()
    rates, nulls, padded = set(), set(), set()
    for seed in range(12):
        session = packaged(options=options, seed=seed)
        ask(session, "What time is it?", 60)
        rates.add("rate_limits.updated" in session.kinds())
        nulls.add(session.all("conversation.item.done")[-1]["previous_item_id"] is None)
        arguments = session.last("response.function_call_arguments.done")["arguments"]
        padded.add(arguments != arguments.strip())
        assert json.loads(arguments) == {}
    assert rates == nulls == padded == {True, False}


# --- any conversation ----------------------------------------------------------------------------

"""Golden orders D, E, H and I, endings, and the automaton over conversations of any kind."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer_core.bus.pcm import SILENCE
from openai_link.simulator.brains.script import ScriptBrain, packaged_script
from openai_link.simulator.engine.options import EngineOptions
from tests.openai_link.simulator.support import LOUD, REGULAR, Json, Session

TOOLS: list[Json] = [
    {"type": "function", "name": "get_time", "parameters": {"type": "object"}},
    {"type": "function", "name": "lamp", "description": "Switches.", "parameters": {}},
]
DOCS: Json = {"type": "mcp", "server_label": "docs", "server_url": "http://127.0.0.1:1/"}


def packaged(
    wanted: Json | None = None, options: EngineOptions = REGULAR, seed: int = 7
) -> Session:
    brain = ScriptBrain.parse(packaged_script())
    return Session({"tools": TOOLS, **(wanted or {})}, brain, options, seed)


def ask(session: Session, text: str, slots: int = 300) -> list[Json]:
    """Write, ask for an answer, wait; returns what the answer brought."""
    session.write(text)
    events = session.send(type="response.create")
    return events + session.wait(slots)


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


def test_order_i_tools_are_listed_then_called_without_the_client() -> None:
    session = packaged({"tools": [{**DOCS, "require_approval": "never"}]})
    session.wait(20)
    assert session.kinds() == [
        "session.created",
        "conversation.item.added",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "conversation.item.done",
    ]
    listed = session.events[-1]["item"]
    assert [tool["name"] for tool in listed["tools"]] == ["search"]
    events = ask(session, "Search the docs for cats")
    assert session.kinds(events)[:10] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "conversation.item.done",
        "response.output_item.done",
        "response.output_item.added",
    ]
    call, message = session.last("response.done")["response"]["output"]
    assert (call["output"], json.loads(call["arguments"])) == ("1 document", {"query": "cats"})
    assert message["content"][0]["transcript"] == "[simulator] I found something about cats."


@pytest.mark.parametrize("approve", [True, False])
def test_an_mcp_call_waits_for_the_approval_that_the_session_wants(approve: bool) -> None:
    session = packaged({"tools": [DOCS]})
    session.wait(20)
    ask(session, "Search for cats", 30)
    [request] = session.last("response.done")["response"]["output"]
    assert request["type"] == "mcp_approval_request"
    answer = {"type": "mcp_approval_response", "approval_request_id": request["id"]}
    session.events.clear()
    session.send(type="conversation.item.create", item={**answer, "approve": approve})
    session.wait(100)
    output = session.last("response.done")["response"]["output"]
    kinds = ["mcp_call", "message"] if approve else ["message"]
    assert [item["type"] for item in output] == kinds
    if approve:
        assert output[0]["approval_request_id"] == request["id"]
    else:
        assert output[0]["content"][0]["transcript"] == "[simulator] Then I will not search."
    session.send(type="conversation.item.create", item={**answer, "approve": True})
    assert session.wait(50) == [] or not session.all("response.created")[1:]
    bad = {"type": "mcp_approval_response", "approval_request_id": "x", "approve": True}
    [error] = session.send(type="conversation.item.create", item=bad)
    assert error["error"]["param"] == "item.approval_request_id"


def test_mcp_servers_and_tools_can_fail() -> None:
    script = """
        [[mcp]]
        server = "docs"
        fails = true
        [[rule]]
        say = "Pity."
        [[rule.mcp]]
        server = "docs"
        name = "search"
        error = "out of order"
    """
    tools = [{**DOCS, "require_approval": "never"}]
    session = Session({"tools": tools}, ScriptBrain.parse(script))
    session.wait(20)
    assert session.all("mcp_list_tools.failed")
    ask(session, "x")
    assert session.all("response.mcp_call.failed")
    call = session.last("response.done")["response"]["output"][0]
    assert call["error"] == {"type": "tool_execution_error", "message": "out of order"}


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

SENTENCES = [
    "What time is it?",
    "call lamp and get_time",
    "while you talk, call lamp",
    "long story",
    "cut off",
    "fail",
    "write",
    "quota",
    "search for x",
]
STEP = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(SENTENCES)),
    st.tuples(st.just("speak"), st.integers(1, 12)),
    st.tuples(st.just("wait"), st.integers(1, 120)),
    st.tuples(st.just("cancel"), st.none()),
    st.tuples(st.just("clear"), st.none()),
    st.tuples(st.just("aside"), st.sampled_from(SENTENCES)),
    st.tuples(st.just("outputs"), st.none()),
    st.tuples(st.just("approve"), st.booleans()),
    st.tuples(st.just("commit"), st.none()),
)


def take_step(session: Session, kind: str, value: Any) -> None:
    if kind == "write":
        session.write(value)
        session.send(type="response.create")
    elif kind == "speak":
        session.hear(LOUD, value)
        session.hear(SILENCE, 30)
    elif kind == "wait":
        session.wait(value)
    elif kind == "cancel":
        session.send(type="response.cancel")
    elif kind == "clear":
        session.send(type="output_audio_buffer.clear")
    elif kind == "commit":
        session.send(type="input_audio_buffer.commit")
    elif kind == "aside":
        content = [{"type": "input_text", "text": value}]
        item = {"type": "message", "role": "user", "content": content}
        wanted = {"conversation": "none", "input": [item]}
        session.send(type="response.create", response=wanted)
    elif kind == "outputs":
        for event in session.all("response.function_call_arguments.done"):
            session.give_output(event["call_id"], "7")
        session.send(type="response.create")
    else:
        for event in session.all("response.output_item.done"):
            if event["item"]["type"] == "mcp_approval_request":
                item = {"type": "mcp_approval_response", "approve": value}
                item["approval_request_id"] = event["item"]["id"]
                session.send(type="conversation.item.create", item=item)


@given(
    steps=st.lists(STEP, max_size=10),
    seed=st.integers(0, 1_000),
    transport=st.sampled_from(["webrtc", "websocket"]),
    modality=st.sampled_from(["audio", "text"]),
)
@settings(max_examples=40, deadline=None)
def test_order_links_and_sums_hold_whatever_happens(
    steps: list[tuple[str, Any]], seed: int, transport: Any, modality: str
) -> None:
    audio = {"input": {"transcription": {"model": "gpt-transcribe"}}}
    wanted = {"tools": [*TOOLS, DOCS], "audio": audio, "output_modalities": [modality]}
    options = replace(EngineOptions(), transport=transport, generation_speed=30.0)
    session = packaged(wanted, options, seed)
    for kind, value in steps:
        take_step(session, kind, value)
    for _ in range(40):
        session.wait(100)
        if session.automaton.is_idle:
            break
    session.automaton.end()

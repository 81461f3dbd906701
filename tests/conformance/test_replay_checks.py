"""Check 24: the orders that were recorded from the service, told again with our own ids and words.

Each sequence is written as the types in order; ``build`` fills in what every type carries. The
recordings themselves are not here.
"""

from __future__ import annotations

from typing import Any

import pytest

from openai_link.events import Reducer
from openai_link.facts import Caption, Fact, ResponseEnded, ToolCalled, Transcribed
from tests.conformance.oracle import check

Json = dict[str, Any]

RESPONSE, SPOKEN, SAID, CALL = (
    "resp_" + "r" * 21,
    "item_" + "s" * 21,
    "item_" + "u" * 21,
    "item_" + "c" * 21,
)
CALL_ID = "call_" + "x" * 16
WORDS = ["The", " moon", " is", " up."]
QUESTION = "Is the moon up?"
ARGUMENTS = ['{"who', '": "moon"', "}\n"]
USAGE: Json = {
    "total_tokens": 159,
    "input_tokens": 89,
    "output_tokens": 70,
    "input_token_details": {
        "text_tokens": 80,
        "audio_tokens": 9,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 9, "audio_tokens": 61},
}

ANSWER = (
    "response.created message.added message.part transcript.delta*4 output_audio_buffer.started "
    "audio.done transcript.done part.done message.done response.done rate_limits.updated "
    "output_audio_buffer.stopped"
)
TURN = "speech_started speech_stopped committed user.added"
CALLING = "call.added arguments.delta*3 arguments.done call.done"
ORDERS = {
    "A": f"user.added {ANSWER}",
    "B, transcript before": f"{TURN} transcribed {ANSWER}",
    "B, transcript within": f"{TURN} {ANSWER.replace(' audio.done', ' transcribed audio.done')}",
    "B, transcript after": f"{TURN} {ANSWER} transcribed",
    "D": f"user.added response.created {CALLING} response.done",
    "E": (
        "user.added response.created message.added message.part transcript.delta*4 "
        "output_audio_buffer.started call.added arguments.delta*3 audio.done transcript.done "
        "part.done message.done arguments.done call.done response.done output_audio_buffer.stopped"
    ),
}


TEXT = "".join(WORDS)
PLACE: Json = {
    "response_id": RESPONSE,
    "item_id": SPOKEN,
    "output_index": 0,
    "content_index": 0,
}
CALL_PLACE: Json = {
    "response_id": RESPONSE,
    "item_id": CALL,
    "output_index": 0,
    "call_id": CALL_ID,
}
FIXED: dict[str, Json] = {
    "message.part": {
        "type": "response.content_part.added",
        **PLACE,
        "part": {"type": "audio", "transcript": ""},
    },
    "part.done": {
        "type": "response.content_part.done",
        **PLACE,
        "part": {"type": "audio", "transcript": TEXT},
    },
    "audio.done": {"type": "response.output_audio.done", **PLACE},
    "transcript.done": {
        "type": "response.output_audio_transcript.done",
        **PLACE,
        "transcript": TEXT,
    },
    "arguments.done": {
        "type": "response.function_call_arguments.done",
        **CALL_PLACE,
        "name": "look",
        "arguments": "".join(ARGUMENTS),
    },
    "speech_started": {
        "type": "input_audio_buffer.speech_started",
        "audio_start_ms": 100,
        "item_id": SAID,
    },
    "speech_stopped": {
        "type": "input_audio_buffer.speech_stopped",
        "audio_end_ms": 900,
        "item_id": SAID,
    },
    "committed": {"type": "input_audio_buffer.committed", "item_id": SAID},
    "transcribed": {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": SAID,
        "content_index": 0,
        "transcript": QUESTION,
        "usage": {"type": "duration", "seconds": 1},
    },
    "rate_limits.updated": {"type": "rate_limits.updated", "rate_limits": []},
}
"""Events that are the same in every order, but for the place of a call."""


def item(kind: str, complete: bool) -> Json:
    status = "completed" if complete else "in_progress"
    if kind == "user":
        content: list[Json] = [{"type": "input_audio", "transcript": None}]
        return {"id": SAID, "type": "message", "status": status, "role": "user", "content": content}
    if kind == "call":
        arguments = "".join(ARGUMENTS) if complete else ""
        named = {"name": "look", "call_id": CALL_ID, "arguments": arguments}
        return {"id": CALL, "type": "function_call", "status": status, **named}
    content = [{"type": "output_audio", "transcript": "".join(WORDS)}] if complete else []
    message = {"id": SPOKEN, "type": "message", "status": status}
    return {**message, "role": "assistant", "content": content}


def build(order: str) -> list[Json]:
    """The events of an order."""
    events: list[Json] = []
    indexes = {"message": 0, "call": 1 if "message.added" in order else 0}
    for entry in order.split(" "):
        name, _, count = entry.partition("*")
        for number in range(int(count or 1)):
            events += _events(name, number, indexes, order)
    for position, event in enumerate(events):
        event["event_id"] = f"event_{position:021d}"
        check(event)
    return events


def _events(name: str, number: int, indexes: dict[str, int], order: str) -> list[Json]:
    call = {**CALL_PLACE, "output_index": indexes["call"]}
    kind, _, stage = name.partition(".")
    if kind in ("message", "call") and stage in ("added", "done"):
        shown = item(kind, stage == "done")
        output = {"response_id": RESPONSE, "output_index": indexes[kind], "item": shown}
        pair = [
            {"type": f"response.output_item.{stage}", **output},
            {"type": f"conversation.item.{stage}", "previous_item_id": SAID, "item": shown},
        ]
        return pair if stage == "added" else pair[::-1]
    if name == "user.added":
        shown = item("user", True)
        return [{"type": f"conversation.item.{s}", "item": shown} for s in ("added", "done")]
    if name == "transcript.delta":
        kind = "response.output_audio_transcript.delta"
        return [{"type": kind, **PLACE, "delta": WORDS[number], "obfuscation": "x"}]
    if name == "arguments.delta":
        kind = "response.function_call_arguments.delta"
        return [{"type": kind, **call, "delta": ARGUMENTS[number], "obfuscation": "x"}]
    if name.startswith("output_audio_buffer."):
        return [{"type": name, "response_id": RESPONSE}]
    if name in ("response.created", "response.done"):
        usage = USAGE if name.endswith("done") else None
        return [{"type": name, "response": _response(usage, order)}]
    return [
        {**FIXED[name], **({"output_index": call["output_index"]} if kind == "arguments" else {})}
    ]


def _response(usage: Json | None, order: str) -> Json:
    done = usage is not None
    output = [item(kind, True) for kind in ("message", "call") if f"{kind}.added" in order]
    return {
        "object": "realtime.response",
        "id": RESPONSE,
        "status": "completed" if done else "in_progress",
        "status_details": None,
        "output": output if done else [],
        "usage": usage,
    }


def reduced(events: list[Json]) -> list[Fact]:
    reducer = Reducer()
    facts = [fact for event in events for fact in reducer.feed(event, 0)]
    return facts + reducer.close()


@pytest.mark.parametrize("name", ORDERS)
def test_check_24_a_recorded_order_ends_with_the_words_the_calls_and_the_usage(name: str) -> None:
    order = ORDERS[name]
    facts = reduced(build(order))
    [ended] = [fact for fact in facts if isinstance(fact, ResponseEnded)]
    assert (ended.status, ended.usage) == ("completed", USAGE)
    said = [f.text for f in facts if isinstance(f, Caption) and f.final and f.item == SPOKEN]
    assert said == (["".join(WORDS)] if "message.added" in order else [])
    calls = [(f.call, f.name, f.arguments) for f in facts if isinstance(f, ToolCalled)]
    assert calls == ([(CALL_ID, "look", "".join(ARGUMENTS))] if "call.added" in order else [])
    heard = [f.text for f in facts if isinstance(f, Transcribed)]
    assert heard == ([QUESTION] if "transcribed" in order else [])

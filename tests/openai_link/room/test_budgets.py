"""Whatever a server sends, in whatever number: the room's engine stays within a budget in bytes."""

from __future__ import annotations

import gc
import random
import sys
from collections import Counter
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest

from mixer_core.runtime.units import MS_NS
from openai_link.realtime.reducer import Reducer
from openai_link.room.engine import RoomEngine
from tests.openai_link.room import checks
from tests.openai_link.room.world import Scene, World, say, wait

Json = dict[str, Any]
LONG = "x" * 100_000
COUNT = 1_500
BUDGET_BYTES = 48 << 20
"""Of everything that one flood leaves in the engine."""
CODE = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, property)


def item(number: int, **more: Any) -> Json:
    message = {"id": f"item_{number}", "type": "message", "role": "assistant", "content": []}
    return {**message, **more}


def response(kind: str, number: int, **more: Any) -> Json:
    return {"type": f"response.{kind}", "response_id": f"resp_{number}", **more}


FLOODS: dict[str, Callable[[int], Json]] = {
    "items": lambda n: {"type": "conversation.item.added", "item": item(n, content=[LONG])},
    "items with words": lambda n: {
        "type": "conversation.item.done",
        "item": item(n, role="user", content=[{"type": "input_text", "text": f"{n}{LONG}"}]),
    },
    "items at the beginning": lambda n: {
        "type": "conversation.item.done",
        "previous_item_id": "root",
        "item": item(n, content=[{"type": "output_text", "text": f"{n}{LONG}"}]),
    },
    "parts of one item": lambda n: response(
        "output_text.done", 1, item_id="item_1", content_index=n, text=f"{n}{LONG}"
    ),
    "content parts": lambda n: response(
        "content_part.done", 1, item_id="i", content_index=n, part={"text": f"{n}{LONG}"}
    ),
    "words of one item": lambda n: response("output_text.delta", 1, item_id="i", delta=LONG),
    "words of many": lambda n: response(
        "output_text.delta", 1, item_id=f"i{n}", delta=f"{n}{LONG}"
    ),
    "words of people": lambda n: {
        "type": "conversation.item.input_audio_transcription.delta",
        "item_id": f"u{n % 40}",
        "delta": LONG,
    },
    "transcripts": lambda n: {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": f"u{n}",
        "transcript": f"{n}{LONG}",
    },
    "turns": lambda n: {"type": "input_audio_buffer.committed", "item_id": f"u{n}"},
    "responses": lambda n: {"type": "response.created", "response": {"id": f"resp_{n}", "x": LONG}},
    "ends": lambda n: {
        "type": "response.done",
        "response": {"id": f"resp_{n}", "status": f"{n}{LONG}", "output": [item(n)] * 50},
    },
    "items of one response": lambda n: response("output_item.added", 1, item=item(n, x=[LONG])),
    "arguments": lambda n: response(
        "function_call_arguments.delta", 1, item_id=f"c{n}", call_id=f"call_{n}", delta=f"{n}{LONG}"
    ),
    "calls": lambda n: response(
        "output_item.done",
        1,
        item=item(n, type="function_call", call_id=f"c{n}", name=LONG, arguments=f'"{n}{LONG}"'),
    ),
    "calls with long ids": lambda n: response(
        "output_item.done", 1, item=item(n, type="function_call", call_id=f"{n}{LONG}", name="t")
    ),
    "long ids of items": lambda n: response(
        "output_text.delta", 1, item_id=f"{n}{LONG}", delta="x"
    ),
    "long ids of responses": lambda n: {
        "type": "response.created",
        "response": {"id": f"{n}{LONG}"},
    },
    "long ids of events": lambda n: {"type": "session.updated", "event_id": f"{n}{LONG}"},
    "unknown types": lambda n: {"type": f"x.{n}{LONG}"},
    "unknown events": lambda n: {"type": f"x.{n}", "response_id": f"r{n}", "data": LONG},
    "rate limits": lambda n: {"type": "rate_limits.updated", "rate_limits": [LONG] * 5},
    "errors": lambda n: {"type": "error", "error": {"code": f"{n}{LONG}", "message": LONG}},
    "sessions": lambda n: {
        "type": "session.updated",
        "session": {"id": f"s{n}", "model": f"{n}{LONG}", "instructions": LONG},
    },
    "approvals": lambda n: {
        "type": "conversation.item.added",
        "item": item(n, type="mcp_approval_request", name=LONG, arguments=LONG, server_label=LONG),
    },
    "lists of tools": lambda n: {
        "type": "conversation.item.added",
        "item": item(n, type="mcp_list_tools", server_label=f"{n}{LONG}", tools=[LONG] * 5),
    },
    "speech": lambda n: {"type": "input_audio_buffer.speech_started", "item_id": f"u{n}"},
    "replies": lambda n: {"type": "output_audio_buffer.started", "response_id": f"resp_{n}"},
}


WRONG: tuple[Any, ...] = (None, 7, -1, 1.5, True, "", "x", [], {}, [None], {"id": 7}, [[["x"]]])
KEYS = (
    *("item", "response", "session", "error", "part", "item_id", "response_id", "delta", "output"),
    *("content_index", "transcript", "usage", "call_id", "status", "previous_item_id", "event_id"),
)


def size_of(engine: RoomEngine) -> int:
    """Bytes of everything that the engine holds; code apart."""
    seen: set[int] = set()
    waiting: list[Any] = [engine]
    total = 0
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, CODE):
            continue
        seen.add(id(found))
        total += sys.getsizeof(found)
        waiting += gc.get_referents(found)
    return total


def test_events_of_wrong_types_are_a_few_lines_and_a_few_notices() -> None:
    world = World(Scene("wrong types", (wait(300), say("Hello."))))
    world.run(1_500)
    lines, told = len(world.logs), len(world.of("error"))
    kinds = sorted(Reducer().handlers)
    chance = random.Random(1)
    for number in range(6_000):
        event = {key: chance.choice(WRONG) for key in KEYS if chance.random() < 0.6}
        event |= {"type": kinds[number % len(kinds)], "event_id": f"e{number}"}
        world.do(world.engine.server_event(world.engine.active_session, event, world.now_ns))
        if number % 40 == 0:
            world.run(20)
    assert len(world.logs) - lines < 60, Counter(text[:30] for _, text in world.logs)
    assert len(world.of("error")) - told < 20
    world.lose_all()
    world.run(200_000)
    world.ask(checks.LAST)
    assert any(checks.LAST in text for text in world.final_captions().values())


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_leaves_little_behind_and_the_room_talks_again(flood: str) -> None:
    world = World(Scene("flooded", (wait(300), say("Hello.")), settings={"journal": True}))
    world.run(1_500)
    before = size_of(world.engine)
    journal = len(world.journal.records)
    for number in range(COUNT):
        world.do(world.engine.server_event(1, FLOODS[flood](number), world.now_ns))
        world.now_ns += MS_NS
        if number % 100 == 0:
            world.do(world.engine.tick(world.now_ns))
    assert size_of(world.engine) - before < BUDGET_BYTES
    assert len(world.journal.records) - journal < 3_000
    assert len(world.told) < 400 and len(world.logs) < 120
    world.lose_all()
    world.run(200_000)
    world.ask(checks.LAST)
    assert any(checks.LAST in text for text in world.final_captions().values())

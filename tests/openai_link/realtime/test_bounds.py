"""What is kept of an event has a budget; what is within it is not touched."""

from __future__ import annotations

from typing import Any

import pytest

from mixer_core.runtime.units import S_NS
from openai_link.facts import Caption, Exceeded, ItemAdded, ResponseStarted
from openai_link.realtime.bounds import (
    ITEMS_PER_S,
    LONG_IDS,
    LONG_LISTS,
    LONG_TEXTS,
    MANY_ITEMS,
    MANY_RESPONSES,
    MAX_CALL_ID_BYTES,
    MAX_DEPTH,
    MAX_FIELD_CHARS,
    MAX_ID_BYTES,
    MAX_ITEMS_AT_ONCE,
    MAX_LISTED,
    MAX_RESPONSES_AT_ONCE,
    MAX_TEXT_CHARS,
    Bounds,
)
from openai_link.realtime.reducer import Reducer

Json = dict[str, Any]
LONG = "x" * 1_000_000


def deep(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "event",
    [
        {"type": "a", "item": {"id": "i" * MAX_ID_BYTES, "content": [{"text": "x" * 1_000}]}},
        {"type": "a", "call_id": "c" * MAX_CALL_ID_BYTES},
        {"type": "a", "text": "x" * MAX_TEXT_CHARS, "list": [1] * MAX_LISTED},
        {"type": "a", "list": deep(MAX_DEPTH)},
    ],
)
def test_what_is_within_the_bounds_is_the_same(event: Json) -> None:
    bounds = Bounds()
    assert bounds.kept(event) is event and bounds.news() == []


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ({"type": "a", "text": LONG}, LONG_TEXTS),
        ({"type": "a", "item": {"content": [{"transcript": LONG}]}}, LONG_TEXTS),
        ({"type": "a", "list": [LONG]}, LONG_TEXTS),
        ({"type": "a", "list": [1] * 100_000}, LONG_LISTS),
        ({"type": "a", "map": dict.fromkeys(map(str, range(100_000)))}, LONG_LISTS),
        ({"type": "a", LONG: 1}, LONG_LISTS),
        ({"type": "a", "list": deep(60)}, LONG_LISTS),
    ],
)
def test_what_is_longer_is_cut_and_told_once(event: Json, what: str) -> None:
    bounds = Bounds()
    kept = bounds.kept(event)
    assert kept is not None and kept["type"] == "a"
    assert len(repr(kept)) < 2 * MAX_FIELD_CHARS
    assert bounds.news() == [what]
    bounds.kept(event)
    assert bounds.news() == []


@pytest.mark.parametrize(
    "event",
    [
        {"type": "a", "item_id": "i" * (MAX_ID_BYTES + 1)},
        {"type": LONG},
        {"type": "a", "item": {"id": "\u00e4" * MAX_ID_BYTES}},
        {"type": "a", "item": {"call_id": LONG}},
    ],
)
def test_an_event_with_a_long_id_says_nothing(event: Json) -> None:
    bounds = Bounds()
    assert bounds.kept(event) is None and bounds.news() == [LONG_IDS]
    assert bounds.chars < 2 * MAX_FIELD_CHARS


@pytest.mark.parametrize("key", ["event_id", "previous_item_id"])
def test_an_event_without_a_usable_id_of_its_own_or_the_one_before_says_the_rest(key: str) -> None:
    bounds = Bounds()
    told = {"type": "a", "item": {"id": "i"}, "error": {"code": "c", "event_id": "e"}}
    assert bounds.kept({**told, key: LONG}) == told and bounds.news() == [LONG_IDS]
    assert bounds.kept({"type": "error", "error": {"code": "c", "event_id": LONG}}) == {
        "type": "error",
        "error": {"code": "c"},
    }


@pytest.mark.parametrize("key", ["image_url", "audio"])
def test_a_picture_in_an_echo_is_not_missed(key: str) -> None:
    bounds = Bounds()
    kept = bounds.kept({"type": "a", "item": {"content": [{"type": "input_image", key: LONG}]}})
    assert kept is not None and bounds.news() == []


def test_nobody_misses_the_texts_of_what_is_not_read() -> None:
    bounds = Bounds()
    kept = bounds.kept({"type": "x.unknown", "delta": LONG}, is_read=False)
    assert kept is not None and len(kept["delta"]) == MAX_FIELD_CHARS
    assert bounds.news() == []


def added(number: int) -> Json:
    item = {"id": f"item_{number}", "type": "message", "role": "user", "content": []}
    return {"type": "conversation.item.added", "previous_item_id": None, "item": item}


def test_new_items_come_at_the_rate_of_a_conversation() -> None:
    reducer, facts = Reducer(), []
    for number in range(20_000):
        facts += reducer.feed(added(number), number * S_NS // 1_000)
    items = [fact for fact in facts if isinstance(fact, ItemAdded)]
    assert MAX_ITEMS_AT_ONCE <= len(items) <= MAX_ITEMS_AT_ONCE + 21 * ITEMS_PER_S
    assert [fact for fact in facts if isinstance(fact, Exceeded)] == [Exceeded(MANY_ITEMS)]


def test_an_item_that_is_there_goes_on_in_a_flood_of_others() -> None:
    reducer = Reducer()
    reducer.feed(added(-1), 0)
    for number in range(2_000):
        reducer.feed(added(number), 0)
    delta = {
        "type": "conversation.item.input_audio_transcription.delta",
        "item_id": "item_-1",
        "delta": "Hello.",
    }
    assert Caption("user", "item_-1", "Hello.", False) in reducer.feed(delta, 0)


def test_our_own_items_take_no_place() -> None:
    reducer, admitted = Reducer(), 0
    for number in range(2_000):
        event = added(number)
        reducer.sent({"type": "conversation.item.create", "event_id": "e", "item": event["item"]})
        admitted += any(isinstance(fact, ItemAdded) for fact in reducer.feed(event, 0))
    assert admitted == 2_000


def test_new_responses_come_at_a_rate_too() -> None:
    reducer, facts = Reducer(), []
    for number in range(5_000):
        facts += reducer.feed({"type": "response.created", "response": {"id": f"r{number}"}}, 0)
    begun = [fact for fact in facts if isinstance(fact, ResponseStarted)]
    assert len(begun) == MAX_RESPONSES_AT_ONCE
    assert Exceeded(MANY_RESPONSES) in facts


@pytest.mark.parametrize("way", ["deltas", "parts", "one part", "the item"])
def test_a_line_without_end_is_cut_and_says_so(way: str) -> None:
    reducer, facts = Reducer(), []
    place = {"response_id": "r", "item_id": "i"}
    for number in range(200):
        match way:
            case "deltas":
                event = {"type": "response.output_audio_transcript.delta", "delta": "x" * 1_000}
            case "parts":
                event = {
                    "type": "response.output_audio_transcript.done",
                    "content_index": number,
                    "transcript": "x" * 30_000,
                }
            case _:
                event = {"type": "response.output_audio_transcript.done", "transcript": LONG}
        facts += reducer.feed({**event, **place}, number)
    content = [{"type": "output_audio", "transcript": LONG}] * (3 if way == "the item" else 0)
    done = {"id": "i", "type": "message", "role": "assistant", "content": content}
    facts += reducer.feed({"type": "response.output_item.done", "item": done, **place}, S_NS)
    (last,) = [fact for fact in facts if isinstance(fact, Caption) and fact.final]
    assert last.is_cut and len(last.text) <= 4_000


def test_a_line_of_ordinary_length_is_whole() -> None:
    reducer = Reducer()
    place = {"response_id": "r", "item_id": "i"}
    delta = {"type": "response.output_audio_transcript.delta", "delta": "Hello.", **place}
    reducer.feed(delta, 0)
    done = {"id": "i", "type": "message", "role": "assistant", "content": []}
    facts = reducer.feed({"type": "response.output_item.done", "item": done, **place}, S_NS)
    assert Caption("assistant", "i", "Hello.", True) in facts


def test_an_entry_of_a_list_with_a_long_id_is_left_out_alone() -> None:
    bounds = Bounds()
    done = {"type": "response.done", "response": {"id": "r", "output": [{"id": LONG}, {"id": "i"}]}}
    assert bounds.kept(done) == {
        "type": "response.done",
        "response": {"id": "r", "output": [{"id": "i"}]},
    }
    assert bounds.news() == [LONG_IDS]


def test_what_a_response_costs_is_known_whatever_its_id() -> None:
    bounds = Bounds()
    usage = {"total_tokens": 3}
    done = {"type": "response.done", "response": {"id": LONG, "usage": usage}}
    assert bounds.kept(done) == {"type": "response.done", "response": {"usage": usage}}
    assert bounds.news() == [LONG_IDS]

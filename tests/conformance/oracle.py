"""The oracle: OpenAI's typed events, no unknown keys, formats of ids, order, sums."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter

Json = dict[str, Any]

SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
_UNTYPED = {"obfuscation", "phase", "reasoning_tokens"}
"""Seen in recordings of the service, unknown to the types."""
_UNTYPED_SESSION = {".session.id", ".session.object", ".session.expires_at"}
_IDS = {
    "event_id": re.compile(r"event_([0-9A-Za-z]{21}|[0-9a-f]{16})"),
    "response_id": re.compile(r"resp_[0-9A-Za-z]{21}"),
    "call_id": re.compile(r"call_[0-9A-Za-z]{16}"),
    "conversation_id": re.compile(r"conv_[0-9A-Za-z]{21}"),
}


def _extras(model: Any, path: str = "") -> Iterator[str]:
    """Paths of all keys that are unknown to the types."""
    if isinstance(model, BaseModel):
        yield from (f"{path}.{key}" for key in model.model_extra or {})
        for key in type(model).model_fields:
            yield from _extras(getattr(model, key), f"{path}.{key}")
    elif isinstance(model, list):
        for entry in model:
            yield from _extras(entry, f"{path}[]")


def check(event: Json, adapter: TypeAdapter[Any] = SERVER) -> Any:
    """Assert that the types accept an event and know all of its keys; returns the typed event."""
    model = adapter.validate_python(event)
    assert model.type == event["type"]
    unknown = [
        path
        for path in _extras(model)
        if path.rsplit(".", 1)[1] not in _UNTYPED and path not in _UNTYPED_SESSION
    ]
    assert not unknown, (event["type"], unknown)
    return model


def check_all(events: Iterable[Json]) -> None:
    """Check server events one by one, and their ids among each other."""
    seen: set[str] = set()
    for event in events:
        check(event)
        assert event["event_id"] not in seen, event
        seen.add(event["event_id"])
        for key, pattern in _IDS.items():
            if event.get(key) is not None:
                assert pattern.fullmatch(event[key]), (key, event)


def kinds(events: Iterable[Json]) -> list[str]:
    """Types in order; a run of deltas of one type counts once."""
    result: list[str] = []
    for event in events:
        if not (event["type"].endswith(".delta") and result and result[-1] == event["type"]):
            result.append(event["type"])
    return result


def check_order(events: list[Json]) -> None:
    """Assert the order that holds within every response, item and part."""
    for response_id, own in by_response(events).items():
        names = [event["type"] for event in own]
        assert names[0] == "response.created", (response_id, names)
        assert names[-1] == "response.done", (response_id, names)
        count = Counter(names)
        assert count["response.created"] == count["response.done"] == 1
        assert count["response.output_item.added"] == count["response.output_item.done"]
        assert count["response.content_part.added"] == count["response.content_part.done"]
        _check_items(own)
    added, done = Counter[str](), Counter[str]()
    for position, event in enumerate(events):
        if event["type"] == "conversation.item.added":
            added[event["item"]["id"]] += 1
        elif event["type"] == "conversation.item.done":
            done[event["item"]["id"]] += 1
            assert added[event["item"]["id"]], event
        elif event["type"] == "rate_limits.updated":
            assert any(e["type"] == "response.done" for e in events[:position])
    assert added == done
    assert set(added.values()) <= {1}


def by_response(events: Iterable[Json]) -> dict[str, list[Json]]:
    """``response.*`` events per response."""
    result: dict[str, list[Json]] = defaultdict(list)
    for event in events:
        if event["type"].startswith("response."):
            response_id = event.get("response_id") or event.get("response", {}).get("id")
            result[response_id].append(event)
    return dict(result)


_OPENED_BY = {
    "response.content_part.added": "response.output_item.added",
    "response.output_text.delta": "response.content_part.added",
    "response.output_audio_transcript.delta": "response.content_part.added",
    "response.output_audio.delta": "response.content_part.added",
    "response.function_call_arguments.delta": "response.output_item.added",
    "response.output_text.done": "response.content_part.added",
    "response.output_audio.done": "response.content_part.added",
    "response.output_audio_transcript.done": "response.content_part.added",
    "response.content_part.done": "response.content_part.added",
    "response.function_call_arguments.done": "response.output_item.added",
    "response.output_item.done": "response.output_item.added",
}
"""Events that must come before, for the same output."""


def _check_items(own: list[Json]) -> None:
    seen: dict[int, set[str]] = defaultdict(set)
    for event in own:
        index = event.get("output_index")
        if index is None:
            continue
        needed = _OPENED_BY.get(event["type"])
        assert needed is None or needed in seen[index], event
        assert "response.output_item.done" not in seen[index], event
        seen[index].add(event["type"])


def check_concatenation(events: list[Json]) -> None:
    """Assert that deltas, ``done`` events, parts and items have the same words."""
    for own in by_response(events).values():
        final = {item["id"]: item for item in own[-1]["response"]["output"]}
        for item in (e["item"] for e in own if e["type"] == "response.output_item.done"):
            assert final[item["id"]] == item
            said = _joined(own, item["id"])
            for event in own:
                if event.get("item_id") == item["id"]:
                    _check_done(event, said)
            for part in item.get("content", []):
                assert (part.get("transcript") or part.get("text") or "") == said, item
            if item["type"] == "function_call":
                assert item["arguments"] == said


def _joined(own: list[Json], item_id: str) -> str:
    """All words of an item; sound is left out."""
    return "".join(
        event["delta"]
        for event in own
        if event["type"].endswith(".delta")
        and event["type"] != "response.output_audio.delta"
        and event["item_id"] == item_id
    )


def _check_done(event: Json, said: str) -> None:
    kind = event["type"]
    if kind == "response.content_part.done":
        part = event["part"]
        assert (part.get("transcript") or part.get("text") or "") == said
    for suffix, key in (("text", "text"), ("transcript", "transcript"), ("arguments", "arguments")):
        if kind.startswith("response.") and kind.endswith(f"{suffix}.done"):
            assert event[key] == said, event

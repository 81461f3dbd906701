"""Invariants of the events of any session: order, links, sums."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_TEXT_KEYS = {
    "response.output_text": "text",
    "response.output_audio_transcript": "transcript",
    "response.function_call_arguments": "arguments",
    "response.mcp_call_arguments": "arguments",
}


@dataclass(slots=True)
class _Response:
    id: str
    is_main: bool
    """Whether it belongs to the conversation."""
    open_items: dict[int, str] = field(default_factory=dict)
    items: dict[int, Json] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=lambda: defaultdict(str))
    is_done: bool = False


class Automaton:
    """Checks events one by one; ``end`` checks that nothing is left open."""

    def __init__(self, transport: str = "webrtc") -> None:
        self.transport = transport
        self.responses: dict[str, _Response] = {}
        self.playing: set[str] = set()
        self.played: set[str] = set()
        self.event_ids: set[str] = set()
        self.added: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self._rate_limits_allowed = False

    def take(self, event: Json) -> None:
        """Check one event."""
        kind = event["type"]
        assert event["event_id"] not in self.event_ids
        self.event_ids.add(event["event_id"])
        if kind == "response.created":
            self._created(event["response"])
        elif kind == "response.done":
            self._done(event["response"])
        elif kind.startswith("output_audio_buffer."):
            self._buffer(kind.rpartition(".")[2], event["response_id"])
        elif kind == "rate_limits.updated":
            assert self._rate_limits_allowed
        elif kind.startswith("conversation.item."):
            self._item(kind, event)
        elif "response_id" in event:
            self._part(kind, event)
        self._rate_limits_allowed = kind == "response.done"

    @property
    def is_idle(self) -> bool:
        """Whether nothing is generated or played."""
        return not self.playing and all(r.is_done for r in self.responses.values())

    def end(self) -> None:
        """Check that nothing is left open."""
        assert all(response.is_done for response in self.responses.values())
        assert not self.playing
        assert self.added == self.done

    def _created(self, response: Json) -> None:
        assert response["status"] == "in_progress"
        assert response["usage"] is None and response["output"] == []
        assert response["id"] not in self.responses
        is_main = response["conversation_id"] is not None
        assert not is_main or all(r.is_done for r in self.responses.values() if r.is_main)
        self.responses[response["id"]] = _Response(response["id"], is_main)

    def _done(self, response: Json) -> None:
        known = self.responses[response["id"]]
        assert not known.is_done and not known.open_items
        known.is_done = True
        assert response["output"] == [known.items[index] for index in sorted(known.items)]
        details = response["status_details"]
        assert (details is None) == (response["status"] == "completed")
        assert details is None or details["type"] == response["status"]
        if response["usage"] is not None:
            check_usage(response["usage"])

    def _buffer(self, kind: str, response_id: str) -> None:
        assert self.transport == "webrtc"
        if kind == "started":
            assert response_id not in self.played, "each response is played once"
            self.playing.add(response_id)
            self.played.add(response_id)
        else:
            self.playing.remove(response_id)

    def _item(self, kind: str, event: Json) -> None:
        if kind.endswith(".added"):
            self.added[event["item"]["id"]] += 1
        elif kind.endswith("item.done"):
            self.done[event["item"]["id"]] += 1
            assert self.added[event["item"]["id"]] == self.done[event["item"]["id"]] == 1

    def _part(self, kind: str, event: Json) -> None:
        response = self.responses[event["response_id"]]
        assert not response.is_done
        index = event["output_index"]
        if kind == "response.output_item.added":
            assert index == len(response.items) + len(response.open_items)
            response.open_items[index] = event["item"]["id"]
        elif kind == "response.output_item.done":
            assert response.open_items.pop(index) == event["item"]["id"]
            response.items[index] = event["item"]
            self._sums(response, event["item"])
        else:
            assert response.open_items[index] == event["item_id"]
            assert kind != "response.output_audio.delta" or self.transport == "websocket"
            self._text(response, kind, event)

    def _text(self, response: _Response, kind: str, event: Json) -> None:
        stem, _, stage = kind.rpartition(".")
        if stem not in _TEXT_KEYS:
            return
        if stage == "delta":
            assert event["obfuscation"]
            response.texts[event["item_id"]] += event["delta"]
        else:
            assert response.texts[event["item_id"]] == event[_TEXT_KEYS[stem]]

    def _sums(self, response: _Response, item: Json) -> None:
        told = response.texts[item["id"]]
        if item["type"] == "message":
            part = item["content"][0]
            assert part.get("transcript", part.get("text")) == told
        elif item["type"] in ("function_call", "mcp_call"):
            assert item["arguments"] == told
            if item.get("status") == "completed":
                json.loads(told)


def check_usage(usage: Json) -> None:
    """Assert that the parts add up, and that no more is cached than was sent."""
    given = usage["input_token_details"]
    cached = given["cached_tokens_details"]
    kinds = ("text_tokens", "audio_tokens", "image_tokens")
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_tokens"] == sum(given[kind] for kind in kinds)
    assert usage["output_tokens"] == sum(usage["output_token_details"][kind] for kind in kinds[:2])
    assert given["cached_tokens"] == sum(cached[kind] for kind in kinds)
    assert all(cached[kind] <= given[kind] and cached[kind] % 64 == 0 for kind in kinds)

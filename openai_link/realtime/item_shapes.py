"""Items of which not everything is known, in the shape that servers give them. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .event_fields import text_of

_OUTLINE = ("id", "type", "role", "status", "name", "call_id", "server_label", "arguments")


def outline(item: Mapping[str, Any]) -> dict[str, str]:
    """What an item is that is only being made."""
    return {key: item[key] for key in _OUTLINE if isinstance(item.get(key), str)}


def is_made(item: Mapping[str, Any]) -> bool:
    """Whether an item is complete; where it has no status, one that no response makes is."""
    status = text_of(item, "status")
    is_reply = text_of(item, "role") == "assistant" or text_of(item, "type") == "function_call"
    return status == "completed" or not (status or is_reply)


def begun(item: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """An item of which nothing is known but that it grows."""
    if text_of(event, "type").startswith("response.function_call_arguments."):
        call = {key: text_of(event, key) for key in ("call_id", "name")}
        return {"id": item, "type": "function_call", "status": "in_progress", **call}
    status = {"role": "assistant", "status": "in_progress"}
    return {"id": item, "type": "message", **status, "content": []}


def message(item: str, words: str, complete: bool) -> dict[str, Any]:
    """A message of the assistant of which only the words are known."""
    return {
        "id": item,
        "type": "message",
        "role": "assistant",
        "status": "completed" if complete else "incomplete",
        "content": [{"type": "output_audio", "transcript": words}],
    }

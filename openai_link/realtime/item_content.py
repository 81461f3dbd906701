"""What the items of the Realtime API hold: their words, a tool's call. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixer_core.journal.records import HistoryItem, ItemKind, Role

_TOOLS = ("function_call", "mcp_call")
PICTURE = "[picture]"
"""Stands for a picture in the words of a message."""
_ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}


def role_of(content: Mapping[str, Any]) -> tuple[ItemKind, Role] | None:
    """Kind and role of an item; None: it has no place of its own in the record.

    The call of a tool, ours or the server's, is the assistant's. The result belongs to its call.
    """
    if content.get("type") in _TOOLS:
        return "tool", "assistant"
    role = _ROLES.get(_text(content, "role"))
    return None if role is None else ("message", role)


def words_of(content: Mapping[str, Any]) -> str | None:
    """The written words and transcripts of a message; None: only sound without a transcript.

    A picture counts as a word (``PICTURE``), before the others.
    """
    parts = content.get("content")
    if not isinstance(parts, list) or not parts:
        return "" if content.get("role") != "user" else None
    words = [_words(part) for part in parts if isinstance(part, Mapping)]
    if has_picture(content):
        words.insert(0, PICTURE)
    found = [text for text in words if text is not None]
    return " ".join(text for text in found if text) if found else None


def has_picture(content: Mapping[str, Any]) -> bool:
    """Whether a message shows a picture."""
    parts = content.get("content")
    listed = parts if isinstance(parts, list) else []
    return any(isinstance(p, Mapping) and p.get("type") == "input_image" for p in listed)


def tool_fields(item: HistoryItem, content: Mapping[str, Any], done: bool) -> dict[str, Any]:
    """The fields of a tool's item that its content tells; what is known already stays.

    A call that the model broke off (``incomplete``) is never run: it counts as failed.
    """
    given: dict[str, Any] = {
        "call": item.call or _text(content, "call_id") or item.item,
        "tool": item.tool or _text(content, "name"),
        "arguments": item.arguments or _text(content, "arguments"),
    }
    if item.ok is None and done and content.get("status") == "incomplete":
        given |= {"ok": False, "output": "", "failure": "the call was broken off", "final": True}
    if content.get("type") == "mcp_call" and done and item.ok is None:
        error = content.get("error")
        output = _text(content, "output") or (str(error) if error else "")
        given |= {"ok": not error, "output": output, "final": True}
    return given


def _words(part: Mapping[str, Any]) -> str | None:
    for key in ("text", "transcript"):
        if isinstance(part.get(key), str):
            return str(part[key])
    return None


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    return value if isinstance(value, str) else ""

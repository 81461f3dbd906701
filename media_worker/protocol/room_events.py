"""Events of the room, as its browsers are told of them. Sans-I/O."""

from __future__ import annotations

from typing import Any

from .gateway_messages import to_json

FORWARDED = frozenset(
    {
        "state",
        "participants",
        "level",
        "caption",
        "places",
        "tool",
        "forgotten",
        "usage",
        "error",
        "rules",
    }
)
"""Types that are passed on."""


def for_browser(content: dict[str, Any], participant: str) -> str | None:
    """The JSON text of an event for ``participant``; None: it is not for browsers."""
    if content["type"] not in FORWARDED:
        return None
    entries = content.get("participants")
    if content["type"] == "participants" and isinstance(entries, list):
        for entry in entries:
            if isinstance(entry, dict):
                entry["you"] = entry.get("participant") == participant
    return to_json(content)

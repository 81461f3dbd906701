"""Reading server events whose shape nobody promises, and telling the first time from the second."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from mixer_core.runtime.errors import UnreadableError
from mixer_core.runtime.foreign_data import read_json

MAX_WHOLE = 2**53 - 1
"""Largest whole number that every reader of JSON takes."""
REMEMBERED = 4_096
"""Ids that one memory holds: more than a session of an hour has items."""


def event_of(message: str | bytes) -> dict[str, Any] | None:
    """The event that a message of the server is; None: it is not a JSON object."""
    try:
        event = read_json(message)
    except UnreadableError:
        return None
    return event if isinstance(event, dict) else None


def text_of(event: Mapping[str, Any], key: str) -> str:
    """The string under ``key``, or an empty one."""
    value = event.get(key)
    return value if isinstance(value, str) else ""


def whole_of(event: Mapping[str, Any], key: str) -> int:
    """The whole number under ``key``, or 0; also for one that no server can mean."""
    value = event.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if abs(value) <= MAX_WHOLE else 0


def map_of(event: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object under ``key``, or an empty one."""
    value = event.get(key)
    return value if isinstance(value, Mapping) else {}


def maps_of(event: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The objects in the list under ``key``, or none."""
    value = event.get(key)
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list) else []


def forget_oldest(book: dict[Any, Any], limit: int) -> None:
    """Of more than ``limit`` entries the oldest goes."""
    if len(book) > limit:
        del book[next(iter(book))]


class Once:
    """Which keys were seen, of the last few thousand."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._seen: dict[Hashable, None] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._seen

    def first(self, key: Hashable) -> bool:
        """Whether ``key`` is new; it is known afterwards. Something empty is never new."""
        if not key or key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > self._limit:
            del self._seen[next(iter(self._seen))]
        return True

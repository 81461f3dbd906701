"""How much of a server's events is kept: whatever a server can make grow has a budget. Sans-I/O.

Everything that the reducer and the record keep comes through here, so that a book of so many
entries is a book of so many bytes. Longer texts and lists are cut; an event with a longer id says
nothing of anything that there is, an entry of a list with one is left out, and a response with one
has none: what it cost is still told. An event without a usable id of its own, or of the item before
it, says all the rest. New items and responses come at a rate at which a conversation can have them;
those beyond it are not there. What is cut or left out is told once.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from mixer_core.runtime.token_bucket import TokenBucket

from .event_fields import Once, map_of, text_of

MAX_TEXT_CHARS = 65_536
"""Longest text of one item: an hour of speech."""
MAX_FIELD_CHARS = MAX_TEXT_CHARS + 1
"""Longest text of a field; so much of a text that is too long that this can be seen."""
MAX_ID_BYTES = 512
"""Longest id of an item, a response or an event."""
MAX_CALL_ID_BYTES = 8_192
"""Longest id of a tool call: some servers keep there what the model thought."""
MAX_LISTED = 1_000
"""Entries of one list or map."""
MAX_DEPTH = 32
"""Levels; below, nothing is kept."""
ITEMS_PER_S, MAX_ITEMS_AT_ONCE = 10, 600
"""New items of the server; at once, such as a history that it tells with ids of its own."""
RESPONSES_PER_S, MAX_RESPONSES_AT_ONCE = 5, 100
"""New responses."""

LONG_IDS, LONG_TEXTS, LONG_LISTS = "ids too long", "texts too long", "lists too long"
MANY_ITEMS, MANY_RESPONSES = "too many messages", "too many answers"
_ENCODED = frozenset({"image_url", "audio"})
"""Pictures and sound in the echoes of items: nobody reads them there."""
_IDS = frozenset({"id", "event_id", "item_id", "previous_item_id", "response_id", "type", "role"})
_NESTED = (dict, list, Mapping)
_HINTS = frozenset({"event_id", "previous_item_id"})
"""Ids that say nothing of what the event is about."""


class Bounds:
    """Of one session."""

    def __init__(self) -> None:
        self.chars = 0
        """Size of the newest event, in characters."""
        self._exceeded: dict[str, bool] = {}
        """What was cut or left out, and whether that was told."""
        self._known = Once()
        self._items = TokenBucket(ITEMS_PER_S, MAX_ITEMS_AT_ONCE)
        self._responses = TokenBucket(RESPONSES_PER_S, MAX_RESPONSES_AT_ONCE)

    def news(self) -> list[str]:
        """What is cut or left out, and has not been returned before."""
        news = [what for what, is_told in self._exceeded.items() if not is_told]
        self._exceeded.update(dict.fromkeys(news, True))
        return news

    def exceeds(self, what: str) -> None:
        """Something was cut or left out."""
        self._exceeded.setdefault(what, False)

    def kept(self, event: Mapping[str, Any], is_read: bool = True) -> Mapping[str, Any] | None:
        """What is kept of an event; None: nothing. One within all bounds is returned as it is.

        ``is_read``: its texts mean something; else nobody misses what is cut.
        """
        self.chars = 0
        response = map_of(event, "response")
        if is_longer(text_of(response, "id"), MAX_ID_BYTES):
            self.exceeds(LONG_IDS)
            event = {**event, "response": {k: v for k, v in response.items() if k != "id"}}
        try:
            return self._map(event, 0, is_read)
        except _UnusableError:
            self.exceeds(LONG_IDS)
            return None

    def admits(self, event: Mapping[str, Any], now_ns: int) -> bool:
        """Whether there is room for the response and the item that an event is about."""
        response = text_of(event, "response_id") or text_of(map_of(event, "response"), "id")
        item = text_of(event, "item_id") or text_of(map_of(event, "item"), "id")
        if not self._admits(("response", response), self._responses, now_ns):
            self.exceeds(MANY_RESPONSES)
            return False
        if not self._admits(("item", item), self._items, now_ns):
            self.exceeds(MANY_ITEMS)
            return False
        return True

    def ours(self, item: str) -> None:
        """We make this item ourselves."""
        self._known.first(("item", item))

    def _admits(self, key: tuple[str, str], bucket: TokenBucket, now_ns: int) -> bool:
        if not key[1] or key in self._known:
            return True
        return bucket.take(now_ns) and self._known.first(key)

    def _map(self, given: Mapping[str, Any], depth: int, is_read: bool) -> Mapping[str, Any]:
        changed: dict[str, Any] = {}
        given = self._without_long_hints(given)
        is_whole = len(given) <= MAX_LISTED
        for key, value in given.items():
            size = len(key)
            self.chars += size
            is_whole = is_whole and size <= MAX_ID_BYTES
            kept = self._value(key, value, depth, is_read)
            if kept is not value:
                changed[key] = kept
        if is_whole:
            return {**given, **changed} if changed else given
        self.exceeds(LONG_LISTS)
        short = [key for key in given if len(key) <= MAX_ID_BYTES][:MAX_LISTED]
        return {key: changed.get(key, given[key]) for key in short}

    def _without_long_hints(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        hints = [key for key in _HINTS if key in given]
        long = [key for key in hints if is_longer(text_of(given, key), MAX_ID_BYTES)]
        if not long:
            return given
        self.exceeds(LONG_IDS)
        return {key: value for key, value in given.items() if key not in long}

    def _list(self, value: list[Any], depth: int, is_read: bool) -> list[Any]:
        kept: list[Any] = []
        for entry in value[:MAX_LISTED]:
            try:
                kept.append(self._value("", entry, depth, is_read))
            except _UnusableError:
                self.exceeds(LONG_IDS)
        if len(value) > MAX_LISTED:
            self.exceeds(LONG_LISTS)
        is_whole = len(kept) == len(value) and all(map(operator.is_, kept, value))
        return value if is_whole else kept

    def _value(self, key: str, value: Any, depth: int, is_read: bool) -> Any:
        self.chars += 8
        if isinstance(value, str):
            return self._text(key, value, is_read)
        if not isinstance(value, _NESTED):
            return value
        if depth >= MAX_DEPTH:
            self.exceeds(LONG_LISTS)
            return None
        if isinstance(value, list):
            return self._list(value, depth + 1, is_read)
        return self._map(value, depth + 1, is_read)

    def _text(self, key: str, text: str, is_read: bool) -> str:
        self.chars += min(len(text), MAX_FIELD_CHARS)
        if key in _IDS or key == "call_id":
            if is_longer(text, MAX_CALL_ID_BYTES if key == "call_id" else MAX_ID_BYTES):
                raise _UnusableError
            return text
        if len(text) <= MAX_TEXT_CHARS:
            return text
        if is_read and key not in _ENCODED:
            self.exceeds(LONG_TEXTS)
        return text[:MAX_FIELD_CHARS]


class _UnusableError(Exception):
    """An id is too long: what is cut would be another one."""


def is_longer(text: str, limit_bytes: int) -> bool:
    """Whether ``text`` has more bytes than that."""
    if len(text) > limit_bytes:
        return True
    return not text.isascii() and len(text.encode("utf-8", "surrogatepass")) > limit_bytes

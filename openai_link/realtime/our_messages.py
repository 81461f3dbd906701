"""Messages of ours that the server neither acknowledges nor refuses. Sans-I/O.

Such a message counts as taken when the answer begins that was asked for after it, or after
``TAKEN_NS``, if the server has said anything since.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .event_fields import forget_oldest, map_of, text_of

TAKEN_NS = 3_000_000_000
"""A message that is not refused by then was taken."""
MAX_UNTAKEN = 32
"""Messages, and requests for an answer, that are remembered; of more the oldest is forgotten."""

Item = Mapping[str, Any]


class OurMessages:
    """Those of one session that are not known to be taken."""

    def __init__(self) -> None:
        self._untaken: dict[str, tuple[Item, int]] = {}
        """Messages of ours that are not acknowledged, and when they were sent."""
        self._asked: dict[str, tuple[str, ...]] = {}
        """Messages of ours that were not acknowledged when an answer was asked for, by request."""

    def sent(self, event: Mapping[str, Any], now_ns: int) -> None:
        """A client event of ours, which may be a message or ask for an answer."""
        kind, item = text_of(event, "type"), map_of(event, "item")
        identity = text_of(item, "id")
        if kind == "response.create":
            self._asked[text_of(event, "event_id")] = tuple(self._untaken)
            forget_oldest(self._asked, MAX_UNTAKEN)
        is_message = text_of(item, "type") == "message" and text_of(item, "role") == "user"
        if kind == "conversation.item.create" and identity and is_message:
            self._untaken[identity] = item, now_ns
            forget_oldest(self._untaken, MAX_UNTAKEN)

    def settled(self, item: str) -> None:
        """The server has taken or refused an item."""
        self._untaken.pop(item, None)

    def answered(self, request: str) -> list[Item]:
        """The answer to this request of ours begins: what was sent before it is taken."""
        asked = self._asked.pop(request, ())
        return [self._untaken[item][0] for item in asked if item in self._untaken]

    def overdue(self, now_ns: int, heard_ns: int) -> list[Item]:
        """What was not refused in time; ``heard_ns``: when anything last came from the server."""
        return [
            content
            for content, sent_ns in self._untaken.values()
            if now_ns >= sent_ns + TAKEN_NS and heard_ns > sent_ns
        ]

    def next_timeout_ns(self, heard_ns: int) -> int | None:
        """When anything is overdue; None where nothing waits."""
        if not self._untaken:
            return None
        sent = (sent_ns for _, sent_ns in self._untaken.values() if heard_ns > sent_ns)
        return min((sent_ns + TAKEN_NS for sent_ns in sent), default=None)

"""Makes server events: ids, errors, and events that several modules send. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .ids import IdMint
from .items import Item
from .refusals import Refusal

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SendEvent:
    """Send a server event."""

    event: Json


@dataclass(frozen=True, slots=True)
class EndCall:
    """End the session: close the channel and the connection."""

    reason: str


Action = SendEvent | EndCall


class EventMaker:
    """Makes events with their ids."""

    def __init__(self, mint: IdMint) -> None:
        self.mint = mint

    def make(self, kind: str, **fields: Any) -> Action:
        """Return one event."""
        return SendEvent({"type": kind, "event_id": self.mint.make("event"), **fields})

    def stamped(self, events: list[Json]) -> list[Action]:
        """Give events their ids."""
        return [self.make(event.pop("type"), **event) for event in events]

    def item_created(self, item: Item, previous_id: str | None) -> list[Action]:
        """Return the two events that announce a complete item."""
        fields = {"previous_item_id": previous_id, "item": item.as_event()}
        return [
            self.make("conversation.item.added", **fields),
            self.make("conversation.item.done", **fields),
        ]

    def output_buffer(self, kind: str, response_id: str) -> Action:
        """Return ``output_audio_buffer.<kind>``, whose ids have another format."""
        event_id = self.mint.buffer_event_id()
        fields = {"event_id": event_id, "response_id": response_id}
        return SendEvent({"type": f"output_audio_buffer.{kind}", **fields})

    def truncated(self, item_id: Any, end_ms: Any) -> Action:
        """Return ``conversation.item.truncated``."""
        fields = {"item_id": item_id, "content_index": 0, "audio_end_ms": end_ms}
        return self.make("conversation.item.truncated", **fields)

    def error(self, refusal: Refusal, event_id: Any) -> Action:
        """Return ``error``. ``event_id``: that of the client's event, or None."""
        return self.make("error", error={**refusal.body(), "event_id": event_id})

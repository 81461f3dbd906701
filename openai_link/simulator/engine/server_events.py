"""Makes server events: ids, the error envelope, shapes that several places need. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .ids import IdMint
from .items import Item
from .refusals import Refusal

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SendEvent:
    """Send this server event."""

    event: Json


@dataclass(frozen=True, slots=True)
class EndCall:
    """Close the channel and the connection."""

    reason: str


Action = SendEvent | EndCall


class EventMaker:
    """Gives every event its id."""

    def __init__(self, mint: IdMint) -> None:
        self.mint = mint

    def make(self, kind: str, **fields: Any) -> Action:
        """Return one event."""
        return SendEvent({"type": kind, "event_id": self.mint.make("event"), **fields})

    def stamped(self, events: list[Json]) -> list[Action]:
        """Return events that lack nothing but their ids."""
        return [self.make(event.pop("type"), **event) for event in events]

    def item_created(self, item: Item, previous_id: str | None) -> list[Action]:
        """Return the pair that announces a complete item."""
        fields = {"previous_item_id": previous_id, "item": item.as_event()}
        return [
            self.make("conversation.item.added", **fields),
            self.make("conversation.item.done", **fields),
        ]

    def output_buffer(self, kind: str, response_id: str) -> Action:
        """Return ``output_audio_buffer.<kind>``, whose ids are of another make."""
        event_id = self.mint.buffer_event_id()
        fields = {"event_id": event_id, "response_id": response_id}
        return SendEvent({"type": f"output_audio_buffer.{kind}", **fields})

    def truncated(self, item_id: Any, end_ms: Any) -> Action:
        """Return ``conversation.item.truncated``."""
        fields = {"item_id": item_id, "content_index": 0, "audio_end_ms": end_ms}
        return self.make("conversation.item.truncated", **fields)

    def error(self, refusal: Refusal, event_id: Any) -> Action:
        """Return ``error``; ``event_id``: of the client's event at fault, or None."""
        return self.make("error", error={**refusal.body(), "event_id": event_id})

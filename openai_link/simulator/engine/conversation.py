"""The conversation: items in order, each with its predecessor. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import refusals
from .input_audio import BYTES_PER_MS
from .items import Item

_KEPT_AUDIO_ITEMS = 8


@dataclass(slots=True)
class Conversation:
    """All items, in order."""

    id: str
    items: list[Item] = field(default_factory=list)

    def insert(self, item: Item, after: object = None) -> str | None:
        """Insert an item after the one with id ``after`` ("root": first; None: at the end).

        Returns the id of its predecessor. Raises Refusal for an unknown ``after`` or a known id.
        """
        if any(known.id == item.id for known in self.items):
            raise refusals.invalid_value("item.id", item.id, "An item with this id exists.")
        position = len(self.items)
        if after == "root":
            position = 0
        elif after is not None:
            position = self._position(after, "create", "adding") + 1
        self.items.insert(position, item)
        for old in [known for known in self.items if known.audio][:-_KEPT_AUDIO_ITEMS]:
            old.forget_audio()
        return self.items[position - 1].id if position else None

    def check_place(self, after: object) -> None:
        """Raise Refusal unless there is an item with the id ``after`` ("root", None: always)."""
        if after not in ("root", None):
            self._position(after, "create", "adding")

    def predecessor(self, item: Item) -> str | None:
        """Return the id of the item before ``item``; None when it is first, or unknown."""
        position = next((i for i, known in enumerate(self.items) if known is item), 0)
        return self.items[position - 1].id if position else None

    def get(self, item_id: object) -> Item | None:
        """Return the item with this id, or None."""
        return next((item for item in self.items if item.id == item_id), None)

    def find(self, item_id: object, action: str, verb: str) -> Item:
        """Return the item with this id. Raises Refusal ``item_<action>_invalid_item_id``."""
        return self.items[self._position(item_id, action, verb)]

    def delete(self, item_id: object) -> None:
        """Remove an item. Raises Refusal for an unknown id."""
        del self.items[self._position(item_id, "delete", "deleting")]

    def truncate(self, item_id: object, audio_end_ms: object, content_index: object = 0) -> None:
        """Keep only the beginning of an assistant's audio, and of its transcript in proportion.

        It may be truncated again, to less. Raises Refusal for an unknown item, one without
        assistant audio, or an end after that of the audio.
        """
        item = self.find(item_id, "truncate", "truncating")
        if not isinstance(audio_end_ms, int) or isinstance(audio_end_ms, bool) or audio_end_ms < 0:
            raise refusals.invalid_value("audio_end_ms", audio_end_ms, "Expected an integer.")
        if content_index != 0:
            raise refusals.invalid_value("content_index", content_index, "There is one part, 0.")
        parts = item.fields.get("content") or [{}]
        is_audio = item.role == "assistant" and parts[0].get("type") == "output_audio"
        if not is_audio or not item.had_audio:
            raise refusals.truncate_without_audio()
        if audio_end_ms > item.audio_ms:
            raise refusals.truncate_too_long(item.audio_ms, audio_end_ms)
        if audio_end_ms == item.audio_ms:
            return
        words = (parts[0].get("transcript") or "").split(" ")
        parts[0]["transcript"] = " ".join(words[: len(words) * audio_end_ms // item.audio_ms])
        item.audio = item.audio[: audio_end_ms * BYTES_PER_MS]
        item.audio_ms = audio_end_ms

    def has_assistant_audio(self) -> bool:
        """Whether the assistant has spoken."""
        return any(item.role == "assistant" and item.audio_ms for item in self.items)

    def last_user_turn(self) -> Item | None:
        """Return the newest message of the user, or None."""
        return next((item for item in reversed(self.items) if item.role == "user"), None)

    def newest_outputs(self) -> list[Item]:
        """Return the tool outputs after the last message, oldest first."""
        outputs = []
        for item in reversed(self.items):
            if item.kind == "message":
                break
            if item.kind == "function_call_output":
                outputs.append(item)
        return outputs[::-1]

    def _position(self, item_id: object, action: str, verb: str) -> int:
        for position, item in enumerate(self.items):
            if item.id == item_id:
                return position
        raise refusals.item_unknown(action, verb, item_id)

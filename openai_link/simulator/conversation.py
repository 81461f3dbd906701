"""The conversation: items in order, each with its predecessor, checked as the API does. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openai_link.simulator import refusals
from openai_link.simulator.ids import IdMint
from openai_link.simulator.input_audio import BYTES_PER_MS

Json = dict[str, Any]

_MAX_ID_LENGTH = 32
_MAX_RETRIEVED_AUDIO_BYTES = 96_000  # 128 kB as base64: one data channel message holds 256 KiB.
_KEPT_AUDIO_ITEMS = 8
_MESSAGE_PARTS = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text", "output_audio"),
}
_FIELDS = {
    "message": ("role", "content"),
    "function_call": ("name", "call_id", "arguments"),
    "function_call_output": ("call_id", "output"),
    "mcp_approval_response": ("approval_request_id", "approve"),
}
_COMMON_FIELDS = ("id", "type", "status", "object")


@dataclass(slots=True)
class Item:
    """One entry of the conversation."""

    id: str
    kind: str
    """The event's ``type``: message, function_call, function_call_output …"""
    fields: Json
    """The remaining keys as events show them."""
    status: str | None = "completed"
    """in_progress, completed or incomplete; None: this kind shows none."""
    audio: bytes = b""
    """PCM16 of a spoken message; empty once ``forget_audio`` was called."""
    audio_ms: int = 0
    """Length of the audio, also after it was forgotten."""

    def as_event(self, with_audio: bool = False) -> Json:
        """Return the item as events carry it; ``with_audio``: base64, where it is not too long."""
        shown: Json = {"id": self.id, "type": self.kind}
        if self.status is not None:
            shown["status"] = self.status
        shown.update(self.fields)
        if "content" in shown:
            shown["content"] = [dict(part) for part in shown["content"]]
            if with_audio and 0 < len(self.audio) <= _MAX_RETRIEVED_AUDIO_BYTES:
                shown["content"][0]["audio"] = base64.b64encode(self.audio).decode("ascii")
        return shown

    @property
    def role(self) -> str | None:
        """system, user or assistant; None for anything but a message."""
        role: str | None = self.fields.get("role")
        return role

    @property
    def text(self) -> str:
        """All written words and transcripts of a message."""
        parts = self.fields.get("content", [])
        return " ".join(part.get("text") or part.get("transcript") or "" for part in parts).strip()

    def add_audio(self, pcm: bytes) -> None:
        """Append PCM16."""
        self.audio += pcm
        self.audio_ms = len(self.audio) // BYTES_PER_MS

    def forget_audio(self) -> None:
        """Free the memory; the item still knows how long it was."""
        self.audio = b""


@dataclass(slots=True)
class Conversation:
    """Items in order."""

    id: str
    items: list[Item] = field(default_factory=list)

    @property
    def last_id(self) -> str | None:
        """Id of the last item."""
        return self.items[-1].id if self.items else None

    def insert(self, item: Item, after: str | None = None) -> str | None:
        """Add an item behind the one with id ``after`` ("root": first; None: at the end).

        Returns the id of its predecessor. Raises Refusal when there is no such item.
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

    def find(self, item_id: object, action: str, verb: str) -> Item:
        """Return an item. Raises Refusal ``item_<action>_invalid_item_id``."""
        return self.items[self._position(item_id, action, verb)]

    def delete(self, item_id: object) -> None:
        """Remove an item. Raises Refusal when there is none."""
        del self.items[self._position(item_id, "delete", "deleting")]

    def truncate(self, item_id: object, audio_end_ms: object) -> None:
        """Keep only the beginning of an assistant's audio, and of its transcript in proportion.

        Raises Refusal for an unknown item, one without audio, or an end behind the audio's.
        """
        item = self.find(item_id, "truncate", "truncating")
        if not isinstance(audio_end_ms, int) or isinstance(audio_end_ms, bool) or audio_end_ms < 0:
            raise refusals.invalid_value("audio_end_ms", audio_end_ms, "Expected an integer.")
        if item.role != "assistant" or not item.audio_ms:
            raise refusals.invalid_value("item_id", item_id, "Only assistant audio has an end.")
        if audio_end_ms > item.audio_ms:
            raise refusals.truncate_too_long(item.audio_ms, audio_end_ms)
        part = item.fields["content"][0]
        words = part["transcript"].split(" ")
        part["transcript"] = " ".join(words[: len(words) * audio_end_ms // item.audio_ms])
        item.audio = item.audio[: audio_end_ms * BYTES_PER_MS]
        item.audio_ms = audio_end_ms

    def has_assistant_audio(self) -> bool:
        """Whether the assistant has spoken."""
        return any(item.role == "assistant" and item.audio_ms for item in self.items)

    def last_user_turn(self) -> Item | None:
        """Return the newest message of the user."""
        return next((item for item in reversed(self.items) if item.role == "user"), None)

    def _position(self, item_id: object, action: str, verb: str) -> int:
        for position, item in enumerate(self.items):
            if item.id == item_id:
                return position
        raise refusals.item_unknown(action, verb, item_id)


def parse_item(given: Any, mint: IdMint, conversation: Conversation) -> Item:
    """Check an item that a client wants to add, and complete it. Raises Refusal."""
    if not isinstance(given, Mapping):
        raise refusals.missing_parameter("item")
    kind = given.get("type")
    if kind is None:
        raise refusals.missing_parameter("item.type")
    if kind not in _FIELDS:
        supported = ", ".join(f"'{name}'" for name in _FIELDS)
        raise refusals.invalid_value("item.type", kind, f"Supported values are: {supported}.")
    for key in given:
        if key not in _COMMON_FIELDS and key not in _FIELDS[kind]:
            raise refusals.unknown_parameter(f"item.{key}")
    for key in _FIELDS[kind]:
        if key not in given and not (kind == "function_call" and key == "call_id"):
            raise refusals.missing_parameter(f"item.{key}")
    fields = {key: given[key] for key in _FIELDS[kind] if key in given}
    item = Item(_item_id(given, mint), kind, fields)
    if kind == "message":
        _check_message(item)
    elif kind == "function_call":
        fields.setdefault("call_id", mint.make("call", 16))
    elif kind == "function_call_output":
        item.status = None
        _check_output(item, conversation)
    return item


def _item_id(given: Mapping[str, Any], mint: IdMint) -> str:
    wanted = given.get("id")
    if not wanted:
        return mint.make("item")
    if not isinstance(wanted, str):
        raise refusals.invalid_value("item.id", wanted, "Expected a string.")
    if len(wanted) > _MAX_ID_LENGTH:
        raise refusals.too_long("item.id", _MAX_ID_LENGTH, len(wanted))
    return wanted


def _check_message(item: Item) -> None:
    role, content = item.fields["role"], item.fields["content"]
    if role not in _MESSAGE_PARTS:
        supported = ", ".join(f"'{name}'" for name in _MESSAGE_PARTS)
        raise refusals.invalid_value("item.role", role, f"Supported values are: {supported}.")
    if not isinstance(content, list) or not content:
        raise refusals.invalid_value("item.content", content, "Expected a non-empty array.")
    parts = []
    for index, part in enumerate(content):
        path = f"item.content[{index}]"
        if not isinstance(part, Mapping) or part.get("type") not in _MESSAGE_PARTS[role]:
            kind = part.get("type") if isinstance(part, Mapping) else part
            supported = ", ".join(f"'{name}'" for name in _MESSAGE_PARTS[role])
            raise refusals.invalid_value(f"{path}.type", kind, f"Supported values: {supported}.")
        parts.append(_checked_part(item, dict(part), path))
    item.fields["content"] = parts


def _checked_part(item: Item, part: Json, path: str) -> Json:
    if part["type"].endswith("_text") and not isinstance(part.get("text"), str):
        raise refusals.missing_parameter(f"{path}.text")
    if part["type"] == "output_audio" and "audio" in part:
        raise refusals.invalid_value(f"{path}.audio", "…", "Assistant audio cannot be given.")
    if part["type"] == "input_audio":
        try:
            item.add_audio(base64.b64decode(part.pop("audio", ""), validate=True))
        except (binascii.Error, TypeError, ValueError) as error:
            raise refusals.invalid_value(f"{path}.audio", "…", "Expected base64.") from error
        part.setdefault("transcript", None)
    return part


def _check_output(item: Item, conversation: Conversation) -> None:
    call_id = item.fields["call_id"]
    calls = (known for known in conversation.items if known.kind == "function_call")
    if not any(call.fields["call_id"] == call_id for call in calls):
        raise refusals.call_id_unknown(call_id)

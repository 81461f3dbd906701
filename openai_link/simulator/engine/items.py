"""Conversation items, and the checks of those that clients create. Sans-I/O."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import refusals
from .ids import IdMint
from .input_audio import BYTES_PER_MS

Json = dict[str, Any]

_MAX_ID_LENGTH = 32
_MAX_RETRIEVED_AUDIO_BYTES = 96_000  # 128 kB as base64: one data channel message holds 256 KiB.
_MESSAGE_PARTS = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text", "output_audio"),
}
_REQUIRED = {
    "message": ("role", "content"),
    "function_call": ("name", "arguments"),
    "function_call_output": ("call_id", "output"),
    "mcp_list_tools": ("server_label", "tools"),
    "mcp_call": ("server_label", "name", "arguments"),
    "mcp_approval_request": ("server_label", "name", "arguments"),
    "mcp_approval_response": ("approval_request_id", "approve"),
}
_OPTIONAL = {
    "message": ("phase",),
    "function_call": ("call_id",),
    "mcp_call": ("output", "error", "approval_request_id"),
    "mcp_approval_response": ("reason",),
}
_WITH_STATUS = ("message", "function_call")
_STRINGS = ("name", "arguments", "call_id", "output", "server_label", "approval_request_id")
_COMMON_FIELDS = ("id", "type", "status", "object")


@dataclass(slots=True)
class Item:
    """One item of the conversation."""

    id: str
    kind: str
    """The event's ``type``: message, function_call, function_call_output …"""
    fields: Json
    """All other keys, as events carry them."""
    status: str | None = "completed"
    """in_progress, completed or incomplete; None: this kind has none."""
    audio: bytes = b""
    """PCM16 of a spoken message; empty after ``forget_audio``."""
    audio_ms: int = 0
    """Length of the audio, even after ``forget_audio``."""
    had_audio: bool = False
    """It has sound, or had before it was truncated."""
    spoken_turn: int = 0
    """Number of the spoken turn in this session, from 1; 0: not a spoken turn."""
    recognized: str | None = None
    """The words of a spoken turn; None where the brain has none."""

    def as_event(self, with_audio: bool = False) -> Json:
        """Return the item as events carry it. ``with_audio``: add it as base64, if it is short."""
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
        """system, user or assistant; None unless it is a message."""
        role: str | None = self.fields.get("role")
        return role

    @property
    def text(self) -> str:
        """All text and transcripts of a message."""
        parts = self.fields.get("content", [])
        return " ".join(part.get("text") or part.get("transcript") or "" for part in parts).strip()

    @property
    def images(self) -> tuple[str, ...]:
        """Data URLs of the pictures of a message."""
        parts = self.fields.get("content", [])
        return tuple(part["image_url"] for part in parts if part.get("type") == "input_image")

    def add_audio(self, pcm: bytes) -> None:
        """Append PCM16."""
        self.had_audio = self.had_audio or bool(pcm)
        self.audio += pcm
        self.audio_ms = len(self.audio) // BYTES_PER_MS

    def forget_audio(self) -> None:
        """Free the memory; ``audio_ms`` stays."""
        self.audio = b""


def parse_item(given: Any, mint: IdMint, known: Iterable[Item], takes_images: bool = True) -> Item:
    """Check the item that a client adds to ``known``, and complete it. Raises Refusal.

    ``takes_images``: the model knows pictures.
    """
    if not isinstance(given, Mapping):
        raise refusals.missing_parameter("item")
    kind = given.get("type")
    if kind is None:
        raise refusals.missing_parameter("item.type")
    if not isinstance(kind, str) or kind not in _REQUIRED:
        supported = ", ".join(f"'{name}'" for name in _REQUIRED)
        raise refusals.invalid_value("item.type", kind, f"Supported values are: {supported}.")
    keys = (*_REQUIRED[kind], *_OPTIONAL.get(kind, ()))
    for key in given:
        if key not in _COMMON_FIELDS and key not in keys:
            raise refusals.unknown_parameter(f"item.{key}")
    for key in _REQUIRED[kind]:
        if key not in given:
            raise refusals.missing_parameter(f"item.{key}")
    for key in _STRINGS:
        if given.get(key) is not None and not isinstance(given[key], str):
            raise refusals.invalid_value(f"item.{key}", given[key], "Expected a string.")
    fields = {key: given[key] for key in keys if key in given}
    item = Item(_item_id(given, mint), kind, fields, "completed" if kind in _WITH_STATUS else None)
    _check_kind(item, mint, known)
    if item.images and not takes_images:
        index = next(i for i, p in enumerate(item.fields["content"]) if p["type"] == "input_image")
        supported = "Supported values are: 'input_text' and 'input_audio'."
        raise refusals.invalid_value(f"item.content[{index}].type", "input_image", supported)
    return item


def _check_kind(item: Item, mint: IdMint, known: Iterable[Item]) -> None:
    if item.kind == "message":
        _check_message(item)
    elif item.kind == "function_call":
        call_id = item.fields.setdefault("call_id", mint.make("call", 16))
        if len(call_id) > _MAX_ID_LENGTH:
            raise refusals.too_long("item.call_id", _MAX_ID_LENGTH, len(call_id))
    elif item.kind == "function_call_output":
        _check_output(item, known)
    elif item.kind == "mcp_approval_response":
        _check_approval(item, known)


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
    if not isinstance(role, str) or role not in _MESSAGE_PARTS:
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
    if not isinstance(part.get("transcript") or "", str):
        raise refusals.invalid_value(f"{path}.transcript", part["transcript"], "Expected a string.")
    if part["type"] == "input_image" and not isinstance(part.get("image_url"), str):
        raise refusals.missing_parameter(f"{path}.image_url")
    if part["type"] == "output_audio" and "audio" in part:
        raise refusals.invalid_value(f"{path}.audio", "…", "Assistant audio cannot be given.")
    if part["type"] == "input_audio":
        try:
            item.add_audio(base64.b64decode(part.pop("audio", ""), validate=True))
        except (binascii.Error, TypeError, ValueError) as error:
            raise refusals.invalid_value(f"{path}.audio", "…", "Expected base64.") from error
        part.setdefault("transcript", None)
        item.recognized = part["transcript"]
    return part


def _check_output(item: Item, known: Iterable[Item]) -> None:
    call_id = item.fields["call_id"]
    calls = (other for other in known if other.kind == "function_call")
    if not any(call.fields["call_id"] == call_id for call in calls):
        raise refusals.call_id_unknown(call_id)


def _check_approval(item: Item, known: Iterable[Item]) -> None:
    request_id = item.fields["approval_request_id"]
    if not isinstance(item.fields["approve"], bool):
        raise refusals.invalid_value("item.approve", item.fields["approve"], "Expected a boolean.")
    requests = (other for other in known if other.kind == "mcp_approval_request")
    if not any(request.id == request_id for request in requests):
        raise refusals.invalid_value(
            "item.approval_request_id", request_id, "There is no such approval request."
        )

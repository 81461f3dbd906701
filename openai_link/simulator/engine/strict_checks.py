"""What the service refuses beyond what the engine needs to know. Sans-I/O.

Unknown fields at any depth, missing ones, names and texts that are too long or of other
characters, images that are none, items before what they answer. ``[simulator] lenient`` turns it
off. Each check looks at what it understands: everything else the engine itself refuses.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mixer_core.bus.picture_file import read_picture
from mixer_core.runtime.errors import PictureError

from . import refusals
from .items import Item
from .session_checks import ANY, check_keys
from .strict_tools import check_function_tools

Json = dict[str, Any]

MAX_TEXT = 10 << 20
"""Longest text of any field, in characters."""
MAX_APPEND = 20 << 20
"""Longest sound of one event as base64: 15 MiB."""
MAX_NAME = 64
MAX_ID = 32

_EVENT_KEYS: Mapping[str, tuple[str, ...]] = {
    "session.update": ("session",),
    "input_audio_buffer.append": ("audio",),
    "input_audio_buffer.commit": (),
    "input_audio_buffer.clear": (),
    "output_audio_buffer.clear": (),
    "conversation.item.create": ("item", "previous_item_id"),
    "conversation.item.retrieve": ("item_id",),
    "conversation.item.delete": ("item_id",),
    "conversation.item.truncate": ("item_id", "content_index", "audio_end_ms"),
    "response.create": ("response",),
    "response.cancel": ("response_id",),
}
_OPTIONAL = frozenset({"previous_item_id", "content_index", "response", "response_id"})
_PART_KEYS = frozenset({"type", "text", "audio", "transcript", "image_url", "detail"})
_RESPONSE_KEYS: Json = {
    "audio": {"output": {"format": dict.fromkeys(("type", "rate"), ANY), "voice": ANY}},
    "reasoning": {"effort": ANY},
}
_DETECTION_KEYS: Mapping[str, tuple[str, ...]] = {
    "server_vad": ("threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"),
    "semantic_vad": ("eagerness",),
}
_DETECTION_COMMON = ("type", "create_response", "interrupt_response")
_STATUSES = ("completed", "incomplete", "in_progress")
_PHASES = ("commentary", "final_answer")
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_IMAGE = re.compile(r"data:image/(png|jpe?g);base64,[A-Za-z0-9+/]+={0,2}")


def check_event(event: Mapping[str, Any]) -> None:
    """Check one client event of a known type. Raises Refusal."""
    keys = _EVENT_KEYS[event["type"]]
    for key in event:
        if key not in ("type", "event_id", *keys):
            raise refusals.unknown_parameter(key)
    for key in keys:
        if key not in _OPTIONAL and event.get(key) is None:
            raise refusals.missing_parameter(key)
    _check_length(event.get("audio"), "audio", MAX_APPEND)
    _check_length(event.get("previous_item_id"), "previous_item_id", MAX_ID)
    for key, check in (("item", _check_item), ("response", _check_response)):
        if isinstance(event.get(key), Mapping):
            check(event[key])
    if isinstance(event.get("session"), Mapping):
        check_session(event["session"])


def check_session(session: Mapping[str, Any]) -> None:
    """Check a session object, whole or partial. Raises Refusal."""
    check_function_tools(session.get("tools"), "session.tools")
    _check_length(session.get("instructions"), "session.instructions", MAX_TEXT)
    heard = _at(session, "audio", "input")
    detection = _at(heard, "turn_detection")
    allowed = _DETECTION_KEYS.get(str(detection.get("type")))
    if allowed is not None:
        _check_known(
            detection, (*_DETECTION_COMMON, *allowed), "session.audio.input.turn_detection"
        )
    words = _at(heard, "transcription")
    path = "session.audio.input.transcription"
    languages = words.get("languages")
    for language in [words.get("language"), *(languages if isinstance(languages, list) else [])]:
        if isinstance(language, str) and not _LANGUAGE.fullmatch(language):
            raise refusals.invalid_value(f"{path}.language", language, "Expected an ISO 639 code.")
    limits = _at(session, "truncation", "token_limits")
    _check_known(limits, ("post_instructions",), "session.truncation.token_limits")
    tokens = limits.get("post_instructions", 1)
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 0:
        raise refusals.invalid_value(
            "session.truncation.token_limits.post_instructions", tokens, "Expected an integer."
        )


def check_order(item: Item, after: object, items: Sequence[Item]) -> None:
    """An output follows its call; ``after``: where it is wanted, by the event. Raises Refusal."""
    if item.kind != "function_call_output" or after is None:
        return
    known = list(items)
    end = 0 if after == "root" else 1 + next(i for i, old in enumerate(known) if old.id == after)
    calls = (old for old in known[:end] if old.kind == "function_call")
    if not any(call.fields["call_id"] == item.fields["call_id"] for call in calls):
        raise refusals.call_id_unknown(item.fields["call_id"])


def _check_item(item: Mapping[str, Any]) -> None:
    for key in ("name", "server_label"):
        _check_name(item.get(key), f"item.{key}")
    for key in ("arguments", "output"):
        _check_length(item.get(key), f"item.{key}", MAX_TEXT)
    _check_length(item.get("call_id"), "item.call_id", MAX_ID)
    _check_choice(item.get("status"), _STATUSES, "item.status")
    _check_choice(item.get("phase"), _PHASES, "item.phase")
    content = item.get("content")
    for index, part in enumerate(content if isinstance(content, list) else []):
        if isinstance(part, Mapping):
            _check_part(part, f"item.content[{index}]")


def _check_part(part: Mapping[str, Any], path: str) -> None:
    _check_known(part, tuple(_PART_KEYS), path)
    for key in ("text", "transcript"):
        _check_length(part.get(key), f"{path}.{key}", MAX_TEXT)
    if part.get("type") != "input_image":
        return
    image = part.get("image_url")
    if isinstance(image, str) and not _IMAGE.fullmatch(image):
        raise refusals.invalid_value(
            f"{path}.image_url", image[:40], "Expected a data URI with a PNG or JPEG image."
        )
    if isinstance(image, str):
        _check_image(image, f"{path}.image_url")
    _check_choice(part.get("detail"), ("auto", "low", "high"), f"{path}.detail")


def _check_image(image: str, path: str) -> None:
    """The file is what the data URI says."""
    head, _, encoded = image.partition(",")
    try:
        file = read_picture(base64.b64decode(encoded))
    except (PictureError, ValueError) as error:
        raise refusals.invalid_value(path, image[:40], "The image cannot be read.") from error
    if file.kind not in head.replace("image/jpg", "image/jpeg"):
        raise refusals.invalid_value(path, image[:40], f"The image is a {file.kind.upper()}.")


def _check_response(response: Mapping[str, Any]) -> None:
    _check_length(response.get("instructions"), "response.instructions", MAX_TEXT)
    check_function_tools(response.get("tools"), "response.tools")
    for key, allowed in _RESPONSE_KEYS.items():
        if isinstance(response.get(key), Mapping):
            check_keys(response[key], allowed, f"response.{key}")
    given = response.get("input")
    for index, entry in enumerate(given if isinstance(given, list) else []):
        if isinstance(entry, Mapping) and entry.get("type") == "item_reference":
            _check_known(entry, ("type", "id"), f"response.input[{index}]")
        elif isinstance(entry, Mapping):
            _check_item(entry)


def _check_known(given: Mapping[str, Any], allowed: tuple[str, ...], path: str) -> None:
    for key in given:
        if key not in allowed:
            raise refusals.unknown_parameter(f"{path}.{key}")


def _check_name(name: Any, path: str) -> None:
    if not isinstance(name, str):
        return
    _check_length(name, path, MAX_NAME)
    if not _NAME.fullmatch(name):
        raise refusals.wrong_pattern(path, f"^{_NAME.pattern}$")


def _check_length(text: Any, path: str, limit: int) -> None:
    if isinstance(text, str) and len(text) > limit:
        raise refusals.too_long(path, limit, len(text))


def _check_choice(value: Any, allowed: tuple[str, ...], path: str) -> None:
    if value is not None and value not in allowed:
        names = ", ".join(f"'{name}'" for name in allowed)
        raise refusals.invalid_value(path, value, f"Supported values are: {names}.")


def _at(value: Any, *keys: str) -> Mapping[str, Any]:
    """The object at a path; an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}

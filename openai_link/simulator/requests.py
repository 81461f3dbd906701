"""What clients send: one JSON object per message; parameters of ``response.create``. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openai_link.simulator import refusals

Json = dict[str, Any]

_RESPONSE_KEYS = (
    "audio",
    "conversation",
    "input",
    "instructions",
    "max_output_tokens",
    "metadata",
    "output_modalities",
    "parallel_tool_calls",
    "prompt",
    "reasoning",
    "tool_choice",
    "tools",
)
_MAX_METADATA = 16


def parse_event(text: str, known: list[str]) -> Json:
    """Return the event in ``text``. Raises Refusal; its ``event_id`` is set where readable."""
    try:
        event = json.loads(text)
    except ValueError as error:
        raise refusals.not_json(str(error)) from error
    if not isinstance(event, dict):
        raise refusals.not_json(f"it is a {type(event).__name__}")
    event_id = event.get("event_id")
    try:
        if "type" not in event:
            raise refusals.missing_type()
        if event["type"] not in known:
            raise refusals.unknown_event(str(event["type"]), known)
    except refusals.Refusal as refusal:
        refusal.event_id = event_id if isinstance(event_id, str) else None
        raise
    return event


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """The parameters of ``response.create``, with the session's values where none were given."""

    modality: str
    in_conversation: bool
    input: list[Json] | None
    """Items that replace the conversation as context; None: the conversation."""
    metadata: Json | None
    max_output_tokens: int | str
    voice: str


def parse_response_request(given: Any, session: Json) -> ResponseRequest:
    """Check ``response`` of a ``response.create``. Raises Refusal."""
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise refusals.invalid_value("response", given, "Expected an object.")
    for key in given:
        if key not in _RESPONSE_KEYS:
            raise refusals.unknown_parameter(f"response.{key}")
    modalities = given.get("output_modalities") or session["output_modalities"]
    if modalities not in (["audio"], ["text"]):
        raise refusals.invalid_value(
            "response.output_modalities",
            modalities,
            "Supported values are: ['audio'] and ['text'].",
        )
    items = given.get("input")
    if items is not None and not isinstance(items, list):
        raise refusals.invalid_value("response.input", items, "Expected an array.")
    metadata = given.get("metadata")
    if metadata is not None and (not isinstance(metadata, dict) or len(metadata) > _MAX_METADATA):
        raise refusals.invalid_value(
            "response.metadata", metadata, f"Expected an object with up to {_MAX_METADATA} keys."
        )
    voice = ((given.get("audio") or {}).get("output") or {}).get("voice")
    return ResponseRequest(
        modality=modalities[0],
        in_conversation=given.get("conversation") != "none",
        input=items,
        metadata=metadata,
        max_output_tokens=given.get("max_output_tokens") or session["max_output_tokens"],
        voice=voice or session["audio"]["output"]["voice"],
    )

"""Parses client events and the parameters of ``response.create``. Sans-I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import refusals
from .session_checks import (
    ARRAY,
    BOOLEAN,
    EFFORT,
    FORMAT_TYPE,
    MODALITIES,
    STRING,
    TOKENS,
    VOICE,
    Rule,
    check_values,
    or_null,
)
from .tool_checks import check_tool_choice, check_tools

Json = dict[str, Any]

_MAX_EVENT_ID = 512
_KEYS = (
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
_RULES: list[Rule] = [
    (("output_modalities",), *or_null(MODALITIES)),
    (("instructions",), *or_null(STRING)),
    (("max_output_tokens",), *or_null(TOKENS)),
    (("parallel_tool_calls",), *or_null(BOOLEAN)),
    (("reasoning", "effort"), *or_null(EFFORT)),
    (("conversation",), *or_null(STRING)),
    (("audio", "output", "voice"), *or_null(VOICE)),
    (("audio", "output", "format", "type"), *FORMAT_TYPE),
    (("input",), *or_null(ARRAY)),
    (("metadata",), lambda v: v is None or _is_metadata(v), "Expected up to 16 short strings."),
]
_MAX_METADATA, _MAX_KEY, _MAX_VALUE = 16, 64, 512


def parse_event(text: str, known: list[str]) -> Json:
    """Return the event in ``text``. Raises Refusal, with the ``event_id`` if it is readable."""
    try:
        event = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise refusals.not_json(str(error)) from error
    if not isinstance(event, dict):
        raise refusals.not_json(f"it is a {type(event).__name__}")
    event_id = event.get("event_id")
    try:
        if "type" not in event:
            raise refusals.missing_type()
        if event["type"] not in known:
            raise refusals.unknown_event(str(event["type"]), known)
        if event_id is not None and not isinstance(event_id, str):
            raise refusals.invalid_value("event_id", event_id, "Expected a string.")
        if len(event_id or "") > _MAX_EVENT_ID:
            raise refusals.too_long("event_id", _MAX_EVENT_ID, len(event_id or ""))
    except refusals.Refusal as refusal:
        refusal.event_id = event_id if isinstance(event_id, str) else None
        event.pop("event_id", None)
        raise
    return event


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not valid JSON")


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """The parameters of ``response.create``, or the session's values for those not given."""

    modality: str
    in_conversation: bool
    input: list[Json] | None
    """Items used as context in place of the conversation; None: the conversation."""
    instructions: str
    """Instructions for this response alone; empty: those of the session."""
    metadata: Json | None
    max_output_tokens: int | str
    voice: Any
    format: Json
    tools: tuple[Json, ...]
    tool_choice: str | Json
    parallel: bool


def parse_response_request(given: Any, session: Json) -> ResponseRequest:
    """Check ``response`` of a ``response.create``. Raises Refusal."""
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise refusals.invalid_value("response", given, "Expected an object.")
    for key in given:
        if key not in _KEYS:
            raise refusals.unknown_parameter(f"response.{key}")
    check_values(given, _RULES, "response")
    if given.get("tools") is not None:
        check_tools(given["tools"], "response.tools")
    if given.get("tool_choice") is not None:
        check_tool_choice(given["tool_choice"], "response.tool_choice")
    audio = given.get("audio")
    sound = audio.get("output") if isinstance(audio, Mapping) else None
    sound = sound if isinstance(sound, Mapping) else {}
    usual = session["audio"]["output"]
    return ResponseRequest(
        modality=(given.get("output_modalities") or session["output_modalities"])[0],
        in_conversation=given.get("conversation") != "none",
        input=given.get("input"),
        instructions=given.get("instructions") or "",
        metadata=given.get("metadata"),
        max_output_tokens=given.get("max_output_tokens") or session["max_output_tokens"],
        voice=sound.get("voice") or usual["voice"],
        format=sound.get("format") or usual["format"],
        tools=tuple(given["tools"] if given.get("tools") is not None else session["tools"]),
        tool_choice=given.get("tool_choice") or session["tool_choice"],
        parallel=_first(given.get("parallel_tool_calls"), session.get("parallel_tool_calls")),
    )


def _first(*values: bool | None) -> bool:
    """Return the first value that was given; by default parallel calls are allowed."""
    return next((value for value in values if value is not None), True)


def _is_metadata(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) > _MAX_METADATA:
        return False
    return all(
        isinstance(entry, str) and len(key) <= _MAX_KEY and len(entry) <= _MAX_VALUE
        for key, entry in value.items()
    )

"""Faults in server events: doubled, altered, delayed or omitted. Sans-I/O."""

from __future__ import annotations

from typing import Any

from .plan import Faults

Json = dict[str, Any]

_TRANSCRIPTION = "conversation.item.input_audio_transcription."
_UNKNOWN_FIELD = "x_unknown_field"
_UNKNOWN_VALUE = {"nested": [1, None, "text"]}


def spoil(event: Json, faults: Faults) -> list[tuple[int, Json]]:
    """Return what to send in place of ``event``: pairs of delay in ms and event, in order."""
    kind = event["type"]
    if faults.no_rate_limits and kind == "rate_limits.updated":
        return []
    if faults.null_previous_item and kind == "conversation.item.done":
        event = {**event, "previous_item_id": None}
    delay_ms = faults.late_transcription_ms if kind.startswith(_TRANSCRIPTION) else 0
    sent = [(delay_ms, _with_unknown_fields(event) if faults.unknown_events else event)]
    if faults.duplicate_events:
        sent *= 2
    if faults.unknown_events:
        sent.append((delay_ms, _unknown_event(event)))
    return sent


def _with_unknown_fields(event: Json) -> Json:
    """Add an unknown field to the event and to the objects in it."""
    spoiled = {
        key: {**value, _UNKNOWN_FIELD: _UNKNOWN_VALUE} if isinstance(value, dict) else value
        for key, value in event.items()
    }
    return {**spoiled, _UNKNOWN_FIELD: _UNKNOWN_VALUE}


def _unknown_event(after: Json) -> Json:
    """Return an event of an unknown type that refers to the same objects as a known one."""
    unknown: Json = {"type": f"simulator.unknown.{after['type']}"}
    if "event_id" in after:
        unknown["event_id"] = after["event_id"] + "x"
    for key in ("response_id", "item_id", "output_index", "item", "response"):
        if key in after:
            unknown[key] = after[key]
    return unknown

"""What the faults do to server events: doubled, strange, late, or left out. Sans-I/O."""

from __future__ import annotations

from typing import Any

from .plan import Faults

Json = dict[str, Any]

_TRANSCRIPTION = "conversation.item.input_audio_transcription."
_STRANGE_FIELD = "x_unknown_field"
_STRANGE_VALUE = {"nested": [1, None, "text"]}


def spoil(event: Json, faults: Faults) -> list[tuple[int, Json]]:
    """Return what is sent in place of ``event``: pairs of delay in ms and event, in order."""
    kind = event["type"]
    if faults.no_rate_limits and kind == "rate_limits.updated":
        return []
    if faults.null_previous_item and kind == "conversation.item.done":
        event = {**event, "previous_item_id": None}
    delay_ms = faults.late_transcription_ms if kind.startswith(_TRANSCRIPTION) else 0
    sent = [(delay_ms, _with_strange_fields(event) if faults.unknown_events else event)]
    if faults.duplicate_events:
        sent *= 2
    if faults.unknown_events:
        sent.append((delay_ms, _strange_event(event)))
    return sent


def _with_strange_fields(event: Json) -> Json:
    """Add a field that nobody knows to the event and to the objects in it."""
    spoiled = {
        key: {**value, _STRANGE_FIELD: _STRANGE_VALUE} if isinstance(value, dict) else value
        for key, value in event.items()
    }
    return {**spoiled, _STRANGE_FIELD: _STRANGE_VALUE}


def _strange_event(after: Json) -> Json:
    """Return an event of a type that does not exist; it names the objects of a known one."""
    strange: Json = {"type": f"simulator.unknown.{after['type']}"}
    if "event_id" in after:
        strange["event_id"] = after["event_id"] + "x"
    for key in ("response_id", "item_id", "output_index", "item", "response"):
        if key in after:
            strange[key] = after[key]
    return strange

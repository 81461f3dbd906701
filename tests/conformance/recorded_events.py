"""Makes whole events for the orders in ``recordings``, with ids and words of our own."""

from __future__ import annotations

from typing import Any

from tests.conformance.recordings import Recording

Json = dict[str, Any]

_TEXT = "The ferry leaves the northern quay at nine, and at noon it is back with the mail. "
ARGUMENTS = '{ \n  "quay": "northern, by the old crane" \n} \n'
CALL_ID = "call_" + "x" * 16
FUNCTION = "timetable"

_EVENTS = {
    "item": "conversation.item",
    "output": "response.output_item",
    "part": "response.content_part",
    "playback": "output_audio_buffer",
    "arguments": "response.function_call_arguments",
    "sound": "response.output_audio",
    "speech.started": "input_audio_buffer.speech_started",
    "speech.stopped": "input_audio_buffer.speech_stopped",
    "timeout": "input_audio_buffer.timeout_triggered",
    "committed": "input_audio_buffer.committed",
    "heard": "conversation.item.input_audio_transcription",
    "transcribed": "conversation.item.input_audio_transcription.completed",
    "limits": "rate_limits.updated",
}
_TIMES = {
    "speech.started": {"audio_start_ms": 1_460},
    "speech.stopped": {"audio_end_ms": 4_256},
    "timeout": {"audio_start_ms": 672, "audio_end_ms": 5_792},
}


def words(name: str) -> str:
    """What an item says."""
    return f"{name}: {_TEXT}"


def item_id(name: str) -> str:
    return f"item_{name:x<21}"


def response_id(number: int) -> str:
    """``number`` counts from 0."""
    return f"resp_{number:021d}"


def events_of(recording: Recording) -> list[Json]:
    """Return every event that the client received."""
    return _Teller(recording).events


class _Teller:
    """Turns the entries of an order into whole events."""

    def __init__(self, recording: Recording) -> None:
        self.events: list[Json] = []
        self._recording = recording
        self._entries = [_entry(text) for text in recording.order.split()]
        self._told: dict[tuple[str, str], int] = {}
        self._responses = -1
        self._outputs: dict[str, tuple[int, int]] = {}
        """Response and ``output_index`` of the assistant's items."""
        self._previous: str | None = None
        for event, name, count in self._entries:
            for _ in range(count):
                told = {"event_id": f"event_{len(self.events):021d}", **self._tell(event, name)}
                self.events.append(told)

    def _tell(self, event: str, name: str) -> Json:
        family, _, stage = event.partition(".")
        if family == "session":
            return {"type": event, "session": {"type": "realtime"}}
        if family == "response":
            return {"type": event, "response": self._response(stage)}
        if family in ("output", "item"):
            return self._item_event(family, stage, name)
        if family in ("words", "sound", "arguments", "part"):
            return self._output_event(family, stage or "delta", name)
        if family == "playback":
            return {"type": f"{_EVENTS[family]}.{stage}", **self._response_key()}
        if family == "limits":
            return {"type": _EVENTS[family], "rate_limits": []}
        place = {"item_id": item_id(name)}
        if family in ("speech", "timeout", "committed"):
            return {"type": _EVENTS[event], **place, **_TIMES.get(event, {})}
        return self._transcription(event, name, {**place, "content_index": 0})

    def _transcription(self, event: str, name: str, place: Json) -> Json:
        heard = self._recording.heard or ""
        if event == "heard":
            delta = self._piece(event, name, f" {heard}")
            return {"type": f"{_EVENTS[event]}.delta", **place, "delta": delta, "obfuscation": "x"}
        billed = {"type": "duration", "seconds": self._recording.heard_s}
        return {"type": _EVENTS[event], **place, "transcript": heard, "usage": billed}

    def _response_key(self) -> Json:
        return {"response_id": response_id(self._responses)}

    def _response(self, stage: str) -> Json:
        done = stage == "done"
        self._responses += not done
        number = self._responses
        own = [name for name, (response, _) in self._outputs.items() if response == number]
        return {
            "object": "realtime.response",
            "id": response_id(number),
            "status": "completed" if done else "in_progress",
            "status_details": None,
            "conversation_id": f"conv_{0:021d}",
            "output": [self._item(name, True) for name in own] if done else [],
            "usage": self._recording.tokens[number].usage() if done else None,
        }

    def _item_event(self, family: str, stage: str, name: str) -> Json:
        if family == "output" and stage == "added":
            index = sum(response == self._responses for response, _ in self._outputs.values())
            self._outputs[name] = (self._responses, index)
        shown = self._item(name, stage == "done" or name not in self._outputs)
        event: Json = {"type": f"{_EVENTS[family]}.{stage}", "item": shown}
        if family == "output":
            return {**event, **self._response_key(), "output_index": self._outputs[name][1]}
        if stage == "added":
            event["previous_item_id"], self._previous = self._previous, item_id(name)
        return event

    def _item(self, name: str, complete: bool) -> Json:
        kind = name.rstrip("0123456789")
        shown: Json = {"id": item_id(name), "type": "message"}
        if kind == "result":
            return {**shown, "type": "function_call_output", "call_id": CALL_ID, "output": "Nine."}
        shown["status"] = "completed" if complete else "in_progress"
        if kind == "call":
            called = {"name": FUNCTION, "call_id": CALL_ID}
            arguments = ARGUMENTS if complete else ""
            return {**shown, "type": "function_call", **called, "arguments": arguments}
        role, part = {
            "asked": ("user", {"type": "input_text", "text": words(name)}),
            "said": ("user", {"type": "input_audio", "transcript": None}),
            "noted": ("system", {"type": "input_text", "text": words(name)}),
            "spoken": ("assistant", {"type": "output_audio", "transcript": words(name)}),
            "written": ("assistant", {"type": "output_text", "text": words(name)}),
        }[kind]
        if role == "assistant" and self._recording.phase:
            shown["phase"] = self._recording.phase
        return {**shown, "role": role, "content": [part] if complete else []}

    def _output_event(self, family: str, stage: str, name: str) -> Json:
        place: Json = {**self._response_key(), "item_id": item_id(name)}
        place["output_index"] = self._outputs[name][1]
        if family == "arguments":
            event: Json = {"type": f"{_EVENTS[family]}.{stage}", **place, "call_id": CALL_ID}
            if stage == "done":
                return {**event, "name": FUNCTION, "arguments": ARGUMENTS}
            return {**event, "delta": self._piece(family, name, ARGUMENTS), "obfuscation": "x"}
        place["content_index"] = 0
        kind, key = ("audio", "transcript") if name.startswith("spoken") else ("text", "text")
        if family == "part":
            said = words(name) if stage == "done" else ""
            return {
                "type": f"{_EVENTS[family]}.{stage}",
                **place,
                "part": {"type": kind, key: said},
            }
        if family == "sound":
            event = {"type": f"{_EVENTS[family]}.{stage}", **place}
            return event if stage == "done" else {**event, "delta": "AAAAAAAA"}
        told = "output_audio_transcript" if kind == "audio" else "output_text"
        event = {"type": f"response.{told}.{stage}", **place}
        if stage == "done":
            return {**event, key: words(name)}
        return {**event, "delta": self._piece(family, name, words(name)), "obfuscation": "x"}

    def _piece(self, event: str, name: str, text: str) -> str:
        """Return the next of the recorded number of deltas."""
        count = sum(n for e, i, n in self._entries if (e, i) == (event, name))
        at = self._told.get((event, name), 0)
        self._told[event, name] = at + 1
        return text[len(text) * at // count : len(text) * (at + 1) // count]


def _entry(text: str) -> tuple[str, str, int]:
    """``event:item*count``; the item and the count may be missing."""
    whole, _, count = text.partition("*")
    event, _, name = whole.partition(":")
    return event, name, int(count or 1)

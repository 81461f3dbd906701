"""Servers of the removed beta shape of the Realtime API, served as if they were not. Sans-I/O.

The service itself speaks the shape of general availability (GA) only; compatible servers often
keep to the beta: ``response.audio.delta``, ``conversation.item.created``, a flat session object.
The first event shows it: a ``session.created`` whose session is flat. From then on server events
are turned into those of GA, and client events into those of the beta. Names of beta events are
turned in any case: there are servers that speak half of each, and what they expect is what their
session looks like. A server that complains of the metadata of our requests gets none any more.

=====================  =============================================================================
``dialect``            a beta-shaped first event
=====================  =============================================================================
auto                   is recognised, and the server is served
ga                     is refused in one sentence (``refusal``): nothing of it would be understood
beta                   is expected; client events are those of the beta from the start
=====================  =============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mixer_core.runtime.errors import UpstreamError

from .event_fields import map_of, maps_of, text_of

DialectName = Literal["auto", "ga", "beta"]
Event = Mapping[str, Any]

REFUSED = "beta_api_shape"
"""Code of the refusal; nothing but another setting or another server helps."""
_FLAT = frozenset(
    {
        "modalities",
        "voice",
        "input_audio_format",
        "output_audio_format",
        "input_audio_transcription",
        "turn_detection",
        "max_response_output_tokens",
        "temperature",
    }
)
"""Keys that only a flat session has at its top."""
_NAMES = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
}
_SESSIONS = ("session.created", "session.updated")
_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_BETA_FORMATS = {name: beta for beta, name in _FORMATS.items()}
_SAID = {"text": "output_text", "audio": "output_audio"}
"""Types of the parts of what the assistant says."""
_BETA_SAID = {name: beta for beta, name in _SAID.items()}
_METADATA = "response.metadata"
_AS_THEY_ARE = ("instructions", "tools", "tool_choice", "tracing")
"""Keys of a session that both shapes have; GA's own (reasoning, truncation …) are left out."""
_IN = (
    ("transcription", "input_audio_transcription"),
    ("turn_detection", "turn_detection"),
    ("noise_reduction", "input_audio_noise_reduction"),
)
"""Keys of ``audio.input`` and their beta names."""


class Dialect:
    """Of one session; one event in may be several out."""

    def __init__(self, name: DialectName = "auto") -> None:
        self._name = name
        self.is_beta = name == "beta"
        """Client events are those of the beta."""
        self._is_known = name == "beta"
        """A session object has shown which shape it is."""
        self._takes_metadata = True
        """The server has not complained of it."""

    def refusal(self, event: Event) -> UpstreamError | None:
        """Why the session cannot go on with a server whose event this is; None: it can."""
        if self._name != "ga" or not _is_beta(event):
            return None
        return UpstreamError(REFUSED, f"its event {text_of(event, 'type')} is of that shape")

    def server(self, event: Event) -> list[Event]:
        """A server's event in the shape of GA."""
        kind = text_of(event, "type")
        self._takes_metadata = self._takes_metadata and not _is_about_metadata(event)
        if not self._is_known and self._name == "auto":
            self.is_beta = self.is_beta or _is_beta(event)
            self._is_known = kind in _SESSIONS
        if kind in _NAMES:
            return [{**event, "type": _NAMES[kind]}]
        if kind == "conversation.item.created" and self.is_beta:
            return _created(event)
        if not self.is_beta:
            return [event]
        if kind in _SESSIONS:
            return [{**event, "session": _session_to_ga(map_of(event, "session"))}]
        if kind == "response.output_item.done":
            return _output_done(event)
        changed = dict(event)
        if isinstance(event.get("item"), Mapping):
            changed["item"] = _item_to_ga(map_of(event, "item"))
        if isinstance(event.get("response"), Mapping):
            changed["response"] = _response_to_ga(map_of(event, "response"))
        return [changed]

    def client(self, event: Event) -> Event:
        """A client event in the shape that the server speaks."""
        if not self._takes_metadata and text_of(event, "type") == "response.create":
            event = _without_metadata(event)
        if not self.is_beta:
            return event
        match text_of(event, "type"):
            case "session.update":
                return {**event, "session": _session_to_beta(map_of(event, "session"))}
            case "conversation.item.create":
                return {**event, "item": _item_to_beta(map_of(event, "item"))}
            case "response.create" if "response" in event:
                return {**event, "response": _request_to_beta(map_of(event, "response"))}
        return event


def _is_beta(event: Event) -> bool:
    """Whether only a server of the beta sends such an event."""
    kind = text_of(event, "type")
    if kind in _NAMES:
        return True
    session = map_of(event, "session")
    return kind in _SESSIONS and "audio" not in session and not _FLAT.isdisjoint(session)


def _is_about_metadata(event: Event) -> bool:
    """Whether the server complains of the metadata of a request."""
    error = map_of(event, "error")
    words = f"{text_of(error, 'param')} {text_of(error, 'message')}"
    return text_of(event, "type") == "error" and _METADATA in words


def _without_metadata(event: Event) -> Event:
    response = {k: v for k, v in map_of(event, "response").items() if k != "metadata"}
    return {**event, "response": response}


# -- what the server sends ------------------------------------------------------------------------


def _session_to_ga(session: Event) -> Event:
    """Keys that the flat session does not have stay unknown."""
    heard = {ours: session[beta] for ours, beta in _IN if beta in session}
    said = {key: session[key] for key in ("voice", "speed") if key in session}
    for sound, key in ((heard, "input_audio_format"), (said, "output_audio_format")):
        if isinstance(session.get(key), str):
            sound["format"] = {"type": _FORMATS.get(session[key], session[key])}
    given = {key: session[key] for key in ("id", "object", "model", "expires_at") if key in session}
    given |= {key: session[key] for key in _AS_THEY_ARE if key in session}
    if "modalities" in session:
        given["output_modalities"] = _modalities(session["modalities"])
    if "max_response_output_tokens" in session:
        given["max_output_tokens"] = session["max_response_output_tokens"]
    return {"type": "realtime", **given, "audio": {"input": heard, "output": said}}


def _modalities(modalities: Any) -> list[str]:
    """Sound brings its text with it, in both shapes; GA names it alone."""
    return ["audio"] if isinstance(modalities, list) and "audio" in modalities else ["text"]


def _item_to_ga(item: Event) -> Event:
    return _with_parts(item, _SAID)


def _with_parts(item: Event, names: Mapping[str, str]) -> Event:
    if item.get("role") != "assistant" or not isinstance(item.get("content"), list):
        return item
    parts = [
        {**part, "type": names.get(text_of(part, "type"), text_of(part, "type"))}
        for part in maps_of(item, "content")
    ]
    return {**item, "content": parts}


def _response_to_ga(response: Event) -> Event:
    changed = dict(response)
    if isinstance(response.get("output"), list):
        changed["output"] = [_item_to_ga(item) for item in maps_of(response, "output")]
    if "modalities" in response:
        changed["output_modalities"] = _modalities(changed.pop("modalities"))
    return changed


def _created(event: Event) -> list[Event]:
    """An item has its place; one that is not being made is complete, and nothing else follows."""
    item = _item_to_ga(map_of(event, "item"))
    added = {**event, "type": "conversation.item.added", "item": item}
    if text_of(item, "status") in ("in_progress", "incomplete"):
        return [added]
    return [added, {**added, "type": "conversation.item.done", "event_id": _second_id(event)}]


def _output_done(event: Event) -> list[Event]:
    """The beta has no ``conversation.item.done``."""
    item = _item_to_ga(map_of(event, "item"))
    done = {
        "type": "conversation.item.done",
        "event_id": _second_id(event),
        "previous_item_id": None,
        "item": item,
    }
    return [done, {**event, "item": item}]


def _second_id(event: Event) -> str:
    identity = text_of(event, "event_id")
    return f"{identity}.done" if identity else ""


# -- what we send ---------------------------------------------------------------------------------


def _session_to_beta(session: Event) -> Event:
    audio = map_of(session, "audio")
    heard, said = map_of(audio, "input"), map_of(audio, "output")
    flat = {key: session[key] for key in _AS_THEY_ARE if key in session}
    flat |= {beta: heard[ours] for ours, beta in _IN if ours in heard}
    flat |= {key: said[key] for key in ("voice", "speed") if key in said}
    for sound, key in ((heard, "input_audio_format"), (said, "output_audio_format")):
        if "format" in sound:
            flat[key] = _format(sound["format"])
    if "output_modalities" in session:
        flat["modalities"] = _both(session["output_modalities"])
    if "max_output_tokens" in session:
        flat["max_response_output_tokens"] = session["max_output_tokens"]
    return flat


def _format(given: Any) -> str:
    kind = text_of(given, "type") if isinstance(given, Mapping) else str(given)
    return _BETA_FORMATS.get(kind, "pcm16")


def _both(modalities: Any) -> list[str]:
    return ["text", "audio"] if "audio" in modalities else ["text"]


def _item_to_beta(item: Event) -> Event:
    return _with_parts(item, _BETA_SAID)


def _request_to_beta(response: Event) -> Event:
    """Overrides of one response."""
    changed = {
        key: value
        for key, value in response.items()
        if key not in ("audio", "output_modalities", "max_output_tokens", "reasoning")
    }
    said = map_of(map_of(response, "audio"), "output")
    if "voice" in said:
        changed["voice"] = said["voice"]
    if "format" in said:
        changed["output_audio_format"] = _format(said["format"])
    if "output_modalities" in response:
        changed["modalities"] = _both(response["output_modalities"])
    if "max_output_tokens" in response:
        changed["max_response_output_tokens"] = response["max_output_tokens"]
    if isinstance(response.get("input"), list):
        changed["input"] = [_item_to_beta(item) for item in maps_of(response, "input")]
    return changed

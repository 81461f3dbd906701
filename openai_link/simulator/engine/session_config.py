"""The session object: defaults, and updates, applied whole or not at all. Sans-I/O.

There are two kinds: ``realtime`` sessions talk, ``transcription`` sessions only transcribe.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import refusals
from .session_checks import (
    REALTIME_KEYS,
    RULES,
    TRANSCRIPTION_KEYS,
    check_keys,
    check_values,
)
from .tool_checks import check_tool_choice, check_tools, shown_tools

Json = dict[str, Any]

DEFAULT_MODEL = "gpt-realtime"
DEFAULT_INSTRUCTIONS = (
    "You are the mixminus simulator, a local stand-in for a Realtime model. "
    "Repeat what you hear, and say that you are a simulator."
)

_SERVER_VAD: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: Json = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
_TRANSCRIPTION: Json = {"model": "whisper-1", "language": None, "prompt": None}
_PCM: Json = {"type": "audio/pcm", "rate": 24_000}
_NOT_ECHOED = ("parallel_tool_calls", "reasoning")
_CONTAINERS = ("audio", "input", "output")
_WHOLE = ("format", "tool_choice", "truncation", "tracing", "prompt", "voice")
"""Objects that an update replaces; it merges into all others."""


@dataclass(slots=True)
class LiveSession:
    """Holds the current session object; all parts of an engine share it."""

    fields: Json
    """The object as events carry it; each update replaces it."""


def default_session(session_id: str, expires_at: int, kind: str = "realtime") -> Json:
    """Return a session with all defaults. ``expires_at``: Unix seconds."""
    audio_input = {
        "format": dict(_PCM),
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": dict(_SERVER_VAD),
    }
    if kind == "transcription":
        return {
            "type": "transcription",
            "object": "realtime.transcription_session",
            "id": session_id,
            "expires_at": expires_at,
            "audio": {"input": audio_input},
            "include": None,
        }
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": DEFAULT_MODEL,
        "output_modalities": ["audio"],
        "instructions": DEFAULT_INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": expires_at,
        "audio": {
            "input": audio_input,
            "output": {"format": dict(_PCM), "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }


def create_session(session_id: str, expires_at: int, wanted: Mapping[str, Any]) -> Json:
    """Return the defaults with ``wanted`` merged in. Raises Refusal for an invalid key or value."""
    _check(wanted)
    defaults = default_session(session_id, expires_at, wanted["type"])
    return _merged(defaults, wanted)


def update_session(
    session: Json, wanted: Any, voice_locked: bool, speed_locked: bool = False
) -> Json:
    """Return ``session`` with the partial update ``wanted`` merged in; the original is untouched.

    ``voice_locked``: the assistant has spoken; ``speed_locked``: a response is running.
    Raises Refusal for an invalid key or value, or a change that is not allowed now.
    """
    if not isinstance(wanted, Mapping):
        raise refusals.missing_parameter("session")
    for key in ("type", "model"):
        if key in wanted and wanted[key] != session.get(key):
            raise refusals.invalid_value(
                f"session.{key}", wanted[key], f"The {key} of a running session cannot be changed."
            )
    _check(wanted)
    merged = _merged(session, wanted)
    if merged["type"] == "transcription":
        return merged
    before, after = session["audio"]["output"], merged["audio"]["output"]
    if voice_locked and after["voice"] != before["voice"]:
        raise refusals.voice_locked()
    if speed_locked and after["speed"] != before["speed"]:
        raise refusals.invalid_value(
            "session.audio.output.speed", after["speed"], "It changes between responses only."
        )
    if session["tracing"] is not None and merged["tracing"] != session["tracing"]:
        raise refusals.invalid_value(
            "session.tracing", wanted["tracing"], "It cannot be changed once it is set."
        )
    return merged


def echo(session: Json) -> Json:
    """Return the session as the server shows it."""
    return {key: copy.deepcopy(value) for key, value in session.items() if key not in _NOT_ECHOED}


def _check(wanted: Mapping[str, Any]) -> None:
    if "type" not in wanted:
        raise refusals.missing_parameter("session.type")
    is_transcription = wanted["type"] == "transcription"
    check_keys(wanted, TRANSCRIPTION_KEYS if is_transcription else REALTIME_KEYS, "session")
    check_values(wanted, RULES, "session")
    if "tools" in wanted:
        check_tools(wanted["tools"], "session.tools")
    if "tool_choice" in wanted:
        check_tool_choice(wanted["tool_choice"], "session.tool_choice")
    if wanted.get("reasoning") and str(wanted.get("model", "")).startswith("gpt-realtime-1.5"):
        raise refusals.invalid_value(
            "session.reasoning", wanted["reasoning"], "This model does not reason."
        )


def _merged(session: Json, wanted: Mapping[str, Any]) -> Json:
    result = _deep_merge(session, wanted)
    for key in ("object", "id", "expires_at"):  # Set by the server alone.
        result[key] = session[key]
    if "tools" in wanted:
        result["tools"] = shown_tools(result["tools"])
    given_input = (wanted.get("audio") or {}).get("input") or {}
    audio_input = result["audio"]["input"]
    if given_input.get("turn_detection"):
        audio_input["turn_detection"] = _with_vad_defaults(
            session["audio"]["input"]["turn_detection"], given_input["turn_detection"]
        )
    if audio_input["transcription"] is not None:
        audio_input["transcription"] = {**_TRANSCRIPTION, **audio_input["transcription"]}
    for direction in result["audio"].values():
        if direction["format"].get("type", "audio/pcm") == "audio/pcm":
            direction["format"] = dict(_PCM)
    return result


def _with_vad_defaults(before: Json | None, given: Mapping[str, Any]) -> Json:
    """Merge into the current settings, or into the defaults when the kind of detection changes."""
    kind = given.get("type", (before or _SERVER_VAD)["type"])
    if before is not None and before["type"] == kind:
        base = before
    else:
        base = _SERVER_VAD if kind == "server_vad" else _SEMANTIC_VAD
    return {key: given.get(key, value) for key, value in base.items()}


def _deep_merge(base: Json, wanted: Mapping[str, Any]) -> Json:
    result = copy.deepcopy(base)
    for key, value in wanted.items():
        before = result.get(key)
        if isinstance(before, dict) and isinstance(value, Mapping) and key not in _WHOLE:
            result[key] = _deep_merge(before, value)
        elif value is None and isinstance(before, dict) and key in (*_CONTAINERS, "format"):
            continue  # The containers themselves cannot be cleared.
        else:
            result[key] = copy.deepcopy(value)
    return result

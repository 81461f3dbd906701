"""The session object: defaults, checks, and the partial update that is applied whole or not. Pure.

The tables are those of the GA API; every key that a client may send is named here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from openai_link.simulator import refusals

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

_ANY: Json = {}  # A value that is taken over without looking inside.
_TRANSCRIPTION_KEYS = ("model", "language", "prompt", "languages", "keywords", "delay")
_ALLOWED: Json = {
    "type": _ANY,
    "object": _ANY,
    "id": _ANY,
    "expires_at": _ANY,
    "model": _ANY,
    "output_modalities": _ANY,
    "instructions": _ANY,
    "tools": _ANY,
    "tool_choice": _ANY,
    "parallel_tool_calls": _ANY,
    "reasoning": {"effort": _ANY},
    "max_output_tokens": _ANY,
    "truncation": _ANY,
    "tracing": _ANY,
    "prompt": _ANY,
    "include": _ANY,
    "audio": {
        "input": {
            "format": {"type": _ANY, "rate": _ANY},
            "noise_reduction": {"type": _ANY, "strength": _ANY},
            "transcription": dict.fromkeys(_TRANSCRIPTION_KEYS, _ANY),
            "turn_detection": dict.fromkeys({**_SERVER_VAD, **_SEMANTIC_VAD}, _ANY),
        },
        "output": {"format": {"type": _ANY, "rate": _ANY}, "voice": _ANY, "speed": _ANY},
    },
}
_NOT_ECHOED = ("parallel_tool_calls", "reasoning")


def _is_number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    )


def _is_whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    )


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


_VAD = ("audio", "input", "turn_detection")
_CHECKS: list[tuple[tuple[str, ...], Callable[[Any], bool], str]] = [
    (("type",), lambda v: v == "realtime", "Supported values are: 'realtime'."),
    (("instructions",), lambda v: isinstance(v, str), "Expected a string."),
    (
        ("output_modalities",),
        lambda v: v in (["audio"], ["text"]),
        "Supported values are: ['audio'] and ['text'].",
    ),
    (
        ("max_output_tokens",),
        lambda v: v == "inf" or _is_whole(1, 4096)(v),
        "Expected an integer from 1 to 4096, or 'inf'.",
    ),
    (("tools",), lambda v: isinstance(v, list), "Expected an array."),
    (("audio", "output", "speed"), _is_number(0.25, 1.5), "Expected a number from 0.25 to 1.5."),
    (
        (*_VAD, "type"),
        lambda v: v in ("server_vad", "semantic_vad"),
        "Supported values are: 'server_vad' and 'semantic_vad'.",
    ),
    ((*_VAD, "threshold"), _is_number(0, 1), "Expected a number from 0 to 1."),
    ((*_VAD, "prefix_padding_ms"), _is_whole(0, 10_000), "Expected an integer from 0."),
    ((*_VAD, "silence_duration_ms"), _is_whole(0, 30_000), "Expected an integer from 0."),
    ((*_VAD, "create_response"), _is_bool, "Expected a boolean."),
    ((*_VAD, "interrupt_response"), _is_bool, "Expected a boolean."),
]


def default_session(session_id: str, expires_at: int) -> Json:
    """Return a session in which everything has its default. ``expires_at``: Unix seconds."""
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
            "input": {
                "format": dict(_PCM),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_SERVER_VAD),
            },
            "output": {"format": dict(_PCM), "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }


def create_session(session_id: str, expires_at: int, wanted: Mapping[str, Any]) -> Json:
    """Return the defaults with ``wanted`` merged in. Raises Refusal for a bad key or value."""
    _require(wanted, "type")
    _check(wanted)
    return _merged(default_session(session_id, expires_at), wanted)


def update_session(session: Json, wanted: Any, voice_locked: bool) -> Json:
    """Return ``session`` with the partial update ``wanted`` merged in; the original is untouched.

    ``voice_locked``: the assistant has spoken already. Raises Refusal, and then nothing changes.
    """
    if not isinstance(wanted, Mapping):
        raise refusals.missing_parameter("session")
    _require(wanted, "type")
    _check(wanted)
    if wanted.get("model", session["model"]) != session["model"]:
        raise refusals.invalid_value(
            "session.model", wanted["model"], "The model of a running session cannot be changed."
        )
    merged = _merged(session, wanted)
    if voice_locked and merged["audio"]["output"]["voice"] != session["audio"]["output"]["voice"]:
        raise refusals.voice_locked()
    return merged


def echo(session: Json) -> Json:
    """Return the session as the server shows it."""
    return {key: copy.deepcopy(value) for key, value in session.items() if key not in _NOT_ECHOED}


def _require(wanted: Mapping[str, Any], key: str) -> None:
    if key not in wanted:
        raise refusals.missing_parameter(f"session.{key}")


def _check(wanted: Mapping[str, Any]) -> None:
    _check_keys(wanted, _ALLOWED, "session")
    for path, is_allowed, expected in _CHECKS:
        found, value = _lookup(wanted, path)
        if found and not is_allowed(value):
            raise refusals.invalid_value("session." + ".".join(path), value, expected)


def _check_keys(wanted: Mapping[str, Any], allowed: Json, path: str) -> None:
    for key, value in wanted.items():
        if key not in allowed:
            raise refusals.unknown_parameter(f"{path}.{key}")
        if allowed[key] is _ANY or value is None:
            continue
        if not isinstance(value, Mapping):
            raise refusals.invalid_value(f"{path}.{key}", value, "Expected an object.")
        _check_keys(value, allowed[key], f"{path}.{key}")


def _lookup(wanted: Mapping[str, Any], path: tuple[str, ...]) -> tuple[bool, Any]:
    """Return whether ``path`` is present, and its value."""
    value: Any = wanted
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return False, None
        value = value[key]
    return True, value


def _merged(session: Json, wanted: Mapping[str, Any]) -> Json:
    result = _deep_merge(session, wanted)
    for key in ("object", "id", "expires_at"):  # The server's own.
        result[key] = session[key]
    given_input = (wanted.get("audio") or {}).get("input") or {}
    audio_input = result["audio"]["input"]
    if given_input.get("turn_detection"):
        audio_input["turn_detection"] = _with_vad_defaults(
            session["audio"]["input"]["turn_detection"], given_input["turn_detection"]
        )
    if audio_input["transcription"] is not None:
        audio_input["transcription"] = {**_TRANSCRIPTION, **audio_input["transcription"]}
    return result


def _with_vad_defaults(before: Json | None, given: Mapping[str, Any]) -> Json:
    """Merge into the settings before, or into the defaults where the kind of detection changes."""
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
        if isinstance(before, dict) and isinstance(value, Mapping):
            result[key] = _deep_merge(before, value)
        elif value is None and isinstance(before, dict) and key in ("audio", "input", "output"):
            continue  # The containers themselves cannot be cleared.
        else:
            result[key] = copy.deepcopy(value)
    return result

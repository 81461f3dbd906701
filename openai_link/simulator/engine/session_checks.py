"""Keys, types and ranges of what clients may set in a session or a response. Sans-I/O.

The tables are those of the GA API. ``check_*`` raise Refusal for the first fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import refusals

Json = dict[str, Any]

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
LEAST_IDLE_MS, MOST_IDLE_MS = 5_000, 30_000

ANY: Json = {}
"""The keys of the object at this place are not checked here."""
_FORMAT = dict.fromkeys(("type", "rate"), ANY)
_INPUT: Json = {
    "format": _FORMAT,
    "noise_reduction": dict.fromkeys(("type", "strength"), ANY),
    "transcription": dict.fromkeys(
        ("model", "language", "prompt", "languages", "keywords", "delay"), ANY
    ),
    "turn_detection": dict.fromkeys(
        (
            *("type", "threshold", "prefix_padding_ms", "silence_duration_ms"),
            *("idle_timeout_ms", "eagerness", "create_response", "interrupt_response"),
        ),
        ANY,
    ),
}
_OWN = dict.fromkeys(("type", "object", "id", "expires_at", "include"), ANY)
REALTIME_KEYS: Json = {
    **_OWN,
    **dict.fromkeys(
        (
            *("model", "output_modalities", "instructions", "tools", "tool_choice"),
            *("parallel_tool_calls", "max_output_tokens", "truncation", "tracing", "prompt"),
        ),
        ANY,
    ),
    "reasoning": {"effort": ANY},
    "audio": {"input": _INPUT, "output": {"format": _FORMAT, "voice": ANY, "speed": ANY}},
}
TRANSCRIPTION_KEYS: Json = {**_OWN, "audio": {"input": _INPUT}}

Test = Callable[[Any], bool]
Rule = tuple[tuple[str, ...], Test, str]


def one_of(*allowed: object) -> tuple[Test, str]:
    """A value from a list."""
    names = ", ".join(repr(value) for value in allowed)
    return (lambda value: any(value == a for a in allowed)), f"Supported values are: {names}."


def number(low: float, high: float) -> tuple[Test, str]:
    """A number in a range."""
    return (
        lambda v: isinstance(v, int | float) and not isinstance(v, bool) and low <= v <= high
    ), f"Expected a number from {low:g} to {high:g}."


def whole(low: int, high: int) -> tuple[Test, str]:
    """An integer in a range."""
    return (
        lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high
    ), f"Expected an integer from {low} to {high}."


def or_null(rule: tuple[Test, str]) -> tuple[Test, str]:
    """The same, or null."""
    return (lambda value: value is None or rule[0](value)), rule[1]


STRING: tuple[Test, str] = (lambda v: isinstance(v, str), "Expected a string.")
BOOLEAN: tuple[Test, str] = (lambda v: isinstance(v, bool), "Expected a boolean.")
ARRAY: tuple[Test, str] = (lambda v: isinstance(v, list), "Expected an array.")
STRINGS: tuple[Test, str] = (
    lambda v: isinstance(v, list) and all(isinstance(entry, str) for entry in v),
    "Expected an array of strings.",
)
MODALITIES = one_of(["audio"], ["text"])
EFFORT = one_of("minimal", "low", "medium", "high", "xhigh")


def _is_tokens(value: Any) -> bool:
    return value == "inf" or (type(value) is int and 1 <= value <= 4_096)


def _is_voice(value: Any) -> bool:
    if isinstance(value, Mapping):
        return set(value) == {"id"} and isinstance(value["id"], str)
    return value in VOICES


def _is_truncation(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return value in ("auto", "disabled")
    if set(value) - {"type", "retention_ratio", "token_limits"}:
        return False
    ratio_is_fine = number(0, 1)[0](value.get("retention_ratio"))
    return value.get("type") == "retention_ratio" and ratio_is_fine


def _is_tracing(value: Any) -> bool:
    if isinstance(value, Mapping):
        return not set(value) - {"workflow_name", "group_id", "metadata"}
    return value is None or value == "auto"


def _is_prompt(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return value is None
    return isinstance(value.get("id"), str) and not set(value) - {"id", "version", "variables"}


TOKENS: tuple[Test, str] = (_is_tokens, "Expected an integer from 1 to 4096, or 'inf'.")
VOICE: tuple[Test, str] = (
    _is_voice,
    "Supported values are: " + ", ".join(f"'{voice}'" for voice in VOICES) + ".",
)
FORMAT_TYPE = one_of("audio/pcm", "audio/pcmu", "audio/pcma")
LOGPROBS = "item.input_audio_transcription.logprobs"

_IN, _OUT = ("audio", "input"), ("audio", "output")
_VAD, _WORDS = (*_IN, "turn_detection"), (*_IN, "transcription")
RULES: list[Rule] = [
    (("type",), *one_of("realtime", "transcription")),
    (("model",), *STRING),
    (("instructions",), *STRING),
    (("output_modalities",), *MODALITIES),
    (("max_output_tokens",), *TOKENS),
    (("parallel_tool_calls",), *BOOLEAN),
    (("reasoning", "effort"), *EFFORT),
    (("truncation",), _is_truncation, "Expected 'auto', 'disabled' or a retention ratio."),
    (("tracing",), _is_tracing, "Expected null, 'auto' or an object."),
    (("prompt",), _is_prompt, "Expected null or an object with an id."),
    (("include",), *one_of(None, [], [LOGPROBS])),
    ((*_IN, "format", "type"), *FORMAT_TYPE),
    ((*_IN, "format", "rate"), *one_of(24_000)),
    ((*_IN, "noise_reduction", "type"), *one_of("near_field", "far_field")),
    ((*_IN, "noise_reduction", "strength"), *or_null(number(0, 1))),
    ((*_WORDS, "model"), *STRING),
    ((*_WORDS, "language"), *or_null(STRING)),
    ((*_WORDS, "prompt"), *or_null(STRING)),
    ((*_WORDS, "languages"), *or_null(STRINGS)),
    ((*_WORDS, "keywords"), *or_null(STRINGS)),
    ((*_WORDS, "delay"), *or_null(one_of("minimal", "low", "medium", "high", "xhigh"))),
    ((*_VAD, "type"), *one_of("server_vad", "semantic_vad")),
    ((*_VAD, "threshold"), *number(0, 1)),
    ((*_VAD, "prefix_padding_ms"), *whole(0, 10_000)),
    ((*_VAD, "silence_duration_ms"), *whole(0, 30_000)),
    ((*_VAD, "idle_timeout_ms"), *or_null(whole(LEAST_IDLE_MS, MOST_IDLE_MS))),
    ((*_VAD, "eagerness"), *one_of("low", "medium", "high", "auto")),
    ((*_VAD, "create_response"), *BOOLEAN),
    ((*_VAD, "interrupt_response"), *BOOLEAN),
    ((*_OUT, "format", "type"), *FORMAT_TYPE),
    ((*_OUT, "format", "rate"), *one_of(24_000)),
    ((*_OUT, "voice"), *VOICE),
    ((*_OUT, "speed"), *number(0.25, 1.5)),
]


def check_keys(wanted: Mapping[str, Any], allowed: Json, path: str) -> None:
    """Refuse unknown keys, and values where objects are expected."""
    for key, value in wanted.items():
        if key not in allowed:
            raise refusals.unknown_parameter(f"{path}.{key}")
        if allowed[key] is ANY or value is None:
            continue
        if not isinstance(value, Mapping):
            raise refusals.invalid_value(f"{path}.{key}", value, "Expected an object.")
        check_keys(value, allowed[key], f"{path}.{key}")


def check_values(wanted: Mapping[str, Any], rules: list[Rule], path: str) -> None:
    """Refuse values out of range; the paths in ``rules`` are below ``path``."""
    for keys, is_allowed, expected in rules:
        found, value = _lookup(wanted, keys)
        if found and not is_allowed(value):
            raise refusals.invalid_value(f"{path}." + ".".join(keys), value, expected)


def _lookup(wanted: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[bool, Any]:
    """Return whether the path ``keys`` is present, and its value."""
    value: Any = wanted
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return False, None
        value = value[key]
    return True, value

"""The protocol's errors: one function per code, worded as the real service does. Sans-I/O.

A Refusal becomes an ``error`` event on the data channel, or the body of an HTTP error.
"""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """A rejected request; the session goes on."""

    def __init__(
        self,
        code: str,
        message: str,
        param: str | None = None,
        kind: str = "invalid_request_error",
        event_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.kind = kind
        self.event_id = event_id
        """Id of the client's event, if it sent one."""

    def body(self) -> dict[str, Any]:
        """Return the error object as HTTP bodies carry it."""
        return {
            "message": self.message,
            "type": self.kind,
            "code": self.code,
            "param": self.param,
        }


class HttpRefusal(Refusal):
    """A rejected HTTP request with its own status."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        kind = "server_error" if status >= 500 else _KINDS.get(code, "invalid_request_error")
        super().__init__(code, message, param, kind)
        self.status = status


_KINDS = {"rate_limit_exceeded": "requests", "insufficient_quota": "insufficient_quota"}
_BY_STATUS = {
    401: ("invalid_api_key", "Incorrect API key provided: sk-***."),
    403: ("account_deactivated", "The account of this key has been deactivated."),
    404: ("model_not_found", "The model does not exist or you do not have access to it."),
    429: ("rate_limit_exceeded", "Rate limit reached. Please try again later."),
}


def call_not_found() -> HttpRefusal:
    """There is no call with this id, or it cannot be used with this key."""
    message = "No session found for the provided call_id"
    return HttpRefusal(404, "call_id_not_found", message, "")


def no_quota() -> HttpRefusal:
    """The account has no quota left."""
    return HttpRefusal(
        429,
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    )


def with_status(status: int) -> HttpRefusal:
    """An error with the given status and the code that usually goes with it."""
    default = ("server_error", "The server had an error while processing your request.")
    if status < 500:
        default = ("invalid_request", f"The request was refused with {status}.")
    return HttpRefusal(status, *_BY_STATUS.get(status, default))


def missing_model() -> Refusal:
    """A WebSocket request without ``model`` and ``call_id``."""
    return Refusal("missing_model", "You must provide a model parameter.", "model")


def beta_disabled() -> Refusal:
    """A client of the beta API."""
    return Refusal(
        "beta_api_shape_disabled",
        "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
    )


def missing_type() -> Refusal:
    """An event without ``type``."""
    return Refusal("invalid_event", "The 'type' field is missing.", "type")


def not_json(reason: str) -> Refusal:
    """A message that is not a JSON object."""
    return Refusal("invalid_json", f"The message is not a JSON object: {reason}")


def unknown_event(kind: str, known: list[str]) -> Refusal:
    """An event whose type clients cannot send."""
    values = ", ".join(f"'{value}'" for value in known)
    return Refusal(
        "invalid_value", f"Invalid value: '{kind}'. Supported values are: {values}.", "type"
    )


def unknown_parameter(path: str) -> Refusal:
    """An unknown key."""
    return Refusal("unknown_parameter", f"Unknown parameter: '{path}'.", path)


def missing_parameter(path: str) -> Refusal:
    """A required key is missing."""
    return Refusal("missing_required_parameter", f"Missing required parameter: '{path}'.", path)


def invalid_value(path: str, value: object, expected: str) -> Refusal:
    """A value that is not allowed."""
    return Refusal("invalid_value", f"Invalid value for '{path}': {value!r}. {expected}", path)


def too_long(path: str, limit: int, length: int) -> Refusal:
    """A string longer than its limit."""
    return Refusal(
        "string_above_max_length",
        f"Invalid '{path}': string too long. Expected a string with maximum length {limit}, "
        f"but got a string with length {length} instead.",
        path,
    )


def wrong_pattern(path: str, pattern: str) -> Refusal:
    """A string with characters that are not allowed there."""
    return Refusal(
        "invalid_value",
        f"Invalid '{path}': string does not match pattern. "
        f"Expected a string that matches the pattern '{pattern}'.",
        path,
    )


def too_short(path: str, limit: int, length: int) -> Refusal:
    """A string shorter than it must be."""
    return Refusal(
        "string_below_min_length",
        f"Invalid '{path}': string too short. Expected a string with minimum length {limit}, "
        f"but got a string with length {length} instead.",
        path,
    )


def too_many(path: str, limit: int, length: int) -> Refusal:
    """A list longer than its limit."""
    return Refusal(
        "array_above_max_length",
        f"Invalid '{path}': array too long. Expected an array with maximum length {limit}, "
        f"but got an array with length {length} instead.",
        path,
    )


def bad_schema(function: str, words: str, path: str) -> Refusal:
    """The schema of a function's parameters cannot be used."""
    return Refusal(
        "invalid_function_parameters", f"Invalid schema for function '{function}': {words}", path
    )


def voice_locked() -> Refusal:
    """A new voice after the assistant has spoken."""
    return Refusal(
        "cannot_update_voice",
        "Cannot update a conversation's voice if assistant audio is present.",
        "session.audio.output.voice",
    )


def response_active(response_id: str) -> Refusal:
    """A second response while one is being generated."""
    return Refusal(
        "conversation_already_has_active_response",
        f"Conversation already has an active response in progress: {response_id}. "
        "Wait until the response is finished before creating a new one.",
    )


def cancel_not_active() -> Refusal:
    """There is no response to cancel."""
    return Refusal("response_cancel_not_active", "Cancellation failed: no active response found")


def commit_empty(buffered_ms: float) -> Refusal:
    """Too little audio for a turn."""
    return Refusal(
        "input_audio_buffer_commit_empty",
        "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
        f"but buffer only has {buffered_ms:.2f}ms of audio.",
    )


def item_unknown(action: str, verb: str, item_id: object) -> Refusal:
    """An item that is not in the conversation. ``action``: retrieve, delete or truncate."""
    return Refusal(
        f"item_{action}_invalid_item_id",
        f"Error {verb} item: the item with id '{item_id}' does not exist.",
    )


def truncate_without_audio() -> Refusal:
    """A truncation of what is no sound of the assistant, or has none yet (livekit/agents#6157)."""
    return Refusal(
        "unsupported_content_type", "Only model output audio messages can be truncated", "item_id"
    )


def truncate_too_long(audio_ms: int, wanted_ms: int) -> Refusal:
    """A truncation after the end of the audio."""
    return Refusal(
        "invalid_value",
        f"Audio content of {audio_ms}ms is already shorter than {wanted_ms}ms",
        "audio_end_ms",
    )


def call_id_unknown(call_id: object) -> Refusal:
    """A tool result for an unknown call."""
    return Refusal(
        "invalid_tool_call_id",
        f"Tool call ID '{call_id}' not found in conversation.",
        "item.call_id",
    )


def session_expired(minutes: float) -> Refusal:
    """The session has reached its maximum length and ends."""
    return Refusal(
        "session_expired",
        f"Your session hit the maximum duration of {minutes:g} minutes.",
    )

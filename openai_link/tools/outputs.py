"""Outputs of tool calls: results as bounded text, failures as ``{"error": …}``. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from mixer_core.runtime.errors import UnreadableError
from mixer_core.runtime.foreign_data import read_json
from mixer_core.runtime.foreign_text import one_line

MAX_OUTPUT_BYTES = 16_384
"""Longest output of a tool call, as UTF-8."""
MAX_ERROR_CHARS = 500
"""Longest message about a failure."""
_CUT = " … [cut: the result was longer]"
_ERROR = '{"error":'


def error_output(message: str) -> str:
    """The output of a tool call that failed: a JSON object with one key, ``error``.

    ``message``: may quote anybody, halves of characters included.
    """
    line = one_line(message, MAX_ERROR_CHARS) or "it failed and gave no reason"
    return msgspec.json.encode({"error": line}).decode()


def is_error(output: str) -> bool:
    """Whether ``output`` reports a failure."""
    return output.startswith(_ERROR)


def error_text(output: str) -> str:
    """The message of an output that reports a failure; any other output as it is."""
    if not is_error(output):
        return output
    try:
        return str(read_json(output)["error"])
    except (UnreadableError, KeyError, TypeError):
        return output


def to_text(value: Any) -> str:
    """A tool's return value as text, of any length.

    Text stays as it is, None becomes ``{"result":"done"}``, the rest is JSON; objects that JSON
    cannot represent are written by ``str``.
    """
    if value is None:
        return '{"result":"done"}'
    return value if isinstance(value, str) else _json(value)


def to_output(value: Any, redact: Callable[[str], str] = str) -> str:
    """``to_text`` in at most 16 KiB, without what ``redact`` removes: no half of it is left."""
    text, most = to_text(value), 4 * MAX_OUTPUT_BYTES
    while len(shown := redact(text[:most])) < 2 * MAX_OUTPUT_BYTES and most < len(text):
        most *= 2  # It is shorter now, and may end with half of a secret.
    return bounded(shown)


def bounded(text: str) -> str:
    """``text``, cut to 16 KiB with a note at its end if it is longer."""
    data = text.encode("utf-8", "replace")
    if len(data) <= MAX_OUTPUT_BYTES:
        return data.decode()
    room = MAX_OUTPUT_BYTES - len(_CUT.encode())
    return data[:room].decode("utf-8", "ignore") + _CUT


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except (TypeError, ValueError, RecursionError, UnicodeError):
        return str(value)

"""What the model is told of a call: results as bounded text, failures as ``{"error": …}``. Sans-I/O."""

from __future__ import annotations

from typing import Any

import msgspec

MAX_OUTPUT_BYTES = 16_384
"""Longest output of a call, as UTF-8."""
MAX_ERROR_CHARS = 500
"""Longest description of a failure."""
_CUT = " … [cut: the result was longer]"
_ERROR = '{"error":'


def error_output(message: str) -> str:
    """The output of a call that failed: a JSON object with the one key ``error``."""
    line = " ".join(message.split()) or "it failed and gave no reason"
    if len(line) > MAX_ERROR_CHARS:
        line = f"{line[: MAX_ERROR_CHARS - 1]}…"
    return msgspec.json.encode({"error": line}).decode()


def is_error(output: str) -> bool:
    """Whether ``output`` tells of a failure."""
    return output.startswith(_ERROR)


def error_text(output: str) -> str:
    """The words of an output that tells of a failure; else the output itself."""
    if not is_error(output):
        return output
    try:
        return str(msgspec.json.decode(output)["error"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return output


def to_output(value: Any) -> str:
    """A tool's return value as text of at most 16 KiB.

    Text stays as it is, nothing becomes ``{"result":"done"}``, the rest is JSON; objects that JSON
    does not know are written as ``str`` shows them.
    """
    if value is None:
        return '{"result":"done"}'
    return bounded(value if isinstance(value, str) else _json(value))


def bounded(text: str) -> str:
    """``text``, cut where it is longer than 16 KiB, with a remark at its end."""
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

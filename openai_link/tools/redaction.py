"""Keeps secrets of the environment out of logs and tool outputs. Sans-I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$")
_PATTERN = re.compile(r"\b(sk|ek)[-_][A-Za-z0-9_\-]{6,}|(?<=Bearer )\S+|(?<=token=)[^&\s]+")
_MIN_CHARS = 6
"""A shorter value is not a secret; replacing it would hit ordinary words."""
_MARK = "[redacted]"


def redactor(environ: Mapping[str, str], extra: tuple[str, ...] = ()) -> Callable[[str], str]:
    """A function that replaces the values of secret variables, and whatever looks like a secret.

    A variable is secret if its name ends with KEY, TOKEN, SECRET, PASSWORD or CREDENTIALS, or is in
    ``extra``.
    """
    values = {
        value.strip()
        for name, value in environ.items()
        if (_SECRET_NAME.search(name.upper()) or name in extra) and len(value.strip()) >= _MIN_CHARS
    }
    longest_first = sorted(values, key=len, reverse=True)

    def redact(text: str) -> str:
        for value in longest_first:
            text = text.replace(value, _MARK)
        return _PATTERN.sub(_MARK, text)

    return redact

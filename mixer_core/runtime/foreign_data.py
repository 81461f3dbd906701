"""JSON and MessagePack of others: read within a budget, or refused. Sans-I/O.

A short text can end its reader: brackets that nest a thousand deep are a ``RecursionError``, while
they are read or when they are shown. It can grow it: a million empty lists take twenty times their
text. So whatever comes from outside of a process is read here. The words of the errors follow
"This text is".
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgpack
import msgspec

from .errors import UnreadableError

MAX_DEPTH = 64
"""Lists and maps within each other."""
MAX_VALUES = 250_000
"""Values of one text, which take some 20 MB; commas within strings count too."""
_T = TypeVar("_T")


def _no_number(constant: str) -> None:
    """``NaN`` and ``Infinity`` are no JSON, and no value that anybody here can use."""


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def read_json(data: str | bytes, is_whole: bool = True) -> Any:
    """The value of a JSON text, which need not be tidy: halves of characters are let through.

    ``is_whole``: nothing may follow the value.

    Raises:
        UnreadableError: it is no JSON (bytes: no UTF-8), too deep, or has too many values.
    """
    try:
        text = data if isinstance(data, str) else data.decode()
        brackets = _checked(text)
        text = text.removeprefix("\ufeff")
        value = _DECODER.decode(text) if is_whole else _DECODER.raw_decode(text)[0]
    except (ValueError, RecursionError) as error:
        raise _unreadable("JSON", error) from error
    if brackets > MAX_DEPTH and is_deep(value):
        raise _too_deep()
    return value


def read_json_by(data: str | bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    """The value of a JSON text, strictly, and of the decoder's type.

    Raises:
        UnreadableError: it is no JSON, too deep, has too many values, or another shape.
    """
    try:
        brackets = _checked(data)
        value = decoder.decode(data)
    except msgspec.ValidationError as error:
        raise UnreadableError(f"not what is expected here: {error}") from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _unreadable("JSON", error) from error
    if brackets > MAX_DEPTH and is_deep(value):
        raise _too_deep()
    return value


def read_packed(data: bytes) -> Any:
    """The value of a MessagePack text; keys of its maps are strings. Its length is the caller's.

    Raises:
        UnreadableError: it is no MessagePack, or too deep.
    """
    try:
        value = msgpack.unpackb(data, strict_map_key=True)
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise _unreadable("MessagePack", error) from error
    if is_deep(value):
        raise _too_deep()
    return value


def _checked(data: str | bytes) -> int:
    """How many brackets open. Raises UnreadableError where there are too many values."""
    if isinstance(data, str):
        brackets, commas = data.count("[") + data.count("{"), data.count(",")
    else:
        brackets, commas = data.count(b"[") + data.count(b"{"), data.count(b",")
    if brackets + commas > MAX_VALUES:
        raise UnreadableError(f"longer than {MAX_VALUES} values")
    return brackets


def is_deep(value: object) -> bool:
    """Whether a value has more levels than ``MAX_DEPTH``."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return False
    return True


def _inner(outer: object) -> list[Any]:
    """The lists and maps right in a value."""
    if isinstance(outer, dict):
        return [value for value in outer.values() if isinstance(value, dict | list)]
    if isinstance(outer, list):
        return [value for value in outer if isinstance(value, dict | list)]
    return []


def _unreadable(what: str, error: Exception) -> UnreadableError:
    if isinstance(error, RecursionError):
        return _too_deep()
    return UnreadableError(f"not valid {what}: {error}")


def _too_deep() -> UnreadableError:
    return UnreadableError(f"more than {MAX_DEPTH} levels deep")

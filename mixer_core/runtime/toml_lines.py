"""On which line of a TOML file each key stands. Sans-I/O.

``tomllib`` does not say. Here each statement is read on its own, the shortest piece of lines that
is valid by itself: the reader of the standard library decides what TOML is, here as elsewhere.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

MAX_STATEMENT_LINES = 400
"""A longer list or text has the line of its first key only."""

Key = tuple[str, ...]


def key_lines(text: str) -> Mapping[Key, int]:
    """Path of every table and key of a valid TOML text → its line, from 1; the first one counts."""
    found: dict[Key, int] = {}
    lines = text.splitlines()
    table: Key = ()
    index = 0
    while index < len(lines):
        line = lines[index].strip()
        number, index = index + 1, index + 1
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            table = next(iter(_deepest(_read(line) or {})), ())
            found.setdefault(table, number)
            continue
        statement = lines[number - 1]
        read = _read(statement)
        while read is None and index < min(len(lines), number + MAX_STATEMENT_LINES):
            statement += "\n" + lines[index]
            index += 1
            read = _read(statement)
        for key in _keys(read or {}):
            found.setdefault((*table, *key), number)
    return found


def _read(text: str) -> dict[str, Any] | None:
    """None: it is not complete."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def _deepest(content: Any) -> Iterator[Key]:
    """The path of an empty table, or of the only one in a list of them."""
    while isinstance(content, list) and content:
        content = content[0]
    if not isinstance(content, dict) or not content:
        yield ()
        return
    for name, inner in content.items():
        for rest in _deepest(inner):
            yield (name, *rest)


def _keys(content: Mapping[str, Any]) -> Iterator[Key]:
    """The path of each value, and of each table on the way."""
    for name, inner in content.items():
        yield (name,)
        if isinstance(inner, dict):
            for rest in _keys(inner):
                yield (name, *rest)

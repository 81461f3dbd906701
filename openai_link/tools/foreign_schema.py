"""Schemas of others as plain JSON schemas: whole, without references, of bounded size. Sans-I/O.

What a tool server sends may be anything. ``read_schema`` keeps the keywords of JSON schema 2020-12
whose values are as they must be (older drafts are translated where it is easy), and puts what a
reference means in its place. Where a type contains itself, anything is allowed from there on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from mixer_core.runtime.errors import ToolDefinitionError
from mixer_core.runtime.foreign_text import one_line

Json = dict[str, Any]

MAX_NODES = 4_000
"""Schemas, lists and objects in one tool's schema, references resolved."""
MAX_DEPTH = 24
"""Levels; below, anything is allowed."""
MAX_TEXT = 1_024
"""Longest description of one argument, in characters."""
TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
_MAX_PATTERN = 256
_BELOW = (
    *("items", "contains", "additionalProperties", "propertyNames", "unevaluatedProperties"),
    *("unevaluatedItems", "not", "if", "then", "else"),
)
_BELOW_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_BELOW_NAMED = ("properties", "patternProperties", "dependentSchemas")
_COUNTS = (
    *("minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains"),
    *("minProperties", "maxProperties"),
)
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_SWITCHES = ("uniqueItems", "deprecated", "readOnly", "writeOnly")
_DATA = ("enum", "const", "default", "examples")
_NOWHERE = object()


def read_schema(schema: Any) -> Json:
    """``schema`` as the module says; no schema at all means no arguments.

    Raises:
        ToolDefinitionError: it is too large.
    """
    if schema is None:
        return {"type": "object", "properties": {}}
    return _Reader(schema).schema(schema, 0, frozenset())


class _Reader:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._left = MAX_NODES
        self._anchors: dict[str, Any] | None = None
        """What has a name of its own; None: nobody has asked for it yet."""

    def schema(self, node: Any, depth: int, path: frozenset[str]) -> Json:
        """One schema; ``path``: the references that led here."""
        if node is False:
            return {"not": {}}
        if not isinstance(node, Mapping) or depth > MAX_DEPTH:
            return {}
        self._count()
        found: Json = {}
        for keyword, value in node.items():
            if isinstance(keyword, str):
                self._keyword(found, keyword, value, depth, path)
        _translate(found, node)
        reference = node.get("$ref", node.get("$dynamicRef", node.get("$recursiveRef")))
        if isinstance(reference, str) and reference not in path:
            target = self._target(reference)
            if target is not _NOWHERE:
                return _joined(self.schema(target, depth, path | {reference}), found)
        return found

    def _keyword(
        self, found: Json, keyword: str, value: Any, depth: int, path: frozenset[str]
    ) -> None:
        if keyword == "items" and isinstance(value, list):  # Before 2020-12.
            keyword = "prefixItems"
        if keyword in _BELOW and isinstance(value, Mapping | bool):
            found[keyword] = self.schema(value, depth + 1, path)
        elif keyword in _BELOW_LISTED and isinstance(value, list) and value:
            found[keyword] = [self.schema(entry, depth + 1, path) for entry in value]
        elif keyword in _BELOW_NAMED and isinstance(value, Mapping):
            found[keyword] = {
                name: self.schema(entry, depth + 1, path)
                for name, entry in value.items()
                if _is_text(name) and (keyword != "patternProperties" or _is_pattern(name))
            }
        elif keyword in _DATA:
            data = self._data(value, depth)
            if keyword == "enum" and isinstance(data, list):
                data = list({json.dumps(entry): entry for entry in data}.values())
            if data is not _NOWHERE and (keyword != "enum" or (isinstance(data, list) and data)):
                found[keyword] = data
        elif keyword in _VALUES:
            kept = _VALUES[keyword](value)
            if kept is not None:
                found[keyword] = kept

    def _data(self, value: Any, depth: int) -> Any:
        """A JSON value; what is none is left out of it."""
        if isinstance(value, str):
            return value if _is_text(value) else _NOWHERE
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else _NOWHERE
        if depth > MAX_DEPTH or not isinstance(value, list | Mapping):
            return _NOWHERE
        self._count()
        if isinstance(value, list):
            entries = [self._data(entry, depth + 1) for entry in value]
            return [entry for entry in entries if entry is not _NOWHERE]
        pairs = {k: self._data(v, depth + 1) for k, v in value.items() if _is_text(k)}
        return {key: entry for key, entry in pairs.items() if entry is not _NOWHERE}

    def _target(self, reference: str) -> Any:
        """What a reference within the schema stands for."""
        marker = reference.removeprefix("#")
        if marker == reference:
            return _NOWHERE  # Another document: nothing is fetched.
        if marker and not marker.startswith("/"):
            return self._anchored(marker)
        node = self._root
        for step in marker.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and key.isascii() and key.isdigit() and int(key) < len(node):
                node = node[int(key)]
            elif isinstance(node, Mapping) and key in node:
                node = node[key]
            else:
                return _NOWHERE
        return node

    def _anchored(self, anchor: str) -> Any:
        if self._anchors is None:
            self._anchors = _anchors(self._root)
        return self._anchors.get(anchor, _NOWHERE)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ToolDefinitionError(f"its schema has more than {MAX_NODES} parts")


def _anchors(root: Any) -> dict[str, Any]:
    """The nodes with names, as far as ``MAX_NODES`` are looked at."""
    found: dict[str, Any] = {}
    waiting, seen = [root], 0
    while waiting and seen < MAX_NODES:
        node = waiting.pop()
        seen += 1
        if isinstance(node, Mapping):
            for name in (node.get("$anchor"), node.get("$dynamicAnchor")):
                if isinstance(name, str):
                    found.setdefault(name, node)
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return found


def _joined(base: Json, own: Json) -> Json:
    """A reference's meaning together with what stands beside it."""
    both = {**base, **own}
    if "properties" in base and "properties" in own:
        both["properties"] = {**base["properties"], **own["properties"]}
    if "required" in base and "required" in own:
        both["required"] = list(dict.fromkeys([*base["required"], *own["required"]]))
    return both


def _translate(found: Json, node: Mapping[str, Any]) -> None:
    """Older drafts, and OpenAPI, say some things in another way."""
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if node.get(exclusive) is True and limit in found:
            found[exclusive] = found.pop(limit)
    if node.get("nullable") is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    properties = node.get("properties")
    if isinstance(properties, Mapping):
        marked = [
            name
            for name, entry in properties.items()
            if isinstance(entry, Mapping) and entry.get("required") is True and _is_text(name)
        ]
        if marked:
            found["required"] = list(dict.fromkeys([*found.get("required", ()), *marked]))


def _is_text(value: Any) -> bool:
    """Text that can be sent: no half of a character."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _is_pattern(value: Any) -> bool:
    if not _is_text(value) or len(value) > _MAX_PATTERN:
        return False
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _type(value: Any) -> Any:
    if isinstance(value, str):
        return value if value in TYPES else None
    if not isinstance(value, list):
        return None
    known = list(dict.fromkeys(t for t in value if isinstance(t, str) and t in TYPES))
    return known or None


def _names(value: Any) -> list[str] | None:
    if not isinstance(value, list):
        return None
    return list(dict.fromkeys(name for name in value if _is_text(name)))


def _named_names(value: Any) -> dict[str, list[str]] | None:
    if not isinstance(value, Mapping):
        return None
    pairs = {name: _names(entry) for name, entry in value.items() if _is_text(name)}
    return {name: entry for name, entry in pairs.items() if entry is not None}


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


def _count_of(value: Any) -> int | None:
    number = _number(value)
    return None if number is None or number < 0 or int(number) != number else int(number)


def _positive(value: Any) -> int | float | None:
    number = _number(value)
    return None if number is None or number <= 0 else number


_VALUES: dict[str, Callable[[Any], Any]] = {
    "type": _type,
    "required": _names,
    "dependentRequired": _named_names,
    "title": lambda value: one_line(value, MAX_TEXT) or None,
    "description": lambda value: one_line(value, MAX_TEXT) or None,
    "format": lambda value: one_line(value, 64) or None,
    "pattern": lambda value: value if _is_pattern(value) else None,
    "multipleOf": _positive,
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys(_COUNTS, _count_of),
    **dict.fromkeys(_SWITCHES, lambda value: value if isinstance(value, bool) else None),
}
"""What is kept of a keyword's value; None: nothing."""

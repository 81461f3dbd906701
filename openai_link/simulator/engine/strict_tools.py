"""What the service refuses of function tools: names, texts and schemas. Sans-I/O.

Part of ``strict_checks``. The rules for a schema at its top are the service's own words; for the
rest it must be a JSON schema (draft 2020-12) whose references stay within it, of bounded size.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from . import refusals
from .refusals import Refusal

MAX_TOOLS = 128
MAX_NAME, MAX_DESCRIPTION = 64, 1_024
MAX_LEVELS = 20
"""Levels of schemas within schemas."""
MAX_PROPERTIES = 5_000
MAX_CHARS = 120_000
"""Longest schema as JSON text."""

_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_NOT_AT_TOP = ("oneOf", "anyOf", "allOf", "enum", "not")
_SCHEMAS = ("not", "if", "then", "else", "contains", "propertyNames")
_SCHEMAS_OR_SWITCHES = ("additionalProperties", "unevaluatedProperties", "unevaluatedItems")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_TEXTS = ("title", "description", "pattern", "format", "$ref")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")


def check_function_tools(tools: Any, path: str) -> None:
    """Check a list of tools that ``tool_checks`` has passed, or will refuse. Raises Refusal."""
    if not isinstance(tools, list):
        return
    if len(tools) > MAX_TOOLS:
        raise refusals.too_many(path, MAX_TOOLS, len(tools))
    known: set[str] = set()
    for index, tool in enumerate(tools):
        if not isinstance(tool, Mapping) or tool.get("type") != "function":
            continue
        name = tool.get("name")
        if not isinstance(name, str):
            continue
        _check_tool(tool, name, f"{path}[{index}]")
        if name in known:
            raise refusals.invalid_value(f"{path}[{index}].name", name, "Tool names are unique.")
        known.add(name)


def _check_tool(tool: Mapping[str, Any], name: str, path: str) -> None:
    if not name:
        raise refusals.too_short(f"{path}.name", 1, 0)
    if len(name) > MAX_NAME:
        raise refusals.too_long(f"{path}.name", MAX_NAME, len(name))
    if not _NAME.fullmatch(name):
        raise refusals.wrong_pattern(f"{path}.name", f"^{_NAME.pattern}$")
    description = tool.get("description")
    if description is not None and not isinstance(description, str):
        raise refusals.invalid_value(f"{path}.description", description, "Expected a string.")
    if isinstance(description, str) and len(description) > MAX_DESCRIPTION:
        raise refusals.too_long(f"{path}.description", MAX_DESCRIPTION, len(description))
    schema = tool.get("parameters")
    if isinstance(schema, Mapping):
        try:
            _Schema(name, f"{path}.parameters", schema).check()
        except RecursionError as error:
            raise refusals.bad_schema(name, "it is too deep.", f"{path}.parameters") from error


class _Schema:
    """One schema; ``check`` raises Refusal."""

    def __init__(self, tool: str, path: str, root: Mapping[str, Any]) -> None:
        self._tool = tool
        self._path = path
        self._root = root
        self._properties = 0

    def check(self) -> None:
        """The whole of it."""
        self._check_json(self._root)
        kind = self._root.get("type")
        if kind != "object":
            shown = f'type: "{kind}"'
            raise self._refusal(
                f"schema must be a JSON Schema of 'type: \"object\"', got '{shown}'."
            )
        if any(keyword in self._root for keyword in _NOT_AT_TOP):
            raise self._refusal(
                "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' "
                "at the top level."
            )
        self._check(self._root, (), 0)
        if len(json.dumps(self._root)) > MAX_CHARS:
            raise self._refusal(f"it has more than {MAX_CHARS} characters.")

    def _check(self, node: Any, where: tuple[str, ...], level: int) -> None:
        if not isinstance(node, Mapping):
            raise self._wrong(where, f"{_shown(node)} is not of type 'object'")
        if level > MAX_LEVELS:
            raise self._refusal(f"it has more than {MAX_LEVELS} levels.")
        self._check_values(node, where)
        for keyword in _SCHEMAS:
            if keyword in node:
                self._check(node[keyword], (*where, keyword), level + 1)
        for keyword in _SCHEMAS_OR_SWITCHES:
            if not isinstance(node.get(keyword, True), bool):
                self._check(node[keyword], (*where, keyword), level + 1)
        for keyword in _LISTS:
            for entry in self._listed(node, keyword, where):
                self._check(entry, (*where, keyword), level + 1)
        for keyword in _MAPS:
            for name, entry in self._named(node, keyword, where):
                self._properties += keyword == "properties"
                self._check(entry, (*where, keyword, name), level + 1)
        if self._properties > MAX_PROPERTIES:
            raise self._refusal(f"it has more than {MAX_PROPERTIES} properties.")
        self._check_items(node, where, level)

    def _check_items(self, node: Mapping[str, Any], where: tuple[str, ...], level: int) -> None:
        kinds = node.get("type")
        is_array = "array" in kinds if isinstance(kinds, list) else kinds == "array"
        if "items" in node:
            self._check(node["items"], (*where, "items"), level + 1)
        elif is_array:
            raise self._wrong(where, "array schema missing items")

    def _check_values(self, node: Mapping[str, Any], where: tuple[str, ...]) -> None:
        kinds = node.get("type", [])
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if not isinstance(kind, str) or kind not in _TYPES:
                raise self._wrong(where, f"{_shown(kind)} is not a known type")
        required = node.get("required", [])
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise self._wrong(where, f"{_shown(required)} is not of type 'array' of strings")
        if len(set(required)) != len(required):
            raise self._wrong(where, f"{_shown(required)} has non-unique elements")
        if "enum" in node and not (isinstance(node["enum"], list) and node["enum"]):
            raise self._wrong(where, "'enum' must be a non-empty array")
        self._check_listed_values(node, where)
        for keyword in _TEXTS:
            if not isinstance(node.get(keyword, ""), str):
                raise self._wrong(where, f"{_shown(node[keyword])} is not of type 'string'")
        for keyword in (*_NUMBERS, *_COUNTS):
            value = node.get(keyword, 1)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise self._wrong(where, f"{_shown(value)} is not of type 'number'")
        if "pattern" in node:
            self._check_pattern(node["pattern"], where)
        if "$ref" in node:
            self._check_reference(node["$ref"], where)

    def _check_listed_values(self, node: Mapping[str, Any], where: tuple[str, ...]) -> None:
        """Values fit the node's type; values of several types need one that says so."""
        kinds = node.get("type")
        allowed = kinds if isinstance(kinds, list) else [kinds] if kinds else []
        constant = [node["const"]] if "const" in node else []
        for value in [*node.get("enum", ()), *constant]:
            if allowed and not any(_is_of(value, kind) for kind in allowed):
                raise self._wrong(
                    where, f"enum value {_shown(value)} does not validate against {allowed}"
                )
        names = [kind for kind in _TYPES if kind not in ("null", "integer")]
        found = {k for v in node.get("enum", ()) for k in names if _is_of(v, k)}
        if len(found) > 1:
            raise self._wrong(where, f"enum values are of several types: {sorted(found)}")

    def _check_pattern(self, pattern: str, where: tuple[str, ...]) -> None:
        try:
            re.compile(pattern)
        except re.error as error:
            raise self._wrong(where, f"{_shown(pattern)} is not a 'regex'") from error

    def _check_reference(self, reference: str, where: tuple[str, ...]) -> None:
        node: Any = self._root
        for step in reference.split("/")[1:]:
            node = node.get(step) if isinstance(node, Mapping) else None
        if not reference.startswith("#") or not isinstance(node, Mapping):
            raise self._wrong(where, f"reference can only point to definitions: {reference[:60]}")

    def _listed(self, node: Mapping[str, Any], keyword: str, where: tuple[str, ...]) -> list[Any]:
        found = node.get(keyword, [])
        if keyword in node and not (isinstance(found, list) and found):
            raise self._wrong(where, f"'{keyword}' must be a non-empty array")
        return list(found)

    def _named(
        self, node: Mapping[str, Any], keyword: str, where: tuple[str, ...]
    ) -> list[tuple[str, Any]]:
        found = node.get(keyword, {})
        if not isinstance(found, Mapping):
            raise self._wrong(where, f"{_shown(found)} is not of type 'object'")
        return list(found.items())

    def _check_json(self, value: Any) -> None:
        """Numbers that JSON does not have can still come from a lenient reader of JSON."""
        if isinstance(value, float) and not math.isfinite(value):
            raise self._refusal(f"{value} is not valid JSON.")
        entries = value.values() if isinstance(value, Mapping) else value
        if isinstance(value, Mapping | list):
            for entry in entries:
                self._check_json(entry)

    def _wrong(self, where: tuple[str, ...], words: str) -> Refusal:
        place = ", ".join(f"'{step}'" for step in where)
        return self._refusal(f"In context=({place}), {words}.")

    def _refusal(self, words: str) -> Refusal:
        return refusals.bad_schema(self._tool, words, self._path)


def _is_of(value: Any, kind: str) -> bool:
    """Whether a value is of a JSON type."""
    if isinstance(value, bool) or value is None:
        return kind == ("null" if value is None else "boolean")
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    types = {"string": str, "number": (int, float), "array": list, "object": Mapping}
    return isinstance(value, types.get(kind, ()))  # type: ignore[arg-type]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"

"""Values that a schema lists, by the types that it allows. Sans-I/O.

A service that makes a grammar of a schema wants every value of ``enum`` to fit the node's ``type``,
and all values of one list to be of one type: "enum value 1 does not validate against {'type':
'string'}". Values that do not fit ``type`` are never valid, so nothing is lost without them. Values
of several types become one alternative for each, which means the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]


def with_typed_values(node: Json) -> Json:
    """The same schema with ``enum`` and ``const`` as services take them."""
    if "const" in node and not _fits(node["const"], types_of(node)):
        node = _without(node, "const")
    if "const" in node:  # It says more than a list, whose types it need not fit.
        return _without(node, "enum")
    values = node.get("enum")
    if not isinstance(values, list):
        return node
    allowed = types_of(node)
    fitting = [value for value in values if _fits(value, allowed)]
    kinds = _kinds(fitting)
    if not fitting:
        return _without(node, "enum")
    others = [kind for kind in kinds if kind != "null"]
    if len(others) < 2:
        return _of_one_type(node, fitting, kinds, allowed)
    rest = _without(node, "enum", "type")
    if "anyOf" in rest:
        return _without(node, "enum")
    named: Json = {k: rest.pop(k) for k in ("title", "description", "default") if k in rest}
    lists = ([v for v in fitting if _fits(v, [kind])] for kind in kinds)
    choices = [{"type": k, **rest, "enum": v} for k, v in zip(kinds, lists, strict=True)]
    return {**named, "anyOf": choices}


def type_of(value: Any) -> str:
    """The JSON type of a value; ``integer`` is a type of its own."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def types_of(node: Mapping[str, Any]) -> list[str]:
    """The types that a schema allows; empty: all."""
    kind = node.get("type", [])
    return [kind] if isinstance(kind, str) else [name for name in kind if isinstance(name, str)]


def _of_one_type(node: Json, values: list[Any], kinds: list[str], allowed: list[str]) -> Json:
    """The values are of one type, and perhaps null."""
    if len(allowed) < 2 and not (allowed and "null" in kinds) and len(kinds) < 2:
        return node if len(values) == len(node["enum"]) else {**node, "enum": values}
    return {**node, "type": kinds if len(kinds) > 1 else kinds[0], "enum": values}


def _fits(value: Any, allowed: list[str]) -> bool:
    kind = type_of(value)
    if not allowed or kind in allowed:
        return True
    if kind == "integer":
        return "number" in allowed
    return kind == "number" and "integer" in allowed and value.is_integer()


def _kinds(values: Iterable[Any]) -> list[str]:
    """Types in order of appearance; a list with fractions is one of numbers."""
    kinds = list(dict.fromkeys(type_of(value) for value in values))
    if "number" in kinds and "integer" in kinds:
        kinds.remove("integer")
    return kinds


def _without(node: Json, *keys: str) -> Json:
    return {key: value for key, value in node.items() if key not in keys}

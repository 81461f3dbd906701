"""Makes an example of a JSON schema, as arguments of a forced call. Sans-I/O."""

from __future__ import annotations

from typing import Any

_VALUES: dict[str, Any] = {
    "string": "example",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "null": None,
}


def example(schema: dict[str, Any]) -> Any:
    """Return a value that fits: required properties, first choices, least numbers."""
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return example(schema[key][0])
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties") or {}
        names = [name for name in schema.get("required") or [] if name in properties]
        return {name: example(properties[name]) for name in names}
    if kind == "array":
        return [example(schema.get("items") or {"type": "string"})] * schema.get("minItems", 0)
    return schema.get("minimum", _VALUES.get(kind))

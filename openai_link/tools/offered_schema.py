"""A tool's schema as the service takes it, and the check of arguments by the whole of it. Sans-I/O.

The service wants an object with properties, without ``anyOf``, ``oneOf``, ``allOf``, ``not`` and
``enum`` at the top, and has limits for size and depth. What it must not be told is still true: the
arguments of each call are checked against the whole schema here, and the model is told what was
wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mixer_core.runtime.errors import ToolDefinitionError, ToolError

from .foreign_schema import Json, read_schema
from .schema import parse_object
from .value_types import types_of as _types
from .value_types import with_typed_values

MAX_SCHEMA_CHARS = 16_000
"""Longest schema of one tool, as JSON text."""
MAX_LEVELS = 8
"""Deepest schema of one tool."""
MAX_PROPERTIES = 500
MAX_CHOICES = 500
"""Longest ``enum``; longer ones are left to the check of the arguments."""
MAX_FAULT_CHARS = 300
_ALTERNATIVES = ("anyOf", "oneOf")
_BELOW = ("properties", "items", "additionalProperties", "not", "anyOf", "oneOf", "allOf")
_NOTHING: Json = {"not": {}}
"""What ``false`` means."""
_LEFT_OUT = frozenset(
    {
        *("prefixItems", "contains", "minContains", "maxContains", "patternProperties"),
        *("propertyNames", "unevaluatedProperties", "unevaluatedItems", "dependentSchemas"),
        *("dependentRequired", "if", "then", "else"),
    }
)
"""Keywords that some models and compatible servers refuse."""
_REST_OF = {"additionalProperties": "patternProperties", "items": "prefixItems"}
_ORNAMENTS = frozenset({"description", "title", "examples", "default", "pattern", "format"})
_STAGES = (_LEFT_OUT, _LEFT_OUT | _ORNAMENTS, _LEFT_OUT | _ORNAMENTS | {"enum", "const"})
"""What is left out, if it must be."""
_SLOW = frozenset(
    {
        *("pattern", "patternProperties", "format", "propertyNames"),
        *("uniqueItems", "unevaluatedProperties", "unevaluatedItems"),
    }
)
"""Left to the server: a pattern can take for ever, each value is compared with all others, and what
is unevaluated takes twice as long with each level."""


@dataclass(frozen=True, slots=True)
class OfferedSchema:
    """What became of a schema."""

    parameters: Json
    """What the model is told."""
    note: str
    """What the model is told beside it, in a sentence, or empty."""
    check: Callable[[str], Json]
    """JSON text of the arguments → arguments by name; raises ToolError if they are wrong."""


def offered_schema(schema: Any) -> OfferedSchema:
    """Adapt a schema of others.

    Raises:
        ToolDefinitionError: no object fits it, or it is too large.
    """
    whole = read_schema(schema)
    return OfferedSchema(_parameters(whole), _note(whole), _checker(_quick(whole)))


def offered_parameters(schema: Any) -> Json:
    """Adapt a schema whose arguments are checked elsewhere. Raises ToolDefinitionError."""
    return _parameters(read_schema(schema))


def _parameters(whole: Json) -> Json:
    if whole == _NOTHING:
        raise ToolDefinitionError("no arguments fit its schema")
    flat = _flat(whole)
    if "type" in flat and "object" not in _types(flat):
        kind = " or ".join(_types(flat))
        raise ToolDefinitionError(f"its arguments are {kind}, not an object")
    properties = flat.get("properties", {})
    required = [name for name in flat.get("required", ()) if isinstance(name, str)]
    for name in required:
        properties.setdefault(name, {})
    if len(properties) > MAX_PROPERTIES:
        raise ToolDefinitionError(f"it has {len(properties)} arguments, more than {MAX_PROPERTIES}")
    parameters: Json = {"type": "object", "properties": properties}
    if required:
        parameters["required"] = required
    if flat.get("additionalProperties") is not None:
        parameters["additionalProperties"] = flat["additionalProperties"]
    return _fitting(parameters)


# -- the top level ------------------------------------------------------------------------------


def _flat(node: Mapping[str, Any]) -> Json:
    """The properties of an object schema, those of its alternatives and parts included."""
    kept = ("type", "properties", "required", "additionalProperties")
    flat: Json = {key: node[key] for key in kept if key in node and not _is_rest(key, node)}
    flat["properties"] = dict(flat.get("properties", {}))
    for part in map(_flat, node.get("allOf", ())):
        _add(flat, part, flat.get("required", []) + part.get("required", []))
    for keyword in _ALTERNATIVES:
        choices = [_flat(choice) for choice in node.get(keyword, ()) if _may_be_object(choice)]
        if node.get(keyword) and not choices:
            return {**flat, "type": _types(node[keyword][0]) or ["null"]}
        shared = _shared(choice.get("required", ()) for choice in choices)
        for choice in choices:
            _add(flat, choice, flat.get("required", []) + shared)
    return flat


def _add(flat: Json, other: Mapping[str, Any], required: Iterable[str]) -> None:
    """Allow the properties of ``other`` as well; a name that means two things may be either."""
    for name, schema in other["properties"].items():
        known = flat["properties"].get(name)
        flat["properties"][name] = schema if known is None else _either(known, schema)
    flat["required"] = list(dict.fromkeys(required))
    flat.pop("additionalProperties", None)
    if "type" not in flat and "type" in other:
        flat["type"] = other["type"]


def _either(one: Json, other: Json) -> Json:
    known = one["anyOf"] if set(one) == {"anyOf"} else [one]
    return one if other in known or not one else {"anyOf": [*known, other]}


def _shared(lists: Iterable[Sequence[str]]) -> list[str]:
    """What every one of the lists has."""
    known = [list(names) for names in lists]
    return [name for name in known[0] if all(name in names for names in known)] if known else []


def _may_be_object(node: Mapping[str, Any]) -> bool:
    return node != {"not": {}} and ("type" not in node or "object" in _types(node))


def _note(whole: Mapping[str, Any]) -> str:
    """Which arguments go together, where the schema says it by alternatives."""
    for keyword in _ALTERNATIVES:
        wanted = [_flat(choice).get("required", []) for choice in whole.get(keyword, ())]
        texts = list(dict.fromkeys(" and ".join(names) for names in wanted if names))
        if len(texts) > 1 and len(texts) == len(wanted):
            one = "exactly one of" if keyword == "oneOf" else "at least one of"
            return f"Give {one}: {'; '.join(texts)}."[:MAX_FAULT_CHARS]
    return ""


# -- below --------------------------------------------------------------------------------------


def _fitting(parameters: Json) -> Json:
    """Within the limits: first ornaments go, then the lowest levels."""
    for levels in range(MAX_LEVELS, 0, -1):
        for without in _STAGES:
            shown = _shown(parameters, levels, without)
            if len(json.dumps(shown)) <= MAX_SCHEMA_CHARS:
                return shown
    raise ToolDefinitionError(f"its schema has more than {MAX_SCHEMA_CHARS} characters")


def _shown(node: Json, levels: int, without: frozenset[str]) -> Json:
    """A schema of at most ``levels`` levels, which allows no less than ``node``."""
    shown: Json = {}
    for keyword, value in with_typed_values(node).items():
        if keyword in without or (keyword == "enum" and len(value) > MAX_CHOICES):
            continue
        if _is_rest(keyword, node):
            continue
        if keyword == "additionalProperties" and value in (_NOTHING, {}):
            shown[keyword] = value == {}
        elif keyword in _BELOW:
            if levels > 0:
                below = _below(keyword, value, levels - 1, without)
                shown |= _no_less(keyword, value, below, node)
        elif keyword != "required" or levels > 0:
            shown[keyword] = value
    if "array" in _types(shown):
        shown.setdefault("items", {})
    return shown


def _is_rest(keyword: str, node: Mapping[str, Any]) -> bool:
    """Whether a keyword is about what another one leaves over, which the model is not told."""
    other = _REST_OF.get(keyword)
    return other is not None and other in node


def _no_less(keyword: str, whole: Any, below: Any, node: Mapping[str, Any]) -> Json:
    """A keyword with what is shown of its schemas: where they allow more, it may allow less."""
    if below == whole or keyword not in ("not", "oneOf"):
        return {keyword: below}
    return {} if keyword == "not" or "anyOf" in node else {"anyOf": below}


def _below(keyword: str, value: Any, levels: int, without: frozenset[str]) -> Any:
    if keyword == "properties":
        named = {name: entry for name, entry in value.items() if entry != _NOTHING}
        return {name: _shown(entry, levels, without) for name, entry in named.items()}
    if isinstance(value, list):
        return [_shown(entry, levels, without) for entry in value]
    return _shown(value, levels, without)


# -- the arguments of a call --------------------------------------------------------------------


def _quick(node: Any) -> Any:
    """A schema without what may take long to check."""
    if isinstance(node, list):
        return [_quick(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    if node == _NOTHING:
        return False
    quick: Json = {}
    for keyword, value in node.items():
        if keyword in _SLOW:
            continue
        if keyword in ("properties", "dependentSchemas"):
            quick[keyword] = {name: _quick(entry) for name, entry in value.items()}
        elif keyword in ("enum", "const", "default", "examples", "required", "dependentRequired"):
            quick[keyword] = value
        else:
            quick[keyword] = _quick(value)
    if "patternProperties" in node:  # What it would allow is not known here.
        quick.pop("additionalProperties", None)
    return quick


def _checker(whole: Json) -> Callable[[str], Json]:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    return partial(_checked, Draft202012Validator(whole, registry=Registry()))


def _checked(validator: Any, text: str) -> Json:
    from jsonschema.exceptions import best_match

    arguments = parse_object(text)
    try:
        fault = best_match(validator.iter_errors(arguments))
    except (RecursionError, OverflowError, ArithmeticError) as error:
        raise ToolError("the arguments are too deep or too large") from error
    if fault is not None:
        where = ".".join(str(step) for step in fault.absolute_path)
        words = f"{where}: {fault.message}" if where else str(fault.message)
        raise ToolError(f"wrong arguments: {words[:MAX_FAULT_CHARS]}")
    return arguments

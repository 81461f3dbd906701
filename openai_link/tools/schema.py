"""A function's parameters as a JSON schema, and the check of arguments against it. Sans-I/O.

Types come from the annotations, descriptions from the docstring (any common style) or from
``Annotated[str, "…"]``. Every type that msgspec can convert from JSON can be used.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import docstring_parser
import msgspec

from mixer_core.runtime.errors import ToolDefinitionError, ToolError, UnreadableError
from mixer_core.runtime.foreign_data import read_json_by

from .spec import Caller
from .value_types import with_typed_values

MAX_ARGUMENTS_CHARS = 65_536
"""Longest arguments of a tool call, as JSON text."""
_MAX_EXACT = 2**53
_IMMUTABLE = (str, int, float, bool, bytes, tuple, frozenset, type(None))
_BY_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function looks like to the model."""

    description: str
    parameters: dict[str, Any]
    """JSON schema without references."""
    check: Callable[[str], dict[str, Any]]
    """See ``ToolSpec.check``."""
    caller: str
    """See ``ToolSpec.caller``."""


def signature_of(function: Callable[..., Any], name: str) -> Signature:
    """Read ``function``.

    Raises:
        ToolDefinitionError: no docstring, a parameter without a type or with one that JSON cannot
            hold, ``*args``, ``**kwargs``, positional-only parameters.
    """
    docstring = docstring_parser.parse(inspect.getdoc(function) or "")
    parts = (docstring.short_description, docstring.long_description)
    description = "\n".join(part for part in parts if part)
    if not description:
        raise ToolDefinitionError(f"tool {name} needs a docstring: the model goes by it")
    described = {entry.arg_name: entry.description or "" for entry in docstring.params}
    hints = _hints(function, name)
    caller, fields = "", []
    for parameter in inspect.signature(function).parameters.values():
        hint = _checked_hint(parameter, hints, name)
        if hint is Caller:
            caller = parameter.name
            continue
        fields.append(_field(parameter, _described(hint, described.get(parameter.name, ""))))
    model, parameters = _model(name, fields)
    return Signature(description, parameters, partial(_check, name, model, parameters), caller)


def _number(text: str) -> int | float:
    """JSON has one kind of number: 5.0 is an integer."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < _MAX_EXACT else value


_DECODER = msgspec.json.Decoder(float_hook=_number)


def parse_object(text: str) -> dict[str, Any]:
    """``text`` as a JSON object; empty text is an empty one.

    Raises:
        ToolError: it is not a JSON object, or too long.
    """
    if len(text) > MAX_ARGUMENTS_CHARS:
        raise ToolError(f"the arguments are longer than {MAX_ARGUMENTS_CHARS} characters")
    try:
        value = read_json_by(text.strip() or "{}", _DECODER)
    except UnreadableError as error:
        raise ToolError(f"the arguments are {error}") from error
    if not isinstance(value, dict):
        raise ToolError(f"the arguments must be a JSON object, not {type(value).__name__}")
    return value


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise ToolDefinitionError(f"tool {name}: a type cannot be resolved: {error}") from error


def _checked_hint(parameter: inspect.Parameter, hints: Mapping[str, Any], name: str) -> Any:
    if parameter.kind not in _BY_KEYWORD:
        raise ToolDefinitionError(f"tool {name}: {parameter} cannot be passed by name")
    if parameter.name not in hints:
        raise ToolDefinitionError(f"tool {name}: parameter {parameter.name} needs a type")
    return hints[parameter.name]


def _described(hint: Any, text: str) -> Any:
    """``hint`` with its description: from ``Annotated[…, "text"]``, else ``text``."""
    if get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        text = next((extra for extra in extras if isinstance(extra, str)), text)
        for extra in extras:
            if isinstance(extra, msgspec.Meta):
                hint = Annotated[hint, extra]
    return Annotated[hint, msgspec.Meta(description=" ".join(text.split()))] if text else hint


def _field(parameter: inspect.Parameter, hint: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    default = parameter.default
    if default is inspect.Parameter.empty:
        return (parameter.name, hint)
    if not isinstance(default, _IMMUTABLE):
        default = msgspec.field(default_factory=partial(copy.deepcopy, default))
    return (parameter.name, hint, default)


def _model(name: str, fields: list[Any]) -> tuple[type[msgspec.Struct], dict[str, Any]]:
    """The type that holds the arguments, and its schema."""
    try:
        model = msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)
        (schema,), known = msgspec.json.schema_components([model], ref_template="{name}")
        msgspec.json.Decoder(model)
    except (TypeError, ValueError, NotImplementedError) as error:
        text = " ".join(str(error).split())
        raise ToolDefinitionError(f"tool {name}: a type has no JSON form: {text}") from error
    parameters = _inlined(schema, known, (), name)
    parameters.setdefault("properties", {})
    return model, parameters


def _inlined(node: Any, known: Mapping[str, Any], path: tuple[str, ...], name: str) -> Any:
    """A schema without references and titles: not every server understands them."""
    if isinstance(node, list):
        return [_inlined(child, known, path, name) for child in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str):
        if reference in path:
            raise ToolDefinitionError(f"tool {name}: the type {reference} contains itself")
        target = _inlined(known[reference], known, (*path, reference), name)
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return {**target, **rest}
    found = {}
    for key, value in node.items():
        if key == "properties":
            found[key] = {k: _inlined(child, known, path, name) for k, child in value.items()}
        elif key in ("default", "enum", "const"):
            found[key] = value
        elif key != "title" or not isinstance(value, str):
            found[key] = _inlined(value, known, path, name)
    return with_typed_values(found)


def _check(
    name: str, model: type[msgspec.Struct], parameters: Mapping[str, Any], text: str
) -> dict[str, Any]:
    """Arguments by name, of the function's types; ToolError tells the model what to correct."""
    value = parse_object(text)
    try:
        arguments = msgspec.convert(value, model)
    except (msgspec.ValidationError, RecursionError) as error:
        expected = _expected(parameters) or "no arguments"
        raise ToolError(f"{name}: {error}. It takes: {expected}") from error
    return {field: getattr(arguments, field) for field in model.__struct_fields__}


def _expected(parameters: Mapping[str, Any]) -> str:
    required = parameters.get("required", ())
    return ", ".join(
        f"{key} ({_type_name(schema)}{'' if key in required else ', optional'})"
        for key, schema in parameters["properties"].items()
    )


def _type_name(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + "/".join(str(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type_name(choice) for choice in schema["anyOf"])
    return str(schema.get("type", "any"))

"""What tools say: an MCP server's list, the results of calls, the model's arguments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mixer_core.runtime.errors import ToolError
from openai_link.settings import McpServer
from openai_link.tools.mcp_listing import MAX_LISTED, ORIGINAL, listing, tidied
from openai_link.tools.offered_schema import MAX_SCHEMA_CHARS
from openai_link.tools.outputs import (
    MAX_OUTPUT_BYTES,
    error_output,
    error_text,
    is_error,
    to_output,
)
from openai_link.tools.spec import MAX_DESCRIPTION, MAX_QUESTION_CHARS
from tests.fuzz.border import Border

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST_PROBLEM = 200_000


def attempt(data: bytes) -> None:
    """What is offered is within the service's rules; outputs are text of at most 16 KiB."""
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        given = data.decode("utf-8", "replace")
    fields: Mapping[str, Any] = given if isinstance(given, dict) else {"tools": given}
    _list(fields.get("tools"), fields.get("arguments"))
    for value in (fields.get("result"), given, str(fields.get("result"))):
        _output(value)
    _mcp_result(fields.get("result"))


def _list(tools: Any, arguments: Any) -> None:
    result = tidied({"tools": tools})
    _by_library(result)
    if not isinstance(result["tools"], list):
        return
    originals = [(tool.get("_meta") or {}).get(ORIGINAL) or {} for tool in result["tools"]]
    found = listing("home", "home", McpServer(url="http://x"), originals, lambda _: print)
    assert len(found.specs) <= min(len(originals), MAX_LISTED)
    names = [spec.name for spec in found.specs]
    assert len(set(names)) == len(names)
    assert all("\n" not in problem for problem in found.problems)
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    for spec in found.specs:
        assert NAME.fullmatch(spec.name)
        definition = spec.definition()
        assert len(definition["description"]) <= MAX_DESCRIPTION
        assert len(json.dumps(definition["parameters"])) <= MAX_SCHEMA_CHARS
        json.dumps(definition, ensure_ascii=False).encode()
        try:
            checked = spec.check(text)
        except ToolError as error:
            _output_text(error_output(str(error)))
            continue
        question = spec.ask(checked)
        assert len(question) <= MAX_QUESTION_CHARS and question.encode()


def _by_library(result: Any) -> None:
    """The library takes what was tidied, whatever it was."""
    from mcp_types import ListToolsResult

    if isinstance(result.get("tools"), list):
        ListToolsResult.model_validate(result)


def _mcp_result(value: Any) -> None:
    from mcp_types import CallToolResult
    from pydantic import ValidationError

    from openai_link.tools.mcp_results import output_of

    try:
        result = CallToolResult.model_validate(value)
    except (ValidationError, RecursionError):
        return
    _output_text(to_output(output_of(result)))


def _output(value: Any) -> None:
    _output_text(to_output(value))
    if isinstance(value, str):
        text = error_output(value)
        _output_text(text)
        assert is_error(text) and error_text(text)
        error_text(value)


def _output_text(text: str) -> None:
    assert len(text.encode()) <= MAX_OUTPUT_BYTES


def _seeds() -> Iterator[bytes]:
    light = {
        "name": "light.turn_on",
        "description": "Turns on a light.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "room": {"type": "string", "enum": ["kitchen", "den"]},
                "level": {"type": "integer", "minimum": 0, "maximum": 100},
            },
            "required": ["room"],
        },
    }
    tree = {
        "name": "plant",
        "title": "Plant a tree",
        "inputSchema": {
            "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
            "anyOf": [{"$ref": "#/$defs/node"}, {"required": ["a"], "properties": {"a": {}}}],
            "patternProperties": {"^x": {"type": ["string", "null"]}},
            "additionalProperties": False,
        },
    }
    odd = {"name": "light.turn on", "inputSchema": {"allOf": [{"type": "object"}, {"not": {}}]}}
    text = {"content": [{"type": "text", "text": "It is on."}], "structuredContent": {"on": True}}
    yield json.dumps({"tools": [light, tree, odd], "arguments": '{"room": "den"}'}).encode()
    yield json.dumps({"tools": [light], "arguments": {"room": "attic", "level": 300}}).encode()
    yield json.dumps({"result": text}).encode()
    yield json.dumps(
        {"result": {"content": [{"type": "text", "text": "no"}], "isError": True}}
    ).encode()
    yield json.dumps({"result": ["x" * 200, 1.5, None, {"a": [1, 2]}]}).encode()


BORDERS = (
    Border(
        "tools",
        "tool results, an MCP server's list, a model's arguments",
        "names, descriptions and schemas within the service's rules, none twice; a ToolError for "
        "wrong arguments; outputs are UTF-8 of at most 16 KiB; the library takes the tidied list",
        attempt,
        _seeds,
        (
            *("openai_link.tools.mcp_listing", "openai_link.tools.foreign_schema"),
            *("openai_link.tools.offered_schema", "openai_link.tools.outputs"),
            *("openai_link.tools.names", "openai_link.tools.schema", "openai_link.tools.spec"),
        ),
        form="json",
        tokens=(
            *(b"inputSchema", b"properties", b"$ref", b"#/", b"#/$defs/node", b"anyOf", b"oneOf"),
            *(b"allOf", b"not", b"enum", b"required", b"items", b"prefixItems", b"type", b"null"),
            *(b"additionalProperties", b"patternProperties", b"const", b"format", b"pattern"),
            *(b"dependentSchemas", b"dependentRequired", b"if", b"then", b"uniqueItems"),
            *(b"multipleOf", b"minimum", b"nullable", b"$anchor", b"definitions", b"name"),
        ),
        most_bytes=8_000,
        short=60,
    ),
)

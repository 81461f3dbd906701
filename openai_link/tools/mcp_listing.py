"""What an MCP server lists, as tools that can do no harm. Sans-I/O.

Everything here was written by somebody else. A tool gets a name that is its own, a description of
bounded length without hidden characters, and a schema that the service takes; what the settings say
of a tool is looked up by the server's own name for it. A tool that cannot be offered is left out,
and named with the reason; it costs none of the others.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixer_core.runtime.errors import ToolDefinitionError
from mixer_core.runtime.foreign_text import one_line

from ..settings import McpServer
from .names import names
from .offered_schema import offered_schema
from .spec import MAX_DESCRIPTION, ToolSpec

Json = dict[str, Any]

ORIGINAL = "mixminus/original"
"""Key in a tool's ``_meta`` under which ``tidied`` keeps the tool as the server sent it."""
MAX_LISTED = 1_000
"""Tools of one server that are looked at."""
MAX_SCHEMAS_CHARS = 2_000_000
"""Their schemas together, as JSON: the room waits while they are read."""
MAX_SHOWN = 60
"""Longest name of a tool in messages."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The tools of one server."""

    specs: tuple[ToolSpec, ...]
    problems: tuple[str, ...] = ()
    """Sentences about what is left out."""


def tidied(result: Any) -> Any:
    """A result of ``tools/list`` that the library takes, with each tool's original inside.

    The library refuses the whole list for one field of one tool. Any other result is returned as it
    is.
    """
    if not isinstance(result, Mapping) or not isinstance(result.get("tools"), list):
        return result
    tools = [tool for tool in result["tools"] if isinstance(tool, Mapping)]
    return {**result, "tools": [_tidy(tool) for tool in tools if isinstance(tool.get("name"), str)]}


def _tidy(tool: Mapping[str, Any]) -> Json:
    """Only what the library needs for a call: arguments that travel as headers are in there."""
    schema = tool.get("inputSchema")
    kept: Json = {"type": "object"}
    if isinstance(schema, Mapping) and isinstance(schema.get("properties"), Mapping):
        pairs = schema["properties"].items()
        kept["properties"] = {key: value for key, value in pairs if isinstance(value, Mapping)}
    return {"name": tool["name"], "inputSchema": kept, "_meta": {ORIGINAL: dict(tool)}}


def listing(
    label: str,
    title: str,
    server: McpServer,
    tools: Sequence[Mapping[str, Any]],
    function_of: Callable[[str], Callable[..., Any]],
) -> Listing:
    """The tools that are offered of those that a server lists.

    Args:
        label: stands for the server in the names (``names.labels``).
        title: the server's name in the settings.
        server: its settings.
        tools: as it sent them.
        function_of: the function that calls a tool, by the server's own name for it.
    """
    listed = {str(tool.get("name")): tool for tool in reversed(tools[:MAX_LISTED])}
    given = names(label, title, [str(tool.get("name")) for tool in tools])
    specs: list[ToolSpec] = []
    left_out: list[str] = []
    left_chars = MAX_SCHEMAS_CHARS
    for own in dict.fromkeys(str(tool.get("name")) for tool in tools[:MAX_LISTED]):
        if (server.allow and own not in server.allow) or own in server.deny:
            continue
        shown = _shown(title, own, given[own])
        try:
            size = _size(listed[own].get("inputSchema"))
            if size > left_chars:
                raise ToolDefinitionError("with this one the schemas are too long together")
            left_chars -= size
            specs.append(_spec(given[own], shown, server, listed[own], function_of(own)))
        except ToolDefinitionError as error:
            left_out.append(f"{one_line(own, MAX_SHOWN)} ({error})")
    return Listing(tuple(specs), tuple(_problems(title, server, tools, left_out)))


def _size(schema: Any) -> int:
    try:
        return len(json.dumps(schema))
    except (TypeError, ValueError, RecursionError) as error:
        raise ToolDefinitionError("its schema is none") from error


def _shown(server: str, own: str, name: str) -> str:
    """A title for people that no other tool has: they say yes to it."""
    shown = one_line(own, MAX_SHOWN)
    title = f"{one_line(server, MAX_SHOWN)}: {shown}"
    return title if shown == own else f"{title} ({name})"


def _spec(
    name: str,
    title: str,
    server: McpServer,
    tool: Mapping[str, Any],
    function: Callable[..., Any],
) -> ToolSpec:
    try:
        schema = offered_schema(tool.get("inputSchema"))
    except RecursionError as error:
        raise ToolDefinitionError("its schema is too deep") from error
    described = one_line(tool.get("description"), MAX_DESCRIPTION)
    described = described or one_line(tool.get("title"), MAX_DESCRIPTION) or title
    if schema.note:
        described = f"{described[: MAX_DESCRIPTION - len(schema.note) - 1]} {schema.note}"
    return ToolSpec(
        name=name,
        description=described,
        parameters=schema.parameters,
        check=schema.check,
        function=function,
        is_async=True,
        confirm=server.confirm,
        title=title,
    )


def _problems(
    title: str, server: McpServer, tools: Sequence[Mapping[str, Any]], left_out: Sequence[str]
) -> list[str]:
    own = [str(tool.get("name")) for tool in tools]
    problems = []
    if left_out:
        problems.append(f"MCP server {title}: left out: {', '.join(left_out)}")
    missing = sorted(set(server.allow) - set(own))
    if missing:
        problems.append(f"MCP server {title} has no tool {', '.join(missing)}")
    twice = [one_line(name, MAX_SHOWN) for name, count in Counter(own).items() if count > 1][:10]
    if twice:
        problems.append(f"MCP server {title} lists {', '.join(twice)} more than once")
    if len(tools) > MAX_LISTED:
        problems.append(f"MCP server {title} lists {len(tools)} tools, {MAX_LISTED} are read")
    return problems

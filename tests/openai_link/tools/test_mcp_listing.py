"""What a server lists, as tools: names, settings, descriptions, and what is left out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from openai_link.settings import McpServer
from openai_link.tools.mcp_listing import (
    MAX_LISTED,
    MAX_SCHEMAS_CHARS,
    ORIGINAL,
    Listing,
    listing,
    tidied,
)
from openai_link.tools.spec import MAX_DESCRIPTION

OBJECT = {"type": "object"}


@cache
def function_of(tool: str) -> Callable[..., Any]:
    def function() -> str:
        return tool

    return function


def tool(name: Any, description: Any = "Does it.", schema: Any = OBJECT, **more: Any) -> Any:
    return {"name": name, "description": description, "inputSchema": schema, **more}


def listed(*tools: Any, **server: Any) -> Listing:
    return listing("s", "s", McpServer(command=("x",), **server), tools, function_of)


def test_name_description_schema_function_and_confirmation_belong_together() -> None:
    twins = (
        *("door.open", "door_open", "z" * 70 + "_keep", "z" * 70 + "_drop", "Größe", "Gräße"),
        *("door\u200b.open", "door.\u202eopen"),
    )
    tools = [
        tool(name, f"About {number}", {"properties": {f"p{number}": {"type": "string"}}})
        for number, name in enumerate(twins)
    ]
    found = listed(*tools).specs
    assert len({spec.name for spec in found}) == len(twins)
    for number, (name, spec) in enumerate(zip(twins, found, strict=True)):
        assert spec.function() == name and spec.confirm
        assert spec.description == f"About {number}"
        assert list(spec.parameters["properties"]) == [f"p{number}"]
        assert name[:4] in spec.ask({})
    assert len({spec.ask({}) for spec in found}) == len(twins)


def test_the_settings_speak_of_the_servers_own_names() -> None:
    tools = [tool("door.open"), tool("door_open"), tool("z" * 80)]
    assert [spec.function() for spec in listed(*tools, allow=("door.open",)).specs] == ["door.open"]
    denied = listed(*tools, deny=("door.open", "z" * 80), confirm=False).specs
    assert [(spec.function(), spec.confirm) for spec in denied] == [("door_open", False)]
    assert listed(*tools, allow=("door.open",), deny=("door.open",)).specs == ()
    all_of_them = {spec.function(): spec.name for spec in listed(*tools).specs}
    assert listed(*tools, allow=("door.open",)).specs[0].name == all_of_them["door.open"]


def test_what_is_missing_is_said() -> None:
    assert listed(tool("a"), allow=("a", "b")).problems == ("MCP server s has no tool b",)


def test_a_tool_that_cannot_be_offered_costs_none_of_the_others() -> None:
    found = listed(tool("a"), tool("bad\nname", "x", {"type": "string"}), tool("c", "x", False))
    assert [spec.function() for spec in found.specs] == ["a"]
    assert len(found.problems) == 1
    words = "left out: bad name (its arguments are string, not an object), c (no arguments fit"
    assert words in found.problems[0]
    assert "\n" not in found.problems[0]


def test_long_schemas_end_somewhere_and_short_ones_behind_them_are_offered() -> None:
    """The room waits while they are read."""
    long = {"type": "object", "properties": {"a": {"description": "x" * (MAX_SCHEMAS_CHARS // 3)}}}
    found = listed(*(tool(f"long{number}", "x", long) for number in range(9)), tool("short"))
    assert [spec.function() for spec in found.specs] == ["long0", "long1", "short"]
    assert "long2 (with this one the schemas are too long together)" in found.problems[0]


def test_of_two_tools_with_the_same_own_name_the_first_counts() -> None:
    found = listed(tool("a", "first"), tool("a", "second"))
    assert [spec.description for spec in found.specs] == ["first"]
    assert found.problems == ("MCP server s lists a more than once",)


@pytest.mark.parametrize(
    ("description", "told"),
    [
        ("One\n\ttwo  three", "One two three"),
        ("a\x00b\x1b[31mc\x7f", "a b [31mc"),
        ("in\u202evis\u200bible\U000e0041", "invisible"),
        ("half \ud800", "half"),
        ("x" * 5_000, "x" * (MAX_DESCRIPTION - 1) + "…"),
        ("", "s: a"),
        (None, "s: a"),
        (17, "s: a"),
    ],
)
def test_descriptions_are_clean_and_bounded(description: Any, told: str) -> None:
    assert listed(tool("a", description)).specs[0].description == told
    assert listed(tool("a", title="A title", description=None)).specs[0].description == "A title"


def test_a_long_description_keeps_the_note_about_its_arguments() -> None:
    schema = {"anyOf": [{"required": ["b"]}, {"required": ["c"]}]}
    description = listed(tool("a", "x" * 5_000, schema)).specs[0].description
    assert len(description) <= MAX_DESCRIPTION
    assert description.endswith(" Give at least one of: b; c.")


def test_endless_lists_end() -> None:
    found = listed(*(tool(f"t{number}") for number in range(MAX_LISTED + 50)))
    assert len(found.specs) == MAX_LISTED
    assert "1050 tools" in found.problems[0]


def test_the_library_gets_a_list_that_it_takes() -> None:
    odd = [
        tool("a", 5, True, outputSchema="x", annotations=7, icons="no"),
        tool("b", None, {"properties": {"p": {"x-mcp-header": "P"}, "q": 3}, "required": "p"}),
        "no tool", None, {"name": 3}, {"title": "nameless"},
    ]  # fmt: skip
    clean = tidied({"tools": odd, "nextCursor": "2"})
    assert clean["nextCursor"] == "2"
    assert [entry["name"] for entry in clean["tools"]] == ["a", "b"]
    assert [entry["_meta"][ORIGINAL] for entry in clean["tools"]] == odd[:2]
    assert clean["tools"][0]["inputSchema"] == {"type": "object"}
    assert clean["tools"][1]["inputSchema"]["properties"] == {"p": {"x-mcp-header": "P"}}
    for other in ({"content": []}, {"tools": "x"}, None, "x"):
        assert tidied(other) is other

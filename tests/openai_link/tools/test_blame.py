"""Whom a refusal of the server blames."""

from __future__ import annotations

import pytest

from openai_link.tools.blame import blame

OFFERED = ("plain", "find", "shed__read-all", "object", "name")
SCHEMA = (
    "Invalid schema for function 'find': schema must have type 'object' and not have "
    "'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."
)


@pytest.mark.parametrize(
    ("code", "param", "words", "names"),
    [
        ("invalid_function_parameters", "session.tools[1].parameters", SCHEMA, ("find",)),
        ("invalid_function_parameters", "tools[1].parameters", "", ("find",)),
        ("invalid_value", "session.tools[3].name", "Invalid 'session.tools[3].name'.", ("object",)),
        ("invalid_function_parameters", "", SCHEMA, ("find",)),
        ("invalid_request_error", "", "Invalid value: 'session.tools[2].description'.",
         ("shed__read-all",)),
        ("http_422", "", "body.session.tools.0.parameters: extra fields", ("plain",)),
        ("http_400", "", "The tool shed__read-all has a bad schema", ("shed__read-all",)),
        ("unknown", "", 'Tool "plain": description too long', ("plain",)),
        ("invalid_tools", "session.tools", "One of the functions is not valid.", ()),
        ("array_above_max_length", "session.tools", "Invalid 'session.tools': array too long.", ()),
        ("http_400", "", "The list of tools is too long", ()),
        ("http_400", "", "This model does not support tools.", ()),
        ("http_422", "", "Function calling is not available.", ()),
        ("unknown_parameter", "session.tools", "Unknown parameter: 'session.tools'.", ()),
    ],
)  # fmt: skip
def test_a_tool_that_is_named_is_found(
    code: str, param: str, words: str, names: tuple[str, ...]
) -> None:
    found = blame(code, param, words, OFFERED)
    assert found is not None
    assert found.names == names and found.offered == OFFERED and found.words == words


@pytest.mark.parametrize(
    ("code", "param", "words"),
    [
        ("model_not_found", "", "The model 'find' does not exist"),
        ("invalid_api_key", "", "Incorrect API key provided"),
        ("invalid_value", "session.audio.output.voice", "Invalid value: 'find'."),
        ("invalid_value", "session.tool_choice", "Invalid value: 'plain'."),
        ("invalid_tool_call_id", "item.call_id", "Tool call ID 'find' not found in conversation."),
        ("invalid_tool_call_id", "", "Tool call ID 'find' not found in conversation."),
        ("invalid_value", "session.tools[5].parameters", "a tool of session_json"),
        ("server_error", "", "The server had an error while processing your request."),
        ("insufficient_quota", "", "You exceeded your current quota"),
        ("invalid_value", "response.instructions", "too long"),
    ],
)
def test_what_is_not_about_tools_blames_none(code: str, param: str, words: str) -> None:
    assert blame(code, param, words, OFFERED) is None


def test_where_nothing_is_offered_nobody_is_to_blame() -> None:
    assert blame("invalid_tools", "session.tools", "Bad tools.", ()) is None

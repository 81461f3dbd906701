"""Tools that the service refuses are refused, by name and place; lenient takes them."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from openai_link.simulator.brains.rules import Script
from openai_link.simulator.brains.script import ScriptBrain
from openai_link.simulator.engine.options import EngineOptions
from openai_link.simulator.engine.refusals import Refusal
from openai_link.simulator.engine.session_config import create_session
from openai_link.simulator.engine.session_engine import SessionEngine
from openai_link.simulator.engine.strict_tools import MAX_TOOLS, check_function_tools

TEXT = {"type": "string"}
BAD = "invalid_function_parameters"


def tool(name: Any = "f", parameters: Any = None, description: Any = "Does it.") -> dict[str, Any]:
    found = {"type": "function", "name": name, "description": description}
    return found if parameters is None else found | {"parameters": parameters}


def schema(**more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {}, **more}


def inside(node: Any) -> dict[str, Any]:
    return tool(parameters=schema(properties={"a": node}))


GOOD = [
    tool(),
    tool("a-B_9" * 12),
    tool(parameters={"type": "object"}),
    tool(parameters=schema(additionalProperties=False, required=["a"])),
    tool(description=None),
    tool(description="x" * 1_024),
    inside({"anyOf": [TEXT, {"type": "null"}]}),
    inside({"type": "array", "items": {}}),
    inside({"type": ["string", "null"], "enum": ["a", None]}),
    inside({"not": {"const": 1}}),
    inside({"$ref": "#/$defs/a"}) | {"parameters": schema(**{"$defs": {"a": TEXT}})},
    {"type": "mcp", "server_label": "s", "server_url": "http://s"},
]


@pytest.mark.parametrize("given", GOOD)
def test_what_the_service_takes(given: dict[str, Any]) -> None:
    check_function_tools([given], "session.tools")


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        (tool(""), "string_below_min_length", "name"),
        (tool("x" * 65), "string_above_max_length", "name"),
        *((tool(name), "invalid_value", "name") for name in ("a.b", "a b", "é", "a/b", "a\n")),
        (tool(description="x" * 1_025), "string_above_max_length", "description"),
        (tool(description=5), "invalid_value", "description"),
        (tool(parameters={}), BAD, "parameters"),
        (tool(parameters={"type": "string"}), BAD, "parameters"),
        (tool(parameters={"type": ["object", "null"]}), BAD, "parameters"),
        *((tool(parameters=schema(**{word: [TEXT]})), BAD, "parameters")
          for word in ("anyOf", "oneOf", "allOf", "enum")),
        (tool(parameters=schema(**{"not": TEXT})), BAD, "parameters"),
        (tool(parameters=schema(required="a")), BAD, "parameters"),
        (tool(parameters=schema(required=["a", "a"])), BAD, "parameters"),
        (tool(parameters=schema(required=[1])), BAD, "parameters"),
        (tool(parameters=schema(properties=[])), BAD, "parameters"),
        *((inside(node), BAD, "parameters") for node in (
            True, False, None, "x", {"type": "text"}, {"type": "array"}, {"items": [TEXT]},
            {"enum": []}, {"anyOf": []}, {"anyOf": [True]}, {"pattern": "("}, {"minimum": "1"},
            {"exclusiveMinimum": True}, {"required": True}, {"$ref": "#/$defs/none"},
            {"$ref": "http://elsewhere/x"}, {"description": 5}, {"default": float("inf")},
        )),
    ],
)  # fmt: skip
def test_what_the_service_refuses(given: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(Refusal) as caught:
        check_function_tools([tool("fine"), given], "session.tools")
    assert caught.value.code == code
    assert caught.value.param == f"session.tools[1].{field}"
    if code == BAD:
        assert "function 'f'" in caught.value.message


def test_too_deep_too_large_and_too_many() -> None:
    deep: Any = TEXT
    for _ in range(30):
        deep = schema(properties={"in": deep})
    many = {f"p{number}": TEXT for number in range(5_001)}
    long = {"a": {"enum": ["x" * 1_000] * 200}}
    for parameters in (deep, schema(properties=many), schema(properties=long)):
        with pytest.raises(Refusal):
            check_function_tools([tool(parameters=parameters)], "session.tools")
    tools = [tool(f"f{number}") for number in range(MAX_TOOLS)]
    check_function_tools(tools, "session.tools")
    with pytest.raises(Refusal, match="maximum length 128") as caught:
        check_function_tools([*tools, tool("one_more")], "session.tools")
    assert caught.value.param == "session.tools"
    with pytest.raises(Refusal, match="unique"):
        check_function_tools([tool("f"), tool("f")], "session.tools")


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("kind", ["session.update", "response.create"])
def test_an_update_with_a_bad_tool_is_refused_whole_unless_lenient(
    kind: str, lenient: bool
) -> None:
    brain = ScriptBrain(Script(prefix="", ms_per_character=1, rules=()))
    session = create_session("sess_1", 9_000, {"type": "realtime"})
    options = EngineOptions(lenient=lenient)
    engine = SessionEngine(session, brain, random.Random(1), 0, options)
    tools = [tool("good"), tool("bad", schema(anyOf=[TEXT]))]
    wanted = {"type": "realtime", "instructions": "Be brief.", "tools": tools}
    event = (
        {"type": kind, "event_id": "e1", "session": wanted}
        if kind == "session.update"
        else {"type": kind, "event_id": "e1", "response": {"tools": tools}}
    )
    answer = engine.client_event(json.dumps(event), 0)[0].event
    if lenient:
        assert answer["type"] in ("session.updated", "response.created")
        return
    assert answer["type"] == "error"
    error, field = answer["error"], kind.partition(".")[0]
    assert (error["event_id"], error["param"]) == ("e1", f"{field}.tools[1].parameters")
    assert engine.session["instructions"] != "Be brief." and engine.session["tools"] == []

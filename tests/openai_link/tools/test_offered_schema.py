"""Schemas of others: what the service is told, and what the arguments are checked by."""

from __future__ import annotations

import json
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.errors import ToolDefinitionError, ToolError
from openai_link.simulator.engine.refusals import Refusal
from openai_link.simulator.engine.strict_tools import check_function_tools
from openai_link.tools.offered_schema import MAX_SCHEMA_CHARS, offered_schema

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
EITHER = {
    "type": "object",
    "properties": {"label": TEXT, "number": NUMBER},
    "oneOf": [{"required": ["label"]}, {"required": ["number"]}],
}


def told(schema: Any) -> dict[str, Any]:
    """What the service is told of a schema; it takes it."""
    parameters = offered_schema(schema).parameters
    tool = {"type": "function", "name": "f", "description": "d", "parameters": parameters}
    check_function_tools(json.loads(json.dumps([tool])), "session.tools")
    assert len(json.dumps(parameters)) <= MAX_SCHEMA_CHARS
    return parameters


def takes(schema: Any, arguments: Any) -> bool:
    """Whether the arguments pass the check on our side."""
    try:
        found = offered_schema(schema).check(json.dumps(arguments))
    except ToolError:
        return False
    assert found == arguments
    return True


def test_an_ordinary_schema_is_told_as_it_is() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where.", "minLength": 1},
            "days": {"type": "array", "items": NUMBER},
            "unit": {"enum": ["C", "F"]},
            "when": {"anyOf": [TEXT, {"type": "null"}]},
        },
        "required": ["city"],
        "additionalProperties": False,
    }
    assert told(schema) == schema


@pytest.mark.parametrize(
    "schema", [None, {}, {"type": "object"}, True, {"type": ["object", "null"]}]
)
def test_no_schema_means_an_object(schema: Any) -> None:
    assert told(schema) == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string, not an object"),
        ({"type": ["array", "null"]}, "array or null, not an object"),
        ({"anyOf": [{"type": "string"}, {"type": "array"}]}, "not an object"),
        ({"properties": {f"p{n}": TEXT for n in range(600)}}, "600 arguments"),
        ({"allOf": [{"$ref": "#/$defs/a0"}], "$defs": {
            f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 8} for n in range(20)}},
         "more than 4000 parts"),
        ({"properties": {f"p{n}": {"const": "x" * 900} for n in range(400)},
          "required": ["y" * 20_000]}, "characters"),
    ],
)  # fmt: skip
def test_what_no_object_fits_is_refused(schema: Any, words: str) -> None:
    with pytest.raises(ToolDefinitionError, match=words):
        offered_schema(schema)


def test_alternatives_at_the_top_are_told_in_words_and_still_checked() -> None:
    found = offered_schema(EITHER)
    assert told(EITHER) == {"type": "object", "properties": {"label": TEXT, "number": NUMBER}}
    assert found.note == "Give exactly one of: label; number."
    assert takes(EITHER, {"label": "x"}) and takes(EITHER, {"number": 1})
    assert not takes(EITHER, {}) and not takes(EITHER, {"label": "x", "number": 1})
    with pytest.raises(ToolError, match="wrong arguments"):
        found.check("{}")


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1}, {}),
        ({"allOf": [{"properties": {"a": TEXT}, "required": ["a"]},
                    {"properties": {"b": NUMBER}}]}, {"a": "x", "b": 1}, {"a": "x", "b": "y"}),
        ({"not": {"required": ["x"]}}, {}, {"x": 1}),
        ({"enum": [{"a": 1}, {"a": 2}]}, {"a": 2}, {"a": 3}),
        ({"const": {"a": 1}}, {"a": 1}, {}),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1, "b": 1}, {"a": 1}),
        ({"dependentRequired": {"a": ["b"]}}, {}, {"a": 1}),
        ({"oneOf": [{"properties": {"kind": {"const": "a"}}, "required": ["kind", "x"]},
                    {"properties": {"kind": {"const": "b"}}, "required": ["kind", "y"]}]},
         {"kind": "b", "y": "z"}, {"kind": "b", "x": "z"}),
        ({"$ref": "#/$defs/call", "$defs": {"call": {"type": "object", "properties": {"a": NUMBER},
                                                     "required": ["a"]}}}, {"a": 1}, {"a": "x"}),
        ({"properties": {"a": {"$ref": "#/definitions/n"}}, "definitions": {"n": NUMBER}},
         {"a": 1}, {"a": "x"}),
        ({"properties": {"a": {"$ref": "#node"}}, "$defs": {"x": {"$anchor": "node", **NUMBER}}},
         {"a": 1}, {"a": "x"}),
        ({"properties": {"n": {"type": "integer", "minimum": 3, "exclusiveMinimum": True}}},
         {"n": 4}, {"n": 3}),
        ({"properties": {"n": {"type": "string", "nullable": True}}}, {"n": None}, {"n": 1}),
        ({"properties": {"n": {"type": "string", "required": True}}}, {"n": "x"}, {}),
        ({"properties": {"t": {"type": "array", "items": [TEXT, NUMBER]}}},
         {"t": ["a", 1]}, {"t": [1, "a"]}),
        ({"properties": {"a": True, "b": False}}, {"a": 1}, {"b": 1}),
        ({"properties": {"a": TEXT}, "additionalProperties": False}, {"a": ""}, {"c": 1}),
        ({"required": ["somewhere"]}, {"somewhere": 1}, {}),
    ],
)  # fmt: skip
def test_what_the_service_is_not_told_is_checked_here(schema: Any, good: Any, bad: Any) -> None:
    told(schema)
    assert takes(schema, good)
    assert not takes(schema, bad)


LINKED = {
    "properties": {"tree": {"$ref": "#/$defs/node"}},
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
}


@pytest.mark.parametrize(
    "schema",
    [
        LINKED,
        {"$ref": "#"},
        {"properties": {"a": {"$ref": "#/properties/a"}}},
        {"properties": {"a": {"$ref": "https://elsewhere.example/schema.json"}}},
        {"properties": {"a": {"$ref": "#/no/such/place"}, "b": {"$ref": 7}}},
        {"properties": "none", "required": "all", "type": "object"},
        {"properties": {"a": 5, "b": None, "c": []}, "required": [1, None, "a", "a"]},
        {"properties": {"a": {"type": "text"}, "b": {"type": []}, "c": {"type": 3}}},
        {"properties": {"a": {"enum": []}, "b": {"enum": "x"}, "c": {"type": "array"}}},
        {"properties": {"a": {"enum": list(range(20_000))}}},
        {"properties": {"a": {"pattern": "("}, "b": {"minimum": "x"}, "c": {"anyOf": []}}},
        {"properties": {"a": {"default": float("inf"), "minimum": float("nan")}}},
        {"properties": {"\ud800": TEXT, "a": {"const": "\udfff"}, "": TEXT}},
        {"patternProperties": {"(": TEXT, "^x": NUMBER}, "propertyNames": {"pattern": "^x"}},
        {"properties": {"a": {"description": "x" * 90_000}}},
        {"properties": {f"p{n}": {"description": "y" * 900, **TEXT} for n in range(300)}},
        {"properties": {"a": {"enum": [f"{n:0100}" for n in range(400)]}}},
        {"unevaluatedProperties": False, "dependentSchemas": {"a": {"required": ["b"]}}},
        {"$schema": "x", "$id": "y", "x-own": object(), 5: TEXT},
    ],
)  # fmt: skip
def test_whatever_a_server_sends_the_service_is_told_something_that_it_takes(schema: Any) -> None:
    told(schema)
    assert isinstance(takes(schema, {}), bool)


def test_a_deep_schema_is_cut_where_it_is_too_deep() -> None:
    deep: Any = TEXT
    for _ in range(60):
        deep = {"type": "object", "properties": {"in": deep}, "required": ["in"]}
    told(deep)
    assert takes(LINKED, {"tree": {"next": {"next": {}}}})


def test_a_pattern_that_never_ends_is_left_to_the_server() -> None:
    schema = {"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    assert takes(schema, {"a": "a" * 60 + "!"})


def nested(depth: int, schema: Any, **beside: Any) -> Any:
    for _ in range(depth):
        schema = {"allOf": [schema], **beside}
    return {"type": "object", **schema}


@pytest.mark.parametrize(
    "schema",
    [
        nested(23, {"properties": {"a": NUMBER}}),
        nested(23, {"properties": {"a": NUMBER}}, unevaluatedProperties=False),
        {"properties": {"a": NUMBER, "all": {"items": {}, "uniqueItems": True}}},
        {
            "$defs": {f"d{n}": {"$anchor": f"a{n}", **TEXT} for n in range(1_900)},
            "properties": {"a": NUMBER}
            | {f"p{n}": {"anyOf": [{"$ref": "#a1"}] * 4} for n in range(400)},
        },
    ],
)
def test_no_schema_takes_long(schema: Any) -> None:
    """Steps are counted, not seconds."""
    steps = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal steps
        steps += 1
        assert steps < 2_000_000

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        is_good = takes(schema, {"a": 1, "all": [{"n": n} for n in range(2_000)]})
        is_bad = takes(schema, {"a": "x"})
    finally:
        sys.setprofile(before)
    assert is_good and not is_bad


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    *("type", "properties", "required", "anyOf", "oneOf", "allOf", "not", "enum"),
                    *(
                        "items",
                        "$ref",
                        "$defs",
                        "additionalProperties",
                        "const",
                        "minimum",
                        "default",
                    ),
                    *("pattern", "patternProperties", "if", "then", "description", "a", "b"),
                )
            ),
            children | st.sampled_from(("object", "string", "#", "#/$defs/a", "#/properties/b")),
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(JSON)
def test_any_json_is_adapted_or_refused(schema: Any) -> None:
    try:
        told(schema)
    except ToolDefinitionError:
        return
    takes(schema, {})
    takes(schema, {"a": 1, "b": {"a": []}})


def test_a_list_of_choices_names_each_once() -> None:
    schema = {"properties": {"a": {"enum": ["x", "y", "x", 1, True, 1]}}}
    kinds = [("string", ["x", "y"]), ("integer", [1]), ("boolean", [True])]
    choices = [{"type": kind, "enum": values} for kind, values in kinds]
    assert told(schema)["properties"]["a"] == {"anyOf": choices}
    assert takes(schema, {"a": "y"}) and not takes(schema, {"a": "z"})


@pytest.mark.parametrize(
    ("node", "shown"),
    [
        # Values that the type does not allow are never valid.
        ({"type": "string", "enum": ["a", 1, None]}, {"type": "string", "enum": ["a"]}),
        ({"type": "integer", "enum": [1, True, "1", 2.0]}, {"type": "integer", "enum": [1, 2.0]}),
        ({"type": "number", "enum": [1, 1.5, "x"]}, {"type": "number", "enum": [1, 1.5]}),
        ({"type": "boolean", "enum": [0, 1, True]}, {"type": "boolean", "enum": [True]}),
        ({"type": "string", "enum": [1, 2]}, {"type": "string"}),
        ({"type": "string", "const": 1}, {"type": "string"}),
        # Null beside one type is a type of its own.
        ({"enum": ["a", None]}, {"enum": ["a", None], "type": ["string", "null"]}),
        (
            {"type": ["string", "null"], "enum": ["a", None]},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        ({"type": ["string", "integer"], "enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        ({"enum": [None]}, {"enum": [None]}),
        # Several types are alternatives.
        (
            {"description": "d", "enum": ["a", 1, "b", None]},
            {
                "description": "d",
                "anyOf": [
                    {"type": "string", "enum": ["a", "b"]},
                    {"type": "integer", "enum": [1]},
                    {"type": "null", "enum": [None]},
                ],
            },
        ),
        (
            {"type": ["string", "number"], "enum": [1, 1.5, "x"]},
            {
                "anyOf": [
                    {"type": "number", "enum": [1, 1.5]},
                    {"type": "string", "enum": ["x"]},
                ]
            },
        ),
        (
            {"enum": [True, 1]},
            {"anyOf": [{"type": "boolean", "enum": [True]}, {"type": "integer", "enum": [1]}]},
        ),
        (
            {"enum": [["a"], {"b": 1}]},
            {
                "anyOf": [
                    {"type": "array", "enum": [["a"]], "items": {}},
                    {"type": "object", "enum": [{"b": 1}]},
                ]
            },
        ),
        ({"enum": ["a", 1], "anyOf": [TEXT, NUMBER]}, {"anyOf": [TEXT, NUMBER]}),
        ({"enum": ["a", "b"]}, {"enum": ["a", "b"]}),
    ],
)
def test_listed_values_fit_their_types(node: Any, shown: Any) -> None:
    for wrapped, found in (
        (node, lambda p: p),
        ({"type": "array", "items": node}, lambda p: p["items"]),
        ({"type": "object", "properties": {"y": node}}, lambda p: p["properties"]["y"]),
        ({"anyOf": [{"type": "null"}, node]}, lambda p: p["anyOf"][1]),
    ):
        schema = {"type": "object", "properties": {"x": wrapped}}
        assert found(told(schema)["properties"]["x"]) == shown


JSON = st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-2, 2) | st.text("ab", max_size=2)
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])


@given(
    values=st.lists(JSON, min_size=1, max_size=6),
    kind=st.none() | KINDS | st.lists(KINDS, min_size=1, max_size=3, unique=True),
    value=JSON,
)
def test_any_list_of_values_is_taken_and_means_the_same(
    values: list[Any], kind: Any, value: Any
) -> None:
    from jsonschema import Draft202012Validator

    node = {"enum": values} | ({"type": kind} if kind else {})
    shown = told({"type": "object", "properties": {"x": node}})["properties"]["x"]
    if "enum" in shown or "anyOf" in shown:
        is_valid = Draft202012Validator(node).is_valid(value)
        assert Draft202012Validator(shown).is_valid(value) == is_valid


@pytest.mark.parametrize(
    "node",
    [
        {"type": "string", "enum": ["a", 1]},
        {"type": "string", "enum": ["a", None]},
        {"enum": ["a", 1]},
        {"type": ["string", "integer"], "enum": ["a", 1]},
        {"type": "integer", "const": "a"},
    ],
)
def test_the_simulator_refuses_values_of_mixed_types(node: Any) -> None:
    schema = {"type": "object", "properties": {"x": node}}
    tool = {"type": "function", "name": "f", "description": "d", "parameters": schema}
    with pytest.raises(Refusal, match="enum value"):
        check_function_tools([tool], "session.tools")


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"type": ["integer", "string"], "enum": [0, 1, "a", True], "const": "a"},
         {"type": ["integer", "string"], "const": "a"}),
        ({"enum": [1], "const": None}, {"const": None}),
        ({"type": "string", "enum": ["a"], "const": 1}, {"type": "string", "enum": ["a"]}),
    ],
)  # fmt: skip
def test_a_constant_beside_a_list_is_told_alone(schema: Any, shown: Any) -> None:
    assert told({"properties": {"a": schema}})["properties"]["a"] == shown


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"type": "object", "patternProperties": {"^x-": TEXT}, "additionalProperties": False},
         {"type": "object"}),
        ({"type": "array", "prefixItems": [TEXT, NUMBER], "items": False},
         {"type": "array", "items": {}}),
        ({"type": "array", "items": [TEXT, NUMBER], "additionalItems": False},
         {"type": "array", "items": {}}),
        ({"not": {"type": "array", "contains": NUMBER}}, {}),
        ({"not": TEXT}, {"not": TEXT}),
        ({"oneOf": [{"type": "array", "contains": TEXT}, {"type": "array", "contains": NUMBER}]},
         {"anyOf": [{"type": "array", "items": {}}] * 2}),
        ({"oneOf": [TEXT, NUMBER]}, {"oneOf": [TEXT, NUMBER]}),
    ],
)  # fmt: skip
def test_what_is_left_out_never_forbids_more(schema: Any, shown: Any) -> None:
    assert told({"properties": {"a": schema}})["properties"]["a"] == shown


def test_properties_by_pattern_are_not_forbidden_at_the_top() -> None:
    schema = {"patternProperties": {"^x-": TEXT}, "additionalProperties": False}
    assert told(schema) == {"type": "object", "properties": {}}
    assert takes(schema, {"x-a": "b"})

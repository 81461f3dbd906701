"""Schemas from functions, and the check of what the model sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_link.simulator.engine.strict_tools import check_function_tools
from openai_link.tools import Caller, ToolDefinitionError, ToolError, tool
from openai_link.tools.define import spec_of
from openai_link.tools.spec import ToolSpec


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: Annotated[float, msgspec.Meta(description="height in metres")] = 1.0


@dataclass
class Chain:
    rest: Chain | None = None


class Box(msgspec.Struct):
    width: int


@dataclass
class Place:
    at: tuple[float, float]
    names: set[str]
    more: dict[str, list[int]]


@tool
def paint(
    text: str,
    count: Annotated[int, msgspec.Meta(ge=1), "how often"],
    asked_by: Caller,
    colour: Colour = Colour.RED,
    mode: Literal["dry", "wet"] = "dry",
    points: list[Point] | None = None,
    weights: dict[str, float] = {},  # noqa: B006
    box: Box | None = None,
    title: str = "none",
    really: bool = False,
) -> None:
    """Paint something.

    It takes a while.

    Args:
        text: what to paint,
            in words
        count: not this one
        colour: of the paint
    """


def spec(function: object = paint) -> ToolSpec:
    found = spec_of(function)
    assert found is not None
    return found


def properties() -> dict[str, Any]:
    found: dict[str, Any] = spec().definition()["parameters"]["properties"]
    return found


def test_the_definition_is_what_session_tools_takes() -> None:
    definition = json.loads(json.dumps(spec().definition()))
    assert definition["type"] == "function"
    assert definition["name"] == "paint"
    assert definition["description"] == "Paint something.\nIt takes a while."
    parameters = definition["parameters"]
    assert parameters["type"] == "object"
    assert parameters["required"] == ["text", "count"]
    assert parameters["additionalProperties"] is False


def test_descriptions_come_from_annotated_first_and_from_the_docstring_else() -> None:
    assert properties()["text"] == {"type": "string", "description": "what to paint, in words"}
    assert properties()["count"] == {"type": "integer", "minimum": 1, "description": "how often"}
    assert properties()["colour"]["description"] == "of the paint"


def test_choices_defaults_and_nested_types_are_in_the_schema_without_references() -> None:
    assert set(properties()["colour"]["enum"]) == {"red", "blue"}
    assert properties()["mode"] == {"enum": ["dry", "wet"], "default": "dry"}
    item = properties()["points"]["anyOf"][0]["items"]
    assert item["properties"]["y"]["description"] == "height in metres"
    assert properties()["title"] == {"type": "string", "default": "none"}
    assert "$ref" not in json.dumps(spec().definition())


def test_the_caller_is_no_parameter_of_the_model() -> None:
    assert spec().caller == "asked_by"
    assert "asked_by" not in properties()


def test_arguments_become_the_types_of_the_function() -> None:
    arguments = spec().check(
        '{"text":"x","count":2.0,"colour":"blue","points":[{"x":1}],"box":{"width":3}}'
    )
    assert arguments["count"] == 2
    assert isinstance(arguments["count"], int)
    assert arguments["colour"] is Colour.BLUE
    assert arguments["points"] == [Point(1, 1.0)]
    assert arguments["box"] == Box(3)
    assert arguments["weights"] == {}
    assert arguments["weights"] is not spec().check('{"text":"x","count":2}')["weights"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('{"text":"x"}', "missing required field `count`"),
        ('{"text":1,"count":1}', "Expected `str`, got `int` - at `$.text`"),
        ('{"text":"x","count":"1"}', "Expected `int`, got `str` - at `$.count`"),
        ('{"text":"x","count":0}', ">= 1"),
        ('{"text":"x","count":1,"more":1}', "unknown field `more`"),
        ('{"text":"x","count":1,"colour":"green"}', "Invalid enum value 'green'"),
        ('{"text":"x","count":1,"points":[{"x":"1"}]}', "$.points[0].x"),
        ('{"text":"x","count":1,"really":"yes"}', "Expected `bool`"),
        ("[1]", "must be a JSON object, not list"),
        ('{"text":', "not valid JSON"),
        ("\ud800", "not valid JSON"),
        ("{}" + " " * 70_000, "longer than"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(arguments: str, words: str) -> None:
    with pytest.raises(ToolError) as caught:
        spec().check(arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_argument_comes_with_what_the_tool_takes() -> None:
    with pytest.raises(ToolError, match=r"It takes: text \(string\), count \(integer\), colour"):
        spec().check("{}")


def test_no_arguments_may_be_empty_text() -> None:
    @tool
    def nothing() -> None:
        """Do nothing."""

    assert spec(nothing).check(" ") == {}
    assert nothing() is None


@given(
    st.text(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(json.dumps)
)
def test_any_text_is_checked_or_refused(text: str) -> None:
    try:
        spec().check(text)
    except ToolError as error:
        assert str(error)


def untyped(x) -> None:  # type: ignore[no-untyped-def]
    """Do it."""


def starred(*x: int) -> None:
    """Do it."""


def positional(x: int, /) -> None:
    """Do it."""


def strange(x: complex | bytes | Iterator[int]) -> None:
    """Do it."""


def endless(x: Chain) -> None:
    """Do it."""


def silent(x: int) -> None:
    pass


def unresolved(x: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Do it."""


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (untyped, "parameter x needs a type"),
        (starred, "cannot be passed by name"),
        (positional, "cannot be passed by name"),
        (strange, "has no JSON form"),
        (endless, "contains itself"),
        (silent, "needs a docstring"),
        (unresolved, "cannot be resolved"),
    ],
)
def test_a_function_that_cannot_be_a_tool_says_why(function: Any, words: str) -> None:
    with pytest.raises(ToolDefinitionError, match=words):
        tool(function)


def test_options_are_checked() -> None:
    with pytest.raises(ToolDefinitionError, match="a name has"):
        tool(name="with blank")(silent)
    with pytest.raises(ToolDefinitionError, match="list of names"):
        tool(who="anna")(silent)
    with pytest.raises(ToolDefinitionError, match="timeout_ms"):
        tool(timeout_ms=-1)(silent)


def test_options_reach_the_spec() -> None:
    @tool(name="other", confirm="Really {x}?", who=["Anna "], filler="Wait.", timeout_ms=5)
    def something(x: str) -> None:
        """Do it."""

    made = spec(something)
    assert (made.name, made.confirm, made.filler, made.timeout_ms) == ("other", True, "Wait.", 5)
    assert made.allows("anna")
    assert not made.allows("ben")
    assert not made.allows("")
    assert made.ask({"x": "{x} \n now"}) == "Really {x} now?"


def test_a_question_without_words_of_its_own_names_tool_and_arguments() -> None:
    assert spec().ask({"text": "a\nb", "colour": Colour.RED}) == "paint (text = a b, colour = red)?"
    assert spec().ask({}) == "paint?"
    assert len(spec().ask({str(i): "x" * 100 for i in range(9)})) == 300


def test_the_service_takes_every_type_that_a_function_may_have() -> None:
    @tool
    def go(
        place: Place, pair: tuple[int, str], many: tuple[Place, ...], odd: Any, when: datetime,
        either: int | str | None = None, data: bytes = b"", flag: Literal["a", 1] = "a",
    ) -> None:  # fmt: skip
        """Go there."""

    definition = spec(go).definition()
    check_function_tools([definition], "session.tools")
    assert list(definition["parameters"]["properties"]) == [
        "place", "pair", "many", "odd", "when", "either", "data", "flag",
    ]  # fmt: skip
    with pytest.raises(ToolError):
        spec(go).check('{"pair": ["x", 1]}')

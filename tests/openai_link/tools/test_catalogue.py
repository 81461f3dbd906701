"""Tools of several sources: names of their own, and replaced as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from openai_link.tools.catalogue import Catalogue
from openai_link.tools.spec import ToolSpec


def _arguments(text: str) -> dict[str, Any]:
    return {}


def one() -> None:
    """A function."""


def other() -> None:
    """Another one."""


def spec(name: str, function: Callable[..., Any] = one, **fields: Any) -> ToolSpec:
    parameters = {"type": "object", "properties": {}}
    return replace(ToolSpec(name, f"{name}.", parameters, _arguments, function), **fields)


def test_of_two_tools_with_one_name_both_are_offered() -> None:
    found = Catalogue(["a", "b"])
    assert found.replace("b", [spec("Add", other, confirm=True)]) == []
    assert list(found.specs) == ["Add"]
    assert found.replace("a", [spec("add")]) == []
    first, second = found.specs.values()
    assert (first.name, first.function, first.confirm) == ("add", one, False)
    assert second.name.startswith("Add_") and second.title == "Add"
    assert (second.function, second.confirm) == (other, True)


def test_the_same_function_is_one_tool() -> None:
    found = Catalogue(["a", "b"])
    found.replace("a", [spec("add")])
    assert found.replace("b", [spec("add")]) == []
    assert list(found.specs) == ["add"]


def test_a_source_is_replaced_as_a_whole() -> None:
    found = Catalogue(["a", "b"])
    specs = found.specs
    found.replace("a", [spec("keep"), spec("old"), spec("swap")])
    found.replace("b", [spec("own", other)])
    found.replace("a", [spec("keep"), spec("swap", other, confirm=True), spec("new")])
    assert list(specs) == ["keep", "swap", "new", "own"]
    assert (specs["swap"].function, specs["swap"].confirm) == (other, True)
    found.replace("a", [])
    assert list(specs) == ["own"]


def test_the_order_is_that_of_the_sources_whoever_comes_first() -> None:
    found = Catalogue(["a", "b", "c"])
    for source in "cba":
        found.replace(source, [spec(f"{source}{number}") for number in (1, 0)])
    assert list(found.specs) == ["a1", "a0", "b1", "b0", "c1", "c0"]

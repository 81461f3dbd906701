"""A tool that the service takes, and one with a schema that ``@tool`` would never make."""

from __future__ import annotations

from dataclasses import replace

from openai_link.tools import tool
from openai_link.tools.define import spec_of


@tool
def liked() -> str:
    """Answer."""
    return "forty-one"


@tool
def disliked() -> str:
    """Answer, too."""
    return "never"


_made = spec_of(disliked)
assert _made is not None
_schema = {"type": "object", "properties": {}, "anyOf": [{"required": ["a"]}]}
disliked.__mixminus_tool__ = replace(_made, parameters=_schema)  # type: ignore[attr-defined]

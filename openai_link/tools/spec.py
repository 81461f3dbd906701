"""A tool: what the model is told about it, who may use it, and how it is run. Sans-I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_DESCRIPTION = 1_024
"""Longest description of a tool that the service takes, in characters."""
MAX_QUESTION_CHARS = 300
"""Longest question to a browser."""
_PLACE = re.compile(r"\{(\w+)\}")


class Caller(str):
    """Name of the person who seems to have asked; a parameter of this type is filled in here.

    It is the name that a browser gave itself: good enough for a greeting, but no authentication.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool."""

    name: str
    """1 to 64 letters, digits, ``_`` and ``-``; unique in a session."""
    description: str
    """What it does, for the model."""
    parameters: Mapping[str, Any]
    """JSON schema of its arguments, an object."""
    check: Callable[[str], dict[str, Any]]
    """JSON text of the arguments → arguments by name; raises ToolError if they are wrong."""
    function: Callable[..., Any]
    """Called with the checked arguments as keywords."""
    is_async: bool = False
    """It returns an awaitable and runs on the event loop; otherwise it runs in a thread."""
    caller: str = ""
    """Name of its parameter of type ``Caller``, or empty."""
    confirm: bool = False
    """Somebody in the room must confirm each call."""
    question: str = ""
    """The question, with ``{argument}`` placeholders; empty: made from name and arguments."""
    who: tuple[str, ...] = ()
    """Names of the people who may use it; empty: everybody."""
    filler: str = ""
    """Said when it takes long; empty: nothing is said."""
    timeout_ms: int = 0
    """Timeout; 0: ``tool_timeout_ms`` of the settings."""
    title: str = ""
    """What people are told instead of ``name``; empty: the name."""

    def allows(self, name: str) -> bool:
        """Whether the person called ``name`` may use it; case does not matter."""
        wanted = name.strip().casefold()
        return not self.who or wanted in {person.strip().casefold() for person in self.who}

    def is_same(self, other: ToolSpec) -> bool:
        """Whether a call that was made of, or confirmed for, ``other`` may run as this one."""
        return self.confirm == other.confirm and self.definition() == other.definition()

    def definition(self) -> dict[str, Any]:
        """Its entry in ``session.tools``."""
        return {
            "type": "function",
            "name": self.name,
            "description": _short(self.description, MAX_DESCRIPTION),
            "parameters": dict(self.parameters),
        }

    def ask(self, arguments: Mapping[str, Any]) -> str:
        """The question to the room before a call with ``arguments``, at most 300 characters."""
        shown = {key: _shown(value) for key, value in arguments.items()}
        if self.question:
            text = _PLACE.sub(lambda match: shown.get(match[1], match[0]), self.question)
        else:
            listed = ", ".join(f"{key} = {value}" for key, value in shown.items())
            title = self.title or (self.name.replace("_", " ") if listed else self.name)
            text = f"{title} ({listed})?" if listed else f"{title}?"
        return _short(text, MAX_QUESTION_CHARS)


def _shown(value: Any) -> str:
    """An argument on one line, for people."""
    return _short(" ".join(str(getattr(value, "value", value)).split()), 80)


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"

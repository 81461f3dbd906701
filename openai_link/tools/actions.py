"""What the policy of tool calls (``ToolCalls``) wants done: one dataclass each. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run the tool (``ToolRunner.run``); its output goes to ``ToolCalls.finished``."""

    call: str
    """Id of the tool call."""
    name: str
    """Name of the tool."""
    arguments: str
    """JSON text, as the model wrote it."""
    participant: str
    """Id of the person who seems to have asked, or empty."""
    who: str = ""
    """That person's name."""


@dataclass(frozen=True, slots=True)
class CancelTool:
    """Stop waiting for the tool (``ToolRunner.cancel``): its result is no longer wanted."""

    call: str


@dataclass(frozen=True, slots=True)
class SendOutput:
    """Send the output as a ``function_call_output`` item, at once."""

    call: str
    output: str


@dataclass(frozen=True, slots=True)
class AskAnswer:
    """Have the model answer as soon as it is free (``ResponseSequencer``)."""


@dataclass(frozen=True, slots=True)
class SayFiller:
    """Have this said as soon as the model is free, with ``filler_response`` as overrides."""

    text: str


@dataclass(frozen=True, slots=True)
class TellTool:
    """Send this EVENT of type ``tool`` to all browsers."""

    event: dict[str, Any]


ToolAction = RunTool | CancelTool | SendOutput | AskAnswer | SayFiller | TellTool


def filler_response(text: str) -> dict[str, Any]:
    """Overrides for the response that says ``text`` while a tool works.

    It is part of the conversation: one response at a time, so it never sounds over another one, can
    be interrupted like any reply, and the model knows that it was said.
    """
    return {
        "instructions": f'Say exactly this and nothing else, in one breath: "{text}"',
        "tool_choice": "none",
    }

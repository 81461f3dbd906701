"""What the policy of tool calls wants done: one dataclass each. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RunTool:
    """Start the tool (``ToolBox.run``), and say ``ToolCalls.finished`` at its end."""

    call: str
    name: str
    arguments: str
    """JSON text, as the model wrote it."""
    participant: str
    """Id of the person who seems to have asked, or empty."""
    who: str = ""
    """That person's name: third argument of ``ToolBox.run``."""


@dataclass(frozen=True, slots=True)
class CancelTool:
    """Stop waiting for the tool: cancel its task; a result of it is no longer wanted."""

    call: str


@dataclass(frozen=True, slots=True)
class SendOutput:
    """Send the output as a ``function_call_output`` item, without delay."""

    call: str
    output: str


@dataclass(frozen=True, slots=True)
class AskAnswer:
    """Have the model answer, through the ResponseSequencer: when it is free, not before."""


@dataclass(frozen=True, slots=True)
class SayFiller:
    """Have this said, through the ResponseSequencer, with ``filler_response`` as overrides."""

    text: str


@dataclass(frozen=True, slots=True)
class TellTool:
    """Send this EVENT of type ``tool`` to the browsers."""

    event: dict[str, Any]
    addressee: int = 0
    """Stream id of the one browser; 0 for all."""


ToolAction = RunTool | CancelTool | SendOutput | AskAnswer | SayFiller | TellTool


def filler_response(text: str) -> dict[str, Any]:
    """Overrides of the response that says ``text`` while a tool works.

    It belongs to the conversation: one response at a time, so it never sounds over another one,
    it can be interrupted like any reply, and the model knows that it was said.
    """
    return {
        "instructions": f'Say exactly this and nothing else, in one breath: "{text}"',
        "tool_choice": "none",
    }

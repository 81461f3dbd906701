"""What answers a turn: the interface of a brain, and what passes through it. Sans-I/O.

The brains themselves are in ``simulator/brains``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The result of a function call."""

    name: str
    arguments: str
    output: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be answered."""

    audio: bytes | None = None
    """The last user turn as heard: PCM16, 24 kHz mono; None if it was not spoken."""
    text: str | None = None
    """The last user turn as written; None if it was not written. Neither: nobody said anything."""
    recognized: str | None = None
    """The words of a spoken turn; None where the brain knows none."""
    spoken_turn: int = 0
    """The number of the spoken turn within the session, from 1; 0: not spoken in this session."""
    outputs: tuple[ToolOutput, ...] = ()
    """Results of the calls that were made last, oldest first."""
    is_new: bool = True
    """Whether anything came after the last answer."""
    instructions: str = ""
    """What ``response.create`` asks of this answer alone."""
    tools: tuple[Json, ...] = ()
    """Declarations, function and mcp."""
    tool_choice: str | Mapping[str, Any] = "auto"
    """As in the session object."""
    parallel: bool = True
    """Whether several calls may be made at once."""
    dice: int = 0
    """A random number from 0 to 2³¹-1: choices follow from it."""
    notes: dict[str, int] = field(default_factory=dict)
    """What the brain remembers of this session."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a tool of the client."""

    name: str
    arguments: str
    """JSON text."""


@dataclass(frozen=True, slots=True)
class McpCall:
    """A call of an MCP server's tool; nobody is contacted, the result is known beforehand."""

    server: str
    name: str
    arguments: str
    output: str | None = None
    """The result; None: it fails with ``error``."""
    error: str = ""
    duration_ms: int = 200
    approval_request_id: str | None = None
    """The request that the client granted; None: none was needed."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a response ends that is not completed."""

    status: Literal["failed", "incomplete"]
    reason: str
    """failed: the error's code; incomplete: max_output_tokens or content_filter."""
    message: str = ""
    share: float = 0.0
    """How much of the answer is given before, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: MCP calls, then words, then calls."""

    transcript: str
    """The words; for a text response, all there is. Empty, and no sound: no message."""
    pcm: bytes
    """The sound: PCM16, 24 kHz mono, any length."""
    calls: tuple[FunctionCall, ...] = ()
    interleaved: bool = False
    """Calls begin while the message is still open, and run beside each other."""
    mcp_calls: tuple[McpCall, ...] = ()
    ask_first: bool = False
    """The MCP calls are made, and the rest is said, once the client approved of them."""
    denied: str = ""
    """Said if it did not approve."""
    text_only: bool = False
    """Written, also where the session speaks."""
    ending: Ending | None = None
    delay_ms: int | None = None
    """Time until the first event of the answer; None: as configured."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """The words of a spoken turn, and how their transcription comes about."""

    text: str
    kind: Literal["normal", "early", "late", "empty", "failed"] = "normal"
    delay_ms: int | None = None
    """Time from the end of the turn to the first words; None: by kind."""


@dataclass(frozen=True, slots=True)
class McpServer:
    """An MCP server that exists in a script only."""

    label: str
    tools: tuple[Json, ...] = ()
    """``name``, ``input_schema``, ``description``."""
    fails: bool = False
    """Whether the attempt to list its tools fails."""


class Brain(Protocol):
    """Answers turns."""

    def reply(self, turn: Turn) -> Reply:
        """Return the answer to ``turn``."""

    def recognize(self, spoken_turn: int) -> Recognition | None:
        """Return the words of the n-th spoken turn; None: nobody knows them."""

    def mcp_server(self, label: str) -> McpServer:
        """Return what is behind an MCP server label."""


class Unscripted:
    """A brain that knows no words for speech, and no MCP servers."""

    def recognize(self, spoken_turn: int) -> Recognition | None:
        """None: nobody knows."""
        return None

    def mcp_server(self, label: str) -> McpServer:
        """A server without tools."""
        return McpServer(label)

"""The interface of a brain, which answers turns, and its data types. Sans-I/O.

The brains themselves are in ``simulator/brains``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The output of a function call."""

    name: str
    arguments: str
    output: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What a brain has to answer."""

    audio: bytes | None = None
    """Sound of the last user turn: PCM16, 24 kHz mono; None if it was not spoken."""
    text: str | None = None
    """Text of the last user turn; None if it was not typed. Neither: there is no user turn."""
    images: tuple[str, ...] = ()
    """Data URLs of the pictures that were shown with the text."""
    recognized: str | None = None
    """The words of a spoken turn; None where the brain has none."""
    spoken_turn: int = 0
    """Number of the spoken turn in the session, from 1; 0: not spoken in this session."""
    outputs: tuple[ToolOutput, ...] = ()
    """Outputs of the latest tool calls, oldest first."""
    is_new: bool = True
    """Whether anything was said or done since the last answer."""
    instructions: str = ""
    """Instructions that ``response.create`` gives for this answer alone."""
    tools: tuple[Json, ...] = ()
    """Declarations, function and mcp."""
    tool_choice: str | Mapping[str, Any] = "auto"
    """As in the session object."""
    parallel: bool = True
    """Whether several tools may be called at once."""
    dice: int = 0
    """A random number from 0 to 2³¹-1, for choices."""
    notes: dict[str, int] = field(default_factory=dict)
    """The brain's memory of this session."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of one of the client's tools."""

    name: str
    arguments: str
    """JSON text."""


@dataclass(frozen=True, slots=True)
class McpCall:
    """A call of an MCP server's tool. No server is contacted: the brain gives the result too."""

    server: str
    name: str
    arguments: str
    output: str | None = None
    """The result; None: it fails with ``error``."""
    error: str = ""
    duration_ms: int = 200
    approval_request_id: str | None = None
    """The request that the client approved; None: none was needed."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a response ends without being completed."""

    status: Literal["failed", "incomplete"]
    reason: str
    """failed: the error's code; incomplete: max_output_tokens or content_filter."""
    message: str = ""
    share: float = 0.0
    """Share of the answer that is given before, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: MCP calls, then words, then function calls."""

    transcript: str
    """The words. Without words and sound the response has no message."""
    pcm: bytes
    """The sound: PCM16, 24 kHz mono, any length."""
    then: tuple[tuple[str, bytes], ...] = ()
    """Further messages of the same response: their words and sound."""
    calls: tuple[FunctionCall, ...] = ()
    interleaved: bool = False
    """The calls begin while the message is still open, and their deltas are mixed."""
    mcp_calls: tuple[McpCall, ...] = ()
    ask_first: bool = False
    """The client has to approve the MCP calls before they are made and the rest is said."""
    denied: str = ""
    """Said if the client does not approve."""
    text_only: bool = False
    """The answer is text even if the session speaks."""
    ending: Ending | None = None
    delay_ms: int | None = None
    """Time until the first event of the answer; None: as configured."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """The words of a spoken turn, and how their transcript arrives."""

    text: str
    kind: Literal["normal", "early", "late", "empty", "failed"] = "normal"
    delay_ms: int | None = None
    """Time from the end of the turn to the first words; None: by kind."""


@dataclass(frozen=True, slots=True)
class McpServer:
    """An MCP server, as a script describes it."""

    label: str
    tools: tuple[Json, ...] = ()
    """``name``, ``input_schema``, ``description``."""
    fails: bool = False
    """Whether listing its tools fails."""


class Brain(Protocol):
    """Answers turns."""

    def reply(self, turn: Turn) -> Reply:
        """Return the answer to ``turn``."""

    def recognize(self, spoken_turn: int) -> Recognition | None:
        """Return the words of the n-th spoken turn, or None."""

    def mcp_server(self, label: str) -> McpServer:
        """Return the MCP server with this label."""


class Unscripted:
    """A brain without words for spoken turns and without MCP servers."""

    def recognize(self, spoken_turn: int) -> Recognition | None:
        """Return None."""
        return None

    def mcp_server(self, label: str) -> McpServer:
        """Return a server without tools."""
        return McpServer(label)

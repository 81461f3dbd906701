"""What one part of a room's engine tells the engine: it decides which other part must hear of it.

A part finishes its own work first and returns its signals among its actions, in order. So no part
calls another one back, and none is entered twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mixer_core.runtime.errors import UpstreamError

from ..facts import Fact, ServerError
from ..playback.truncation import Truncation
from ..realtime.problems import Problem
from ..settings import OpenaiLinkSettings
from ..tools.blame import Blame
from ..transport.interface import TransportKind
from ..turns.actions import TypedText
from .actions import Action
from .approvals import Answer


@dataclass(frozen=True, slots=True)
class SessionConfirmed:
    """The server has accepted the session: seed it with history."""

    session: int


@dataclass(frozen=True, slots=True)
class SessionSeeded:
    """The session knows the history: it may become active."""

    session: int


@dataclass(frozen=True, slots=True)
class ReplyMayWait:
    """A session is over, or has just got the room: see whether people wait for a reply."""


@dataclass(frozen=True, slots=True)
class RoomGranted:
    """The room of another machine is here: the session that was prepared gets it."""


@dataclass(frozen=True, slots=True)
class SessionFailed:
    """The session cannot be used any more."""

    session: int
    error: UpstreamError


@dataclass(frozen=True, slots=True)
class ToolsRefused:
    """The server of a session refuses tools that it was told of: it is to be told of the others."""

    session: int
    blame: Blame


@dataclass(frozen=True, slots=True)
class PersonaRefused:
    """The server does not take a change of the assistant while its session runs."""

    session: int
    asked: OpenaiLinkSettings
    error: UpstreamError


@dataclass(frozen=True, slots=True)
class SessionOver:
    """All that a session has told is taken."""

    session: int


@dataclass(frozen=True, slots=True)
class SessionMoved:
    """The room has moved to the session that was in standby."""

    kind: TransportKind


@dataclass(frozen=True, slots=True)
class FactLearned:
    """Something happened in a session that has the room, or is draining."""

    session: int
    fact: Fact


@dataclass(frozen=True, slots=True)
class ReplyTruncated:
    """An interrupted reply ends where people stopped hearing it."""

    session: int
    truncation: Truncation


@dataclass(frozen=True, slots=True)
class TextTyped:
    """Somebody typed a message, and the server is told."""

    session: int
    text: TypedText


@dataclass(frozen=True, slots=True)
class PictureRefused:
    """The server does not take a picture that it was shown."""

    session: int
    item: str
    error: ServerError


@dataclass(frozen=True, slots=True)
class ReplyRequested:
    """Somebody asked for a reply, by the button or with a picture, and the server is told."""


@dataclass(frozen=True, slots=True)
class ReplyWithdrawn:
    """The assistant was stopped: nobody waits for a reply to what was said or asked so far."""


@dataclass(frozen=True, slots=True)
class ReplyWanted:
    """Have the model answer as soon as it may."""

    overrides: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AnswerTurn:
    """A spoken turn is for the assistant: have the model answer, once nobody speaks."""

    item: str
    goes_on: bool = False
    """The room has left the session that heard it: whoever spoke may go on in the next one."""


@dataclass(frozen=True, slots=True)
class RuleChanged:
    """Another rule says which turns the assistant answers."""


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """A tool call has its one output."""

    call: str
    output: str
    ok: bool


@dataclass(frozen=True, slots=True)
class ApprovalGiven:
    """The service may run one of its own tools, or may not."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class ProblemFound:
    """Tell the room about an error, as soon as anybody is there."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BudgetSpent:
    """End the session, and open no other one before there is money again."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class StateNews:
    """Tell the browsers how the assistant is."""


@dataclass(frozen=True, slots=True)
class RoomClosed:
    """The conversation is over: nothing that is said later belongs to it."""

    reason: str


Signal = (
    SessionConfirmed
    | SessionSeeded
    | ReplyMayWait
    | SessionFailed
    | ToolsRefused
    | PersonaRefused
    | SessionOver
    | SessionMoved
    | RoomGranted
    | FactLearned
    | ReplyTruncated
    | TextTyped
    | PictureRefused
    | ReplyRequested
    | ReplyWithdrawn
    | ReplyWanted
    | AnswerTurn
    | RuleChanged
    | ToolAnswered
    | ApprovalGiven
    | ProblemFound
    | BudgetSpent
    | RoomClosed
    | StateNews
)
Outcome = Action | Signal
"""What a part returns: actions for the shell and signals for the engine, in order."""

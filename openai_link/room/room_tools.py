"""The tools of a room: which there are, which calls run, which questions are open. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.foreign_text import one_line
from mixer_core.runtime.units import MS_NS

from ..facts import CallNameless, Fact, ToolCalled
from ..realtime.session_object import session_object
from ..room_settings import ALL_TOOLS, may_use
from ..settings import OpenaiLinkSettings
from ..tools.actions import (
    AskAnswer,
    CancelTool,
    RunTool,
    SayFiller,
    SendOutput,
    TellTool,
    ToolAction,
    filler_response,
)
from ..tools.blame import Blame
from ..tools.calls import MAX_NAME_CHARS, ToolCalls, ToolLimits
from ..tools.outputs import is_error
from ..tools.spec import ToolSpec
from ..turns.actions import sender_of
from .actions import Log, TellBrowsers
from .approvals import Answer, Approvals, Told
from .offered_tools import OfferedTools
from .signals import ApprovalGiven, Outcome, ProblemFound, ReplyWanted, ToolAnswered
from .trust import Trust

NOT_CONFIRMED = {
    "type": "error",
    "code": "not_allowed",
    "message": "your yes does not count: it takes an admin, or somebody whose name is verified",
}

Asker = Callable[[str], tuple[str, str]]
"""Participant and name of whoever a response answers."""


@dataclass(frozen=True, slots=True)
class Toolset:
    """The tools that there are now."""

    specs: Mapping[str, ToolSpec]
    definitions: Sequence[Mapping[str, Any]] = ()
    """For the session object."""
    problems: Sequence[str] = ()
    """What could not be loaded so far, in sentences."""


class RoomTools:
    """Tool calls of one room; every input returns what follows, in order."""

    def __init__(
        self,
        settings: OpenaiLinkSettings,
        verify: bool = False,
        placed: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
        allowed: Collection[str] = ALL_TOOLS,
    ) -> None:
        """``verify``: people come by invitation, and only verified names count.

        ``placed``: gives an EVENT of a tool call the place of its line (``RoomRecord``).
        """
        self._placed = placed
        self._allowed = allowed
        self._known = Toolset({})
        self._trust = Trust(verify)
        self._limits = ToolLimits(
            settings.tool_timeout_ms,
            settings.tool_confirm_timeout_ms,
            settings.tool_filler_after_ms,
        )
        self._specs: dict[str, ToolSpec] = {}
        self._calls = ToolCalls(self._specs, self._limits)
        self._approvals = Approvals(settings)
        self._questions: dict[str, tuple[dict[str, Any], int]] = {}
        """Open questions by tool call: the EVENT, and when it was told."""
        self._told_problems = 0
        self._offered = OfferedTools(session_object(settings).get("tools", ()))

    def roster(self, event: Mapping[str, Any]) -> None:
        """The mixer's ``participants`` event: exactly these people are in the room."""
        self._trust.roster(event)

    @property
    def is_busy(self) -> bool:
        """A tool call has no output yet."""
        return bool(self._calls.pending()) or self._approvals.is_busy

    @property
    def owes_answer(self) -> bool:
        """The model will be asked to speak of what has no output yet, or does so by itself."""
        return self._calls.owes_answer or self._approvals.is_busy

    @property
    def definitions(self) -> Sequence[Mapping[str, Any]]:
        """For the session object: what the server takes of the tools that there are."""
        return self._offered.definitions

    def changed(self, tools: Toolset, now_ns: int) -> list[Outcome]:
        """Tools have come, gone or changed, or are known to be missing."""
        before, self._known = dict(self._specs), tools
        tools = _allowed(tools, self._allowed)
        self._specs.clear()
        self._specs.update(tools.specs)
        news = tools.problems[self._told_problems :]
        self._told_problems = len(tools.problems)
        outcomes: list[Outcome] = [ProblemFound("tools_missing", problem) for problem in news]
        missing = self._offered.replace(tools.definitions)
        outcomes += _missing(missing, missing)
        return outcomes + self._apply(self._calls.replaced(before, now_ns), now_ns)

    def allow(self, patterns: Collection[str], now_ns: int) -> list[Outcome]:
        """The room may use the tools with these names, and no others."""
        self._allowed = patterns
        return self.changed(self._known, now_ns)

    def refused(self, blame: Blame) -> list[Outcome]:
        """A server refuses tools: no session is offered them any more, as long as they are so."""
        return _missing(*self._offered.refused(blame))

    def on_fact(self, fact: Fact, asker: Asker, now_ns: int, session: int = 0) -> list[Outcome]:
        """Something happened in the conversation, in the session with that number."""
        if isinstance(fact, ToolCalled):
            participant, name = asker(fact.response)
            proven = self._trust.is_proven(participant)
            called = self._calls.called(fact, participant, name, now_ns, is_proven=proven)
            return self._apply(called, now_ns)
        if isinstance(fact, CallNameless):
            return _not_done(fact.name)
        approvals = self._approved(self._approvals.on_fact(session, fact, now_ns), now_ns)
        return approvals + self._apply(self._calls.on_fact(fact, now_ns), now_ns)

    def answered(self, call: str, output: str, now_ns: int) -> list[Outcome]:
        """The tool has returned ``output``."""
        finished = self._calls.finished(call, output, not is_error(output), now_ns)
        return self._apply(finished, now_ns)

    def confirmed(self, event: Mapping[str, Any], now_ns: int) -> list[Outcome]:
        """A browser's answer to a question: ``confirm {call, allow}``."""
        call, allow = str(event.get("call", "")), event.get("allow") is True
        participant = str(event.get("participant", ""))
        if allow and not self._trust.may_confirm(participant):
            return [TellBrowsers(NOT_CONFIRMED, sender_of(event))]
        if self._approvals.is_open(call):
            given = self._approvals.confirmed(call, allow, participant, now_ns)
            return self._approved(given, now_ns)
        return self._apply(self._calls.confirmed(call, allow, participant, now_ns), now_ns)

    def ask_again(self, now_ns: int) -> list[Outcome]:
        """Repeat the open questions, with the time that is left, for somebody who came later."""
        outcomes: list[Outcome] = []
        for event, asked_ns in self._questions.values():
            left_ms = int(event["timeout_ms"]) - (now_ns - asked_ns) // MS_NS
            outcomes.append(TellBrowsers({**event, "timeout_ms": max(1, left_ms)}))
        return outcomes

    def session_changed(self, is_answering: bool, now_ns: int) -> list[Outcome]:
        """The conversation goes on in another session, which knows all outputs so far.

        ``is_answering``: the session before still gives the answer that it was asked for.
        """
        return self._apply(self._calls.moved(now_ns, is_answering=is_answering), now_ns)

    def forget(self, now_ns: int) -> list[Outcome]:
        """The conversation is deleted, and the sessions that know it are over."""
        self._questions.clear()
        return self._apply(self._calls.forget(), now_ns)

    def stopped(self) -> None:
        """Somebody has stopped the assistant."""
        self._calls.stopped()

    def answers_given(self) -> None:
        """Nobody in the room waits for an answer."""
        self._calls.answers_given()

    def session_over(self, session: int, now_ns: int) -> list[Outcome]:
        """What the service itself wanted to run in that session is not run any more."""
        return self._approved(self._approvals.session_over(session), now_ns)

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``."""
        return earliest(self._calls.next_timeout_ns(), self._approvals.next_timeout_ns())

    def tick(self, now_ns: int) -> list[Outcome]:
        """The time-out was reached, perhaps."""
        due_ns = self.next_timeout_ns()
        if due_ns is None or now_ns < due_ns:
            return []
        approvals = self._approved(self._approvals.tick(now_ns), now_ns)
        return approvals + self._apply(self._calls.tick(now_ns), now_ns)

    def _approved(self, actions: Sequence[Answer | Told], now_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for action in actions:
            if isinstance(action, Told):
                outcomes += self._apply([TellTool(action.event)], now_ns)
            else:
                outcomes.append(ApprovalGiven(action))
        return outcomes

    def _apply(self, actions: Sequence[ToolAction], now_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for action in actions:
            match action:
                case RunTool():
                    who = action.who or "somebody"
                    outcomes += [Log("info", f"= tool {action.name} for {who}", "tool"), action]
                case CancelTool():
                    outcomes.append(action)
                case SendOutput(call, output):
                    outcomes.append(ToolAnswered(call, output, not is_error(output)))
                case AskAnswer():
                    outcomes.append(ReplyWanted())
                case SayFiller(text):
                    outcomes.append(ReplyWanted(filler_response(text)))
                case TellTool(event):
                    event = dict(self._placed(event))
                    self._remember(event, now_ns)
                    outcomes.append(TellBrowsers(event))
        return outcomes

    def _remember(self, event: dict[str, Any], now_ns: int) -> None:
        """Any other status of a tool call ends its question."""
        self._questions.pop(event["call"], None)
        if event["status"] == "asking":
            self._questions[event["call"]] = event, now_ns


def _allowed(tools: Toolset, patterns: Collection[str]) -> Toolset:
    """Those that a room may use."""
    if tuple(patterns) == ALL_TOOLS:
        return tools
    specs = {name: spec for name, spec in tools.specs.items() if may_use(patterns, name)}
    definitions = [one for one in tools.definitions if str(one.get("name")) in specs]
    return replace(tools, specs=specs, definitions=definitions)


def _missing(for_log: Sequence[str], for_people: Sequence[str]) -> list[Outcome]:
    return [
        *(Log("warning", f"! {words}") for words in for_log),
        *(ProblemFound("tools_missing", words) for words in for_people),
    ]


def _not_done(name: str) -> list[Outcome]:
    """People hear of a tool call that cannot be answered: its server gave it no id."""
    tool = one_line(name, MAX_NAME_CHARS) or "a tool"
    words = f"The assistant wanted to use {tool}, but its server gave the call no id: "
    words += "it was not done."
    return [Log("warning", f"! < {words}", "call without id"), ProblemFound("tool_failed", words)]

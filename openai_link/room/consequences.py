"""What follows from each signal: which parts must hear of it, in which order. Sans-I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .. import facts
from ..facts import (
    AssistantChanged,
    Fact,
    ItemAdded,
    PlaybackStarted,
    SpeechStarted,
    TurnCommitted,
)
from ..playback.truncation import Truncation
from .actions import ExportTrace, Log
from .audience import Audience
from .parts import RoomConfig, RoomParts
from .people import People
from .recovery import Recovery
from .signals import (
    AnswerTurn,
    ApprovalGiven,
    BudgetSpent,
    FactLearned,
    Outcome,
    PersonaRefused,
    PictureRefused,
    ProblemFound,
    ReplyMayWait,
    ReplyRequested,
    ReplyTruncated,
    ReplyWanted,
    ReplyWithdrawn,
    RoomClosed,
    RoomGranted,
    RuleChanged,
    SessionConfirmed,
    SessionFailed,
    SessionMoved,
    SessionOver,
    SessionSeeded,
    Signal,
    StateNews,
    TextTyped,
    ToolAnswered,
    ToolsRefused,
)
from .startup import Startup
from .turn_traces import TurnTrace


class Consequences:
    """Of one room's signals."""

    def __init__(
        self,
        config: RoomConfig,
        parts: RoomParts,
        startup: Startup,
        audience: Audience,
        people: People,
    ) -> None:
        self._interrupts = config.settings.interrupt_response
        self._parts = parts
        self._startup = startup
        self._audience = audience
        self._people = people
        self._recovery = Recovery(config.upstream, parts, audience, people)

    def of(self, signal: Signal, wall_ms: int, now_ns: int) -> list[Outcome]:
        """What follows from ``signal``, in order."""
        parts = self._parts
        match signal:
            case FactLearned(session, fact):
                return self._learned(session, fact, wall_ms, now_ns)
            case ReplyTruncated(session, truncation):
                return self._truncated(session, truncation, wall_ms, now_ns)
            case TextTyped(session, text):
                traces = _exported(parts.traces.typed(session, now_ns))
                return [*traces, *parts.record.typed(session, text, wall_ms, now_ns)]
            case PictureRefused():
                return self._people.picture_refused(signal, now_ns)
            case ReplyRequested():
                parts.record.pending_reply.requested()
                return []
            case ReplyWithdrawn():
                parts.record.withdrawn()
                return parts.address.stopped()
            case ReplyMayWait():
                return self._recovery.ask_pending(now_ns)
            case ReplyWanted(overrides):
                talking = parts.sessions.talking
                return [] if talking is None else talking.ask(overrides, now_ns)
            case AnswerTurn(item, goes_on):
                talking = parts.sessions.talking
                told = parts.speakers.before_answer(now_ns)
                if talking is None:
                    return [ReplyRequested()]
                return [*told, *talking.answer_turn(item, now_ns, goes_on=goes_on)]
            case RuleChanged():
                return [*parts.follow_rule(now_ns), StateNews()]
            case ApprovalGiven(answer):
                asking = parts.sessions.find(answer.session)
                return [] if asking is None else asking.approve(answer, now_ns)
            case ToolAnswered():
                return self._tool_answered(signal, wall_ms, now_ns)
            case ProblemFound(code, message):
                return self._audience.problem(code, message)
            case BudgetSpent(problem):
                return parts.connection.budget_spent(problem, wall_ms, now_ns)
            case RoomClosed(reason):
                return parts.record.closed(reason, wall_ms)
            case RoomGranted():
                return self._recovery.granted(wall_ms, now_ns)
            case SessionOver(number):
                parts.address.session_over(number, now_ns)
                parts.own_words.session_over(now_ns)
                return parts.record.words_over(number, now_ns)
            case SessionMoved(kind):
                parts.connection.moved(kind, now_ns)
                parts.own_words.session_moved(now_ns)
                return [self._audience.state()]
            case StateNews():
                return [self._audience.state(), *self._people.give_back()]
            case _:
                return self._of_session(signal, wall_ms, now_ns)

    def _of_session(
        self,
        signal: SessionConfirmed | SessionSeeded | SessionFailed | ToolsRefused | PersonaRefused,
        wall_ms: int,
        now_ns: int,
    ) -> list[Outcome]:
        session = self._parts.sessions.find(signal.session)
        if session is None:
            return []
        match signal:
            case SessionConfirmed():
                self._parts.persona.taken(session.settings)
                self._parts.record.session_opened(session.number, session.settings.model)
                return self._startup.seed(session, now_ns)
            case SessionSeeded():
                return self._recovery.seeded(session, wall_ms, now_ns)
            case SessionFailed(_, error):
                return self._recovery.failed(session, error, wall_ms, now_ns)
            case ToolsRefused(_, blame):
                return self._recovery.tools_refused(session, blame, now_ns)
            case PersonaRefused(_, asked, error):
                return self._recovery.persona_refused(asked, error)

    def _learned(self, number: int, fact: Fact, wall_ms: int, now_ns: int) -> list[Outcome]:
        parts, outcomes = self._parts, list[Outcome]()
        if number == parts.active_session and self._is_spoken_over(fact):
            outcomes += parts.handover.silence_draining(now_ns)
        if isinstance(fact, ItemAdded) and parts.record.is_picture(fact.item):
            parts.sessions.pictures.taken()
        if isinstance(fact, facts.SessionConfirmed) and fact.updated and fact.answers_tools:
            self._retold(number)
        outcomes += parts.record.on_fact(number, fact, wall_ms, now_ns)
        if number != parts.active_session:
            outcomes += parts.sessions.tell_late(fact, now_ns)
        parts.speakers.on_fact(number, fact, now_ns)
        outcomes += parts.own_words.on_fact(number, fact, now_ns)
        decided = parts.address.on_fact(number, fact, now_ns, self._is_stopped(number, fact))
        if isinstance(fact, TurnCommitted) and number != parts.active_session:
            decided = [_going_on(one) for one in decided]
        outcomes += decided
        outcomes += _exported(parts.traces.on_fact(number, fact, now_ns))
        if not parts.record.pending_reply.is_pending:
            parts.tools.answers_given()
        if number == parts.active_session or not isinstance(fact, AssistantChanged):
            outcomes += parts.tools.on_fact(fact, parts.record.asker, now_ns, number)
        if isinstance(fact, AssistantChanged):
            outcomes.append(StateNews())
        return outcomes

    def _retold(self, number: int) -> None:
        """The server has taken all changes of a session."""
        session = self._parts.sessions.find(number)
        if session is not None:
            self._parts.persona.taken(session.settings)

    def _is_stopped(self, number: int, fact: Fact) -> bool:
        """Whether a reply begins to sound that we have stopped before."""
        session = self._parts.sessions.find(number)
        if session is None or not isinstance(fact, PlaybackStarted):
            return False
        return session.has_stopped(fact.response)

    def _is_spoken_over(self, fact: Fact) -> bool:
        """Whether people, or the next reply, speak over the last words of a draining session."""
        interrupts = isinstance(fact, SpeechStarted) and self._interrupts
        return interrupts or isinstance(fact, PlaybackStarted)

    def _truncated(
        self, session: int, truncation: Truncation, wall_ms: int, now_ns: int
    ) -> list[Outcome]:
        """The record first: another session that has the room is told what it says then."""
        outcomes = self._parts.record.truncated(truncation, wall_ms, now_ns)
        if session == self._parts.active_session:
            return outcomes
        return [*outcomes, *self._parts.sessions.tell_truncated(truncation.item, now_ns)]

    def _tool_answered(self, answered: ToolAnswered, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The record first, then the model; without a session the next one is told."""
        parts, call, output = self._parts, answered.call, answered.output
        parts.traces.tool_answered(call, answered.ok, now_ns)
        outcomes = parts.record.tool_answered(call, output, answered.ok, wall_ms)
        talking = parts.sessions.talking
        if talking is None:
            log = Log("info", f"= the output of {call} is kept for the next session")
            return [*outcomes, log]
        return [*outcomes, *talking.tool_output(call, output)]


def _going_on(outcome: Outcome) -> Outcome:
    return replace(outcome, goes_on=True) if isinstance(outcome, AnswerTurn) else outcome


def _exported(traces: Sequence[TurnTrace]) -> list[Outcome]:
    return [ExportTrace(trace) for trace in traces]

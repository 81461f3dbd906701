"""From a session that failed to a room that has one again, and the answer that it owes. Sans-I/O.

``failed`` makes a problem of the error, and the connection opens the next session. That is
confirmed, told the history (``Startup``), and gets the room in ``seeded``; then the answer that
people wait for is asked for again.
"""

from __future__ import annotations

from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.foreign_text import one_line

from ..realtime.problems import explain
from ..realtime.upstream import Upstream
from ..settings import OpenaiLinkSettings
from ..tools.blame import Blame
from .actions import Log
from .audience import Audience
from .parts import RoomParts
from .people import People
from .session import Session
from .signals import Outcome, ProblemFound, ReplyMayWait, SessionMoved

_NOT_ANSWERED = (
    "The assistant's server has not answered although it was asked several times. Please ask again."
)


NOT_TAKEN = "rules_refused"
"""Code of the problem where a server does not take what the room's rules say of the assistant."""


class Recovery:
    """Of one room; methods return what follows, in order."""

    def __init__(
        self, upstream: Upstream, parts: RoomParts, audience: Audience, people: People
    ) -> None:
        self._upstream = upstream
        self._sessions = parts.sessions
        self._handover = parts.handover
        self._connection = parts.connection
        self._record = parts.record
        self._tools = parts.tools
        self._audience = audience
        self._people = people
        self._parts = parts

    def failed(
        self, session: Session, error: UpstreamError, wall_ms: int, now_ns: int
    ) -> list[Outcome]:
        """A session cannot be used any more."""
        blame = session.blamed(error)
        if blame is not None:
            return [*self._tools.refused(blame), *self._reopened(session, wall_ms, now_ns)]
        if session.stage == "connecting":
            words = self._parts.persona.refused(session.settings, error)
            if words:
                return [*_told(words), *self._reopened(session, wall_ms, now_ns)]
        problem = explain(error, self._upstream)
        if problem.code == "no_answer":
            self._record.pending_reply.missed()
        if session is self._sessions.standby:
            told = self._connection.refused(problem, now_ns)
            return [*told, *self._handover.standby_failed(problem, wall_ms, now_ns)]
        if session is self._sessions.draining:
            return self._handover.end_draining(wall_ms, now_ns)
        return self._connection.failed(problem, wall_ms, now_ns)

    def tools_refused(self, session: Session, blame: Blame, now_ns: int) -> list[Outcome]:
        """The server of a session refuses tools: it is told of the others."""
        refused = self._tools.refused(blame)
        return [*refused, *session.offer(self._tools.definitions, now_ns)]

    def persona_refused(self, asked: OpenaiLinkSettings, error: UpstreamError) -> list[Outcome]:
        """The server of a running session does not take a change of the assistant."""
        words = self._parts.persona.refused(asked, error)
        words = words or f"The assistant's server does not take a change: {one_line(str(error))}"
        return _told(words)

    def seeded(self, session: Session, wall_ms: int, now_ns: int) -> list[Outcome]:
        """A session knows the history: it gets the room, or waits for it."""
        if session is self._sessions.standby:
            return self._handover.standby_seeded(wall_ms, now_ns)
        if session is not self._sessions.active:
            return []
        if self._sessions.is_elsewhere:
            log = Log("info", "= the session waits for the room of another machine")
            return [*self._connection.prepared(wall_ms, now_ns), log]
        outcomes = self._sessions.activate(session, now_ns)
        self._handover.activated(session, wall_ms, now_ns)
        outcomes += self._connection.established(wall_ms, now_ns)
        outcomes += self._people.say_waiting(now_ns)
        outcomes += self._audience.greet(now_ns)
        return [*outcomes, ReplyMayWait()]

    def granted(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The room of another machine is here now; what was said there is in the record."""
        self._sessions.is_elsewhere = False
        self._connection.expect(now_ns)
        session = self._sessions.active
        if session is None or session.stage != "standby":
            return []  # It gets the room as soon as it is seeded.
        outcomes = self._sessions.activate(session, now_ns)
        self._handover.activated(session, wall_ms, now_ns)
        log = Log("info", "= the room of another machine is here")
        outcomes += self._people.say_waiting(now_ns)
        return [*outcomes, log, SessionMoved(session.kind), ReplyMayWait()]

    def ask_pending(self, now_ns: int) -> list[Outcome]:
        """Ask again for the reply that a session before did not give."""
        talking = self._sessions.talking
        if talking is None or self._sessions.draining is not None:
            return []
        outcomes = self._sessions.retype(talking)
        pending = self._record.pending_reply
        waits = pending.is_pending and not self._tools.owes_answer
        if not waits or not (outcomes or talking.is_settled):  # Nobody waits, or it is on its way.
            return outcomes
        if pending.is_hopeless:
            pending.forget()
            return [*outcomes, ProblemFound("no_answer", _NOT_ANSWERED)]
        return [*outcomes, Log("info", "= a reply is pending"), *talking.ask(None, now_ns)]

    def _reopened(self, session: Session, wall_ms: int, now_ns: int) -> list[Outcome]:
        """Open a session that was refused as it was: at once, and no failure of the connection."""
        if session is self._sessions.standby:
            return self._handover.reopened(wall_ms, now_ns)
        return self._connection.reopened(wall_ms, now_ns)


def _told(words: str) -> list[Outcome]:
    return [Log("warning", f"! {words}"), ProblemFound(NOT_TAKEN, words)]

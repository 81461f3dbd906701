"""The rollover at work: opens the next session, moves the room to it, lets the old one drain.

Sans-I/O. ``rollover`` says when; this carries it out on the sessions of the room.
"""

from __future__ import annotations

from mixer_core.runtime.units import MS_NS, S_NS

from ..realtime.problems import Problem
from ..settings import OpenaiLinkSettings
from ..transport.interface import TransportKind
from ..transport.selection import TransportSelection
from .actions import Log
from .rollover import DropNext, Move, OpenNext, Rollover, RolloverAction
from .room_tools import RoomTools
from .session import Session
from .sessions import RoomSessions
from .signals import Outcome, ReplyMayWait, SessionMoved

DRAIN_NS = 1 * S_NS
"""How long a draining session is kept at least: its last packets are on their way."""
DRAIN_CHECK_NS = 250 * MS_NS
"""Between two looks at whether a draining session has said everything."""
WORDS_NS = 10 * S_NS
"""A draining session is not kept for longer for the transcript of what was said in it."""
DRAIN_LIMIT_NS = 120 * S_NS
"""A draining session is not kept for longer."""
QUIET_NS = 400 * MS_NS
"""Time without a loud frame after which nobody is in the middle of a word."""
ROLLOVER = "rollover"
"""Why a session ends that the room has left, in the journal."""
_TIMED_OUT = Problem("connect_timeout", "The next session was not up in time.", True)


class Handover:
    """Moves a room from session to session; methods return what follows, in order."""

    def __init__(
        self,
        settings: OpenaiLinkSettings,
        sessions: RoomSessions,
        tools: RoomTools,
        selection: TransportSelection,
    ) -> None:
        self._sessions = sessions
        self._tools = tools
        self._selection = selection
        self._rollover = Rollover(settings)
        self._loud_ns = 0
        self._drain_check_ns = 0
        self._words_limit_ns = 0
        self._drain_limit_ns = 0
        self._is_silenced = False
        """The draining session was stopped."""
        self.begun = 0
        """Rollovers that were begun, and those that were completed."""
        self.completed = 0

    @property
    def listens(self) -> bool:
        """Whether a pause of the room is waited for."""
        return self._rollover.phase == "waiting"

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``."""
        rollover_ns = self._rollover.next_timeout_ns()
        if self._sessions.draining is None:
            return rollover_ns
        if rollover_ns is None:
            return self._drain_check_ns
        return min(rollover_ns, self._drain_check_ns)

    def tick(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The time-out was reached, perhaps."""
        outcomes = self._see_draining(wall_ms, now_ns)
        if self.listens:
            outcomes += self._see_activity(wall_ms, now_ns)
        return outcomes + self._apply(self._rollover.tick(now_ns), wall_ms, now_ns)

    def room_audio(self, is_quiet: bool, wall_ms: int, now_ns: int) -> list[Outcome]:
        """20 ms of the room went by; only needed while ``listens``."""
        if not is_quiet:
            self._loud_ns = now_ns
        return self._see_activity(wall_ms, now_ns)

    def activated(self, session: Session, wall_ms: int, now_ns: int) -> None:
        """A session has the room: its time runs."""
        self._rollover.began(session.expires_at_s, wall_ms / 1000, now_ns)

    def ended(self) -> None:
        """All sessions are over."""
        self._rollover.ended()

    def standby_seeded(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The next session knows the history."""
        log = Log("info", "= the next session is in standby")
        return [log, *self._apply(self._rollover.next_ready(now_ns), wall_ms, now_ns)]

    def standby_failed(self, problem: Problem, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The next session could not be made, or was lost."""
        session = self._sessions.standby
        if session is None:
            return []
        self._selection.failed(session.kind, problem, session.answered, False)
        self._rollover.next_failed(now_ns, problem.retry_after_ns)
        log = Log("warning", f"! the next session: {problem.message}")
        return [log, *self._sessions.end(session, problem.code, wall_ms, now_ns)]

    def reopened(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The server refused the next session as it was, and takes another: open that one."""
        refused = self._sessions.standby
        if refused is None:
            return []
        outcomes = self._sessions.end(refused, "refused", wall_ms, now_ns)
        self._sessions.standby, opened = self._sessions.create(refused.kind)
        return [*outcomes, *opened]

    def end_draining(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The session that the room has left is over."""
        session = self._sessions.draining
        if session is None:
            return []
        return [*self._sessions.end(session, ROLLOVER, wall_ms, now_ns), ReplyMayWait()]

    def silence_draining(self, now_ns: int) -> list[Outcome]:
        """Somebody speaks over the last words of the old session, or stops them.

        It is kept until the server has said what they cost.
        """
        session = self._sessions.draining
        if session is None or self._is_silenced or session.has_said_everything:
            return []
        self._is_silenced = True
        self._drain_check_ns = now_ns + DRAIN_CHECK_NS
        self._drain_limit_ns = now_ns + DRAIN_NS
        return session.silence(now_ns)

    # -- details ----------------------------------------------------------------------------------

    def _apply(self, actions: list[RolloverAction], wall_ms: int, now_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for action in actions:
            match action:
                case OpenNext():
                    outcomes += self._open_next(self._selection.choose(now_ns))
                case DropNext():
                    outcomes += self.standby_failed(_TIMED_OUT, wall_ms, now_ns)
                case Move(in_pause):
                    outcomes += self._move(in_pause, wall_ms, now_ns)
        return outcomes

    def _open_next(self, kind: TransportKind) -> list[Outcome]:
        self.begun += 1
        self._sessions.standby, opened = self._sessions.create(kind)
        return [Log("info", "= the session ends soon: the next one is opened"), *opened]

    def _move(self, in_pause: bool, wall_ms: int, now_ns: int) -> list[Outcome]:
        """Between two frames: what came before is the old session's, what follows the new one's."""
        old, new = self._sessions.active, self._sessions.standby
        if old is None or new is None or new.stage != "standby":
            return []
        outcomes = self.end_draining(wall_ms, now_ns)
        self._sessions.active, self._sessions.standby, self._sessions.draining = new, None, old
        outcomes += old.drain(now_ns)
        outcomes += self._sessions.activate(new, now_ns)
        self.activated(new, wall_ms, now_ns)
        self._drain_check_ns = now_ns + DRAIN_NS
        self._words_limit_ns = now_ns + WORDS_NS
        self._drain_limit_ns = now_ns + DRAIN_LIMIT_NS
        self._is_silenced = False
        self.completed += 1
        how = "in a pause" if in_pause else "in speech: the time was up"
        log = Log("info", f"= the room has moved to the next session, {how}")
        return [*outcomes, SessionMoved(new.kind), log]

    def _see_draining(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        session = self._sessions.draining
        if session is None or now_ns < self._drain_check_ns:
            return []
        self._drain_check_ns = now_ns + DRAIN_CHECK_NS
        words_may_come = session.awaits_words and now_ns < self._words_limit_ns
        is_over = session.has_said_everything and not words_may_come
        if is_over or now_ns >= self._drain_limit_ns:
            return self.end_draining(wall_ms, now_ns)
        return []

    def _see_activity(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        active = self._sessions.active
        calm = active is not None and active.is_settled and not self._tools.is_busy
        busy = not calm or now_ns - self._loud_ns < QUIET_NS
        return self._apply(self._rollover.activity(busy, now_ns), wall_ms, now_ns)

"""The room's connection to its server: carries out what ``Lifecycle`` decides, within the budget.

Sans-I/O. ``Lifecycle`` says when to connect and when to give up; sessions are opened and ended
here. While the day's money is spent, nothing is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mixer_core.runtime.units import S_NS

from ..realtime.problems import Problem
from ..settings import OpenaiLinkSettings
from ..transport.interface import TransportKind
from ..transport.selection import TransportSelection
from .actions import Log, RememberTransport
from .handover import Handover
from .lifecycle import JOIN_GRACE_NS, STOPPED, Lifecycle, Limits
from .lifecycle_actions import (
    Connect,
    Disconnect,
    Exit,
    LifecycleAction,
    Report,
    State,
    StateChanged,
)
from .record import RoomRecord
from .sessions import RoomSessions
from .signals import BudgetSpent, Outcome, ProblemFound, RoomClosed, StateNews

PENDING_REPLY_NS = 60 * S_NS
"""Time without a session after which nobody waits for a reply any more."""
FORGOTTEN = "forgotten"
"""Why the sessions end that know a deleted conversation."""
BUDGET_CHECK_NS = 1 * S_NS
"""Between two looks at whether a new day has money."""


class Connection:
    """One room's connection; methods return what follows, in order."""

    def __init__(
        self,
        settings: OpenaiLinkSettings,
        selection: TransportSelection,
        sessions: RoomSessions,
        handover: Handover,
        record: RoomRecord,
        jitter: Callable[[], float],
        allowed_ns: int = 0,
    ) -> None:
        """``jitter``: random numbers from 0 to 1, for the back-off.

        ``allowed_ns``: the server wants no attempt before, as other rooms have learnt.
        """
        self._selection = selection
        self._sessions = sessions
        self._handover = handover
        self._record = record
        self._jitter = jitter
        self._life = Lifecycle(Limits.of(settings), selection, allowed_ns)
        self._budget_check_ns: int | None = None
        """When to look for money again, after the budget ended a session."""
        self._lost_ns = 0
        """When the room lost its session; 0: it has one, or had none yet."""
        self._connect_ns = 0
        self.connect_ms = 0.0
        """How long the newest connection took."""

    @property
    def state(self) -> State:
        """How it is."""
        return self._life.state

    @property
    def detail(self) -> str:
        """Why it is so, in words."""
        return self._life.detail

    @property
    def code(self) -> str:
        """Code of the problem, if it has failed."""
        return self._life.code

    @property
    def attempts(self) -> int:
        """Sessions that were opened, those at rollovers apart."""
        return self._life.attempts

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        life_ns, check_ns = self._life.next_timeout_ns(), self._budget_check_ns
        if life_ns is None or check_ns is None:
            return check_ns if life_ns is None else life_ns
        return min(life_ns, check_ns)

    # -- what happens -----------------------------------------------------------------------------

    def open(self, wall_ms: int, now_ns: int, grace_ns: int = JOIN_GRACE_NS) -> list[Outcome]:
        """The room has its first participant on the way, who comes within ``grace_ns``."""
        return self._carry_out(self._life.open(now_ns, grace_ns), wall_ms, now_ns)

    def suspend(self, reason: str, detail: str, wall_ms: int, now_ns: int) -> list[Outcome]:
        """End all sessions; none is opened before ``resume``. ``detail``: for people."""
        return self._carry_out(self._life.suspend(reason, detail), wall_ms, now_ns)

    def resume(self, reason: str, wall_ms: int, now_ns: int) -> list[Outcome]:
        """A session may be opened as far as that reason is concerned."""
        return self._carry_out(self._life.resume(reason, now_ns), wall_ms, now_ns)

    def expect(self, now_ns: int) -> None:
        """People who were elsewhere are on their way."""
        self._life.expect(now_ns)

    def stop(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The process must end."""
        return self._carry_out(self._life.stop(), wall_ms, now_ns)

    def tick(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The time-out was reached, perhaps."""
        active = self._sessions.active
        self._life.missing = "" if active is None else active.missing
        outcomes = self._carry_out(self._life.tick(now_ns, self._jitter()), wall_ms, now_ns)
        if self._budget_check_ns is not None and now_ns >= self._budget_check_ns:
            outcomes += self._check_budget(wall_ms, now_ns)
        return outcomes

    def roster(self, people: int, joined: bool, wall_ms: int, now_ns: int) -> list[Outcome]:
        """``people`` are in the room; ``joined``: somebody is there who was not before."""
        return self._carry_out(self._life.roster(people, joined, now_ns), wall_ms, now_ns)

    def answered(self) -> None:
        """The server has accepted the active session's connection."""
        self._life.answered()

    def received(self, received_ns: int) -> None:
        """Anything last came from the server of the active session at ``received_ns``."""
        self._life.heard(received_ns)

    def moved(self, kind: TransportKind, now_ns: int) -> None:
        """The room has moved to its next session."""
        self._life.moved(kind, now_ns)

    def established(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The room has a session again."""
        if self._lost_ns and now_ns - self._lost_ns > PENDING_REPLY_NS:
            self._record.pending_reply.forget()
        self._lost_ns = 0
        self.connect_ms = (now_ns - self._connect_ns) / 1e6
        outcomes = self._carry_out(self._life.connected(now_ns), wall_ms, now_ns)
        return [*outcomes, self._remember(now_ns)]

    def prepared(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The session is ready, and waits for a room that another machine has."""
        return self._carry_out(self._life.prepared(), wall_ms, now_ns)

    def failed(self, problem: Problem, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The active session could not be opened, or was lost."""
        life = self._life.failed(problem, now_ns, self._jitter())
        log = Log("warning", f"! {problem.message}")
        told = self.refused(problem, now_ns)
        return [log, *told, *self._carry_out(life, wall_ms, now_ns)]

    def refused(self, problem: Problem, now_ns: int) -> list[Outcome]:
        """A call failed, perhaps another than the active session's: the server may want a wait."""
        self._life.refused(problem, now_ns)
        return [self._remember(now_ns)] if problem.retry_after_ns else []

    def _remember(self, now_ns: int) -> RememberTransport:
        allowed_ns = self._life.allowed_ns
        waits = allowed_ns if allowed_ns > now_ns else 0
        return RememberTransport(self._selection.websocket_until_ns, waits)

    def reopened(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The server refused the active session as it was, and takes another: open that one."""
        refused = self._sessions.active
        if refused is None:
            return []
        outcomes = self._disconnect("refused", wall_ms, now_ns)
        self._sessions.active, opened = self._sessions.create(refused.kind)
        return [*outcomes, *opened]

    def forget(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The conversation is deleted: no session that knows it may go on."""
        life = self._life.afresh(FORGOTTEN, "What was said so far was deleted.", now_ns)
        return self._carry_out(life, wall_ms, now_ns)

    def budget_spent(self, problem: Problem, wall_ms: int, now_ns: int) -> list[Outcome]:
        """End the session, and open no other one before there is money, or somebody joins."""
        self._budget_check_ns = now_ns + BUDGET_CHECK_NS
        life = self._life.failed(problem, now_ns, self._jitter())
        return self._carry_out(life, wall_ms, now_ns)

    # -- details ----------------------------------------------------------------------------------

    def _carry_out(
        self, actions: Sequence[LifecycleAction], wall_ms: int, now_ns: int
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for action in actions:
            match action:
                case Connect(kind):
                    outcomes += self._connect(kind, wall_ms, now_ns)
                case Disconnect(reason):
                    outcomes += self._disconnect(reason, wall_ms, now_ns)
                case StateChanged(state, detail):
                    log = Log("info", f"= {state}: {detail}" if detail else f"= {state}")
                    outcomes += [log, StateNews(), action]
                case Report(code, message):
                    outcomes.append(ProblemFound(code, message))
                case Exit(reason):
                    if reason != STOPPED and not self._life.is_suspended:
                        outcomes.append(RoomClosed(reason))
                    outcomes.append(action)
        return outcomes

    def _connect(self, kind: TransportKind, wall_ms: int, now_ns: int) -> list[Outcome]:
        problem = self._record.spending.blocked(wall_ms)
        if problem is not None:
            return [BudgetSpent(problem)]
        outcomes = self._disconnect("replaced", wall_ms, now_ns)
        self._connect_ns = now_ns
        self._sessions.active, opened = self._sessions.create(kind)
        return [*outcomes, *opened]

    def _disconnect(self, reason: str, wall_ms: int, now_ns: int) -> list[Outcome]:
        if self._sessions.talking is not None:
            self._lost_ns = self._lost_ns or now_ns
        self._handover.ended()
        outcomes = self._handover.end_draining(wall_ms, now_ns)
        for session in self._sessions.all:
            outcomes += self._sessions.end(session, reason, wall_ms, now_ns)
        return outcomes

    def _check_budget(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        if self._record.spending.blocked(wall_ms) is not None:
            self._budget_check_ns = now_ns + BUDGET_CHECK_NS
            return []
        self._budget_check_ns = None
        return self._carry_out(self._life.retry(now_ns), wall_ms, now_ns)

"""A room's engine: everything that happens to a room comes in, and actions for the shell come out.

Sans-I/O. Every input takes ``now_ns`` (monotonic) last and returns the actions to carry out, in
order; ``tick`` is due at ``next_timeout_ns``. The parts below never call back: they return signals
among their actions, and ``_settle`` passes each signal on when the part that sent it has finished.

=================  ================================================================================
part               decides
=================  ================================================================================
``Connection``     when to connect, to try again, to give up, to exit (``Lifecycle``)
``RoomSessions``   which session is active, in standby or draining, and what each is told
``Handover``       when the room moves to its next session
``RoomRecord``     the transcript, what the journal holds, captions, the pending reply, money
``RoomTools``      which tool calls run, who is asked, when the model speaks about them
``Notices``        what newcomers have yet to hear
``Tellings``       at which pace browsers are told
``TurnTraces``     what each turn took
=================  ================================================================================

Sound does not pass through actions: ``room_audio`` and ``reply_audio`` are called directly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixer_core.bus.frames import FLAG_PAUSE
from mixer_core.journal.records import HistoryItem
from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.repeated import Repeated
from mixer_core.runtime.units import MS_NS, S_NS

from ..facts import AssistantChanged, Fact, ItemAdded, PlaybackStarted, SpeechStarted
from ..media.downlink_gate import DownlinkFrame
from ..media.quiet import ROOM_NOISE_PEAK, is_quiet
from ..pictures import Picture
from ..playback.truncation import Truncation
from ..realtime.problems import explain
from ..realtime.upstream import Upstream
from ..settings import OpenaiLinkSettings
from ..transport.selection import TransportSelection
from ..turns.actions import sender_of
from .actions import (
    Action,
    AnswerUpload,
    ClearOutput,
    ExportTrace,
    Log,
    SendEvent,
    TellBrowsers,
)
from .connection import Connection
from .epoch import EpochCounter
from .handover import Handover
from .lifecycle import State
from .notices import Notices
from .record import RoomRecord
from .room_tools import RoomTools, Toolset
from .session import Session
from .sessions import RoomSessions
from .signals import (
    ApprovalGiven,
    BudgetSpent,
    FactLearned,
    Outcome,
    PictureRefused,
    ProblemFound,
    ReplyMayWait,
    ReplyRequested,
    ReplyTruncated,
    ReplyWanted,
    RoomClosed,
    SessionConfirmed,
    SessionFailed,
    SessionMoved,
    SessionSeeded,
    Signal,
    StateNews,
    TextTyped,
    ToolAnswered,
    ToolsRefused,
)
from .tellings import Tellings
from .turn_traces import TurnTrace, TurnTraces

TOOLS_TIMEOUT_NS = 300 * MS_NS
"""How long the first session waits for the tools; later ones are added to the running session."""
RECOVERY_TIMEOUT_NS = 5 * S_NS
"""A journal that has not said by then what it knows is not waited for."""

LINES = 5
"""Lines a minute of each kind that others can cause at any rate."""
_SHOWN: dict[str, str] = {"idle": "connecting", "closed": "reconnecting"}
"""States that browsers know by another name: a link that ends is followed by another one."""
_LEFT_OUT = Log(
    "warning", "! more happens than the room can be told: some of it is left out", "left out"
)
_NOT_ANSWERED = (
    "The assistant's server has not answered although it was asked several times. Please ask again."
)
_FOR_SESSIONS = ("say", "interrupt", "ptt")


@dataclass(frozen=True, slots=True)
class RoomConfig:
    """What a room's engine is given."""

    room: str
    settings: OpenaiLinkSettings
    upstream: Upstream
    mark: str
    """Makes ids unique in the room: a few random characters."""
    day_of: Callable[[int], str]
    """Local day of a Unix time in ms, the account of what is spent on it."""
    jitter: Callable[[], float]
    """Random numbers from 0 to 1, for the back-off."""
    websocket_until_ns: int = 0
    """Until when WebSocket is preferred, as other rooms have learnt (monotonic)."""
    allowed_ns: int = 0
    """The server wants no attempt before, as other rooms have learnt (monotonic)."""
    verify: bool = False
    """People come by invitation: tools count verified names only."""


class RoomEngine:
    """One room; see the module."""

    def __init__(self, config: RoomConfig, wall_ms: int, now_ns: int) -> None:
        """``wall_ms``: Unix time at ``now_ns``."""
        settings = config.settings
        self._config = config
        self._settings = settings
        self.metrics = Metrics()
        self._wall_offset_ns = wall_ms * MS_NS - now_ns
        selection = TransportSelection(settings, config.websocket_until_ns)
        self._epoch = EpochCounter()
        self._record = RoomRecord(config.room, settings, config.day_of)
        self._tools = RoomTools(settings, config.verify, self._record.tool_event)
        self._sessions = RoomSessions(settings, self._record, self._tools, self._epoch, config.mark)
        self._handover = Handover(settings, self._sessions, self._tools, selection)
        self._connection = Connection(
            settings,
            selection,
            self._sessions,
            self._handover,
            self._record,
            config.jitter,
            config.allowed_ns,
        )
        self._notices = Notices()
        self._tellings = Tellings()
        self._traces = TurnTraces(self.metrics)
        self._lines = Repeated(lines=LINES)
        self._greets = settings.greet
        self._tools_deadline_ns: int | None = None
        self._recovery_deadline_ns: int | None = None
        self._is_recovered = False

    # -- what is known ----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """How the connection is, for signaling."""
        return self._connection.state

    @property
    def detail(self) -> str:
        """Why it is so, in words."""
        return self._connection.detail

    @property
    def epoch(self) -> int:
        """The room's epoch, as far as it is known here."""
        return self._epoch.number

    @property
    def active_session(self) -> int:
        """Number of the session that has the room or will have it; 0: there is none."""
        return 0 if self._sessions.active is None else self._sessions.active.number

    def counters(self) -> dict[str, int | float]:
        """For the metrics."""
        return {
            **self._sessions.counters(),
            **self._record.spending.metrics(),
            "calls_total": self._connection.attempts,
            "connect_ms": self._connection.connect_ms,
            "rollovers_begun_total": self._handover.begun,
            "rollovers_total": self._handover.completed,
            "epoch": self._epoch.number,
            "tellings_replaced_total": self._tellings.replaced,
            "tellings_left_out_total": self._tellings.left_out,
        }

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return earliest(
            self._connection.next_timeout_ns(),
            self._sessions.next_timeout_ns(),
            self._handover.next_timeout_ns(),
            self._record.next_timeout_ns(),
            self._tools.next_timeout_ns(),
            self._notices.next_timeout_ns(),
            self._tellings.next_timeout_ns(),
            self._tools_deadline_ns,
            self._recovery_deadline_ns,
        )

    # -- the room's life --------------------------------------------------------------------------

    def open(self, now_ns: int) -> list[Action]:
        """The room has its first participant on the way."""
        has_tools = bool(self._settings.tools or self._settings.mcp_servers)
        self._recovery_deadline_ns = now_ns + RECOVERY_TIMEOUT_NS
        if has_tools:
            self._tools_deadline_ns = now_ns + TOOLS_TIMEOUT_NS
        outcomes = [] if has_tools else self._sessions.tools_are_known()
        outcomes += self._connection.open(self._wall_ms(now_ns), now_ns)
        return self._settle(outcomes, now_ns)

    def stop(self, now_ns: int) -> list[Action]:
        """The process must end."""
        return self._settle(self._connection.stop(self._wall_ms(now_ns), now_ns), now_ns)

    def wall_clock(self, wall_ms: int, now_ns: int) -> None:
        """Unix time is ``wall_ms`` now: the system's clock may have been set."""
        self._wall_offset_ns = wall_ms * MS_NS - now_ns

    def tick(self, now_ns: int) -> list[Action]:
        """The time-out was reached, perhaps."""
        wall_ms = self._wall_ms(now_ns)
        actions = self._settle(self._sessions.tick(now_ns), now_ns)
        actions += self._settle(self._handover.tick(wall_ms, now_ns), now_ns)
        actions += self._settle(self._record.tick(now_ns), now_ns)
        actions += self._settle(self._tools.tick(now_ns), now_ns)
        actions += self._settle(self._deadlines(now_ns), now_ns)
        actions += self._settle(self._connection.tick(wall_ms, now_ns), now_ns)
        return actions + self._tellings.tick(now_ns)

    def _deadlines(self, now_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        if _is_due(self._tools_deadline_ns, now_ns):
            self._tools_deadline_ns = None
            outcomes += self._sessions.tools_are_known()
        if _is_due(self._recovery_deadline_ns, now_ns):
            outcomes.append(Log("warning", "! the journal does not answer: starting without it"))
            outcomes += self._recovered(now_ns)
        if self._notices.tick(now_ns):
            outcomes += self._audience_came(now_ns)
        return outcomes

    # -- the journal ------------------------------------------------------------------------------

    def journal_recovered(
        self, items: Sequence[HistoryItem], day: str, cost_usd: float, now_ns: int
    ) -> list[Action]:
        """What the journal knows: a conversation that goes on, and what was spent on ``day``."""
        outcomes: list[Outcome] = []
        if not self._is_recovered:
            outcomes += self._record.recovered(items)
        outcomes += self._record.day_total(day, cost_usd)
        return self._settle([*outcomes, *self._recovered(now_ns)], now_ns)

    def journal_written(self, ticket: int, now_ns: int) -> list[Action]:
        """The records with this ticket are safe, or never will be."""
        return self._settle(self._record.journal_written(ticket), now_ns)

    def journal_failed(self, message: str, now_ns: int) -> list[Action]:
        """The journal cannot be written; ``message``: a sentence for people."""
        return self._settle([ProblemFound("journal_failed", message)], now_ns)

    def day_spent(self, day: str, cost_usd: float, now_ns: int) -> list[Action]:
        """What all rooms have spent on a day, by the journal."""
        return self._settle(self._record.day_total(day, cost_usd), now_ns)

    def _recovered(self, now_ns: int) -> list[Outcome]:
        self._is_recovered, self._recovery_deadline_ns = True, None
        return [
            outcome
            for session in self._sessions.all
            if session.stage == "confirmed"
            for outcome in self._sessions.seed(session, now_ns)
        ]

    # -- the tools --------------------------------------------------------------------------------

    def tools_changed(self, tools: Toolset, now_ns: int) -> list[Action]:
        """The tools have been loaded, or others have come since."""
        self._tools_deadline_ns = None
        outcomes = self._tools.changed(tools, now_ns)
        outcomes += self._sessions.tools_are_known()
        return self._settle([*outcomes, *self._sessions.tools_changed()], now_ns)

    def tool_answered(self, call: str, output: str, now_ns: int) -> list[Action]:
        """A tool has returned ``output`` (JSON text)."""
        return self._settle(self._tools.answered(call, output, now_ns), now_ns)

    # -- the transports ---------------------------------------------------------------------------

    def session_answered(
        self, session: int, simulated: bool, now_ns: int, *, knows_session: bool | None = None
    ) -> list[Action]:
        """The server has taken the call.

        Args:
            session: its number.
            simulated: the server says that it is a simulator.
            now_ns: monotonic.
            knows_session: the session went with the call; None: as usual with its transport.
        """
        found = self._sessions.find(session)
        if found is None:
            return []
        found.answered = True
        if knows_session is not None:
            found.must_be_told = not knows_session
        found.simulated = found.simulated or simulated
        if found is self._sessions.active:
            self._connection.answered()
        return []

    def session_up(self, session: int, now_ns: int) -> list[Action]:
        """Media can flow."""
        found = self._sessions.find(session)
        if found is None:
            return []
        found.up(now_ns)
        return [Log("info", f"= connected by {found.kind}")]

    def session_lost(self, session: int, error: UpstreamError, now_ns: int) -> list[Action]:
        """The connection could not be made, or is gone."""
        return self._settle([SessionFailed(session, error)], now_ns)

    def session_received(self, session: int, received_ns: int, now_ns: int) -> None:
        """Anything last came from the server at ``received_ns``; 0: nothing yet."""
        if received_ns and session == self.active_session:
            self._connection.received(received_ns)

    def server_event(self, session: int, event: Mapping[str, Any], now_ns: int) -> list[Action]:
        """One event of the server."""
        found = self._sessions.find(session)
        return [] if found is None else self._settle(found.server_event(event, now_ns), now_ns)

    def samples_delivered(self, session: int, item: str, samples: int, now_ns: int) -> list[Action]:
        """The server delivered more samples of an item, ahead of their time (WebSocket)."""
        found = self._sessions.find(session)
        if found is not None:
            found.delivered(item, samples, now_ns)
        return []

    # -- sound ------------------------------------------------------------------------------------

    def room_audio(self, pcm: bytes, flags: int, now_ns: int) -> tuple[int, list[Action]]:
        """20 ms of the room's microphones (960 bytes) with the frame's flags.

        Returns the number of the session that is to hear it (0: none), and what follows.
        """
        session = self._sessions.talking
        if session is None:
            self.metrics.count("uplink_held_frames_total")
            return 0, []
        hears = session.number if session.hears_room else 0
        if not hears:
            self.metrics.count("uplink_muted_frames_total")
        quiet = bool(flags & FLAG_PAUSE) or is_quiet(pcm, ROOM_NOISE_PEAK)
        session.room_sound(quiet or not hears, now_ns)
        if not self._handover.listens:
            return hears, []
        outcomes = self._handover.room_audio(quiet, self._wall_ms(now_ns), now_ns)
        return hears, self._settle(outcomes, now_ns)

    def reply_audio(
        self, session: int, pcm: bytes, stamp_ns: int, concealed: bool, now_ns: int
    ) -> DownlinkFrame | None:
        """20 ms of a reply (960 bytes) that arrived at ``stamp_ns``: the frame for the mixer."""
        found = self._sessions.find(session)
        if found is None:
            return None
        frame = found.reply_audio(pcm, stamp_ns, concealed, now_ns)
        if frame is not None and self._traces.awaits_sound and not is_quiet(pcm, ROOM_NOISE_PEAK):
            self._traces.sound(frame.stamp_ns, now_ns)
        return frame

    @property
    def has_heard(self) -> bool:
        """A reply has begun or ended to sound: ``tick`` is due."""
        return any(session.has_heard for session in self._sessions.all)

    def mixer_epoch(self, epoch: int) -> None:
        """The mixer's messages are of this epoch."""
        self._epoch.seen(epoch)

    # -- people -----------------------------------------------------------------------------------

    def roster(self, event: Mapping[str, Any], now_ns: int) -> list[Action]:
        """The mixer's ``participants`` event: exactly these people are in the room."""
        self._tools.roster(event)
        joined = self._notices.roster(event, now_ns)
        people = self._notices.people
        self._record.people(people)
        outcomes = self._sessions.roster(frozenset(people), now_ns)
        outcomes += self._connection.roster(len(people), joined, self._wall_ms(now_ns), now_ns)
        if joined:
            outcomes.append(StateNews())
        return self._settle(outcomes, now_ns)

    def levels(self, levels: object, now_ns: int) -> None:
        """The mixer's ``level`` event: dBFS by participant."""
        self._record.levels(levels, now_ns)

    def browser_event(self, event: Mapping[str, Any], now_ns: int) -> list[Action]:
        """A control message of a browser: say, interrupt, ptt, played, confirm."""
        kind = event.get("type")
        if kind == "ptt":
            self._sessions.pressed(event)
        talking = self._sessions.talking
        outcomes: list[Outcome] = []
        if kind == "confirm":
            outcomes = self._tools.confirmed(event, now_ns)
        elif talking is not None:
            outcomes = self._sessions.browser_event(event, now_ns)
            if kind == "interrupt":
                self._record.pending_reply.forget()
            if kind == "interrupt" or (kind == "ptt" and self._is_pressed(event)):
                outcomes += self._handover.silence_draining(now_ns)
        elif kind in _FOR_SESSIONS:
            words = f"the assistant is not connected ({self._connection.state})"
            problem = {"type": "error", "code": "not_connected", "message": words}
            outcomes = [TellBrowsers(problem, sender_of(event))]
        if kind == "played":
            outcomes += _exported(self._traces.played(event, now_ns))
        return self._settle(outcomes, now_ns)

    def picture(self, upload: str, picture: Picture, now_ns: int) -> list[Action]:
        """Somebody shows the assistant a picture; ``upload`` is answered by ``AnswerUpload``."""
        talking = self._sessions.talking
        obstacle = self._sessions.pictures.obstacle(talking is not None)
        if obstacle is not None:
            return [AnswerUpload(upload, *obstacle)]
        assert talking is not None
        size_kb = len(picture.data) // 1_000
        log = Log("info", f"= {picture.participant} shows a picture ({size_kb} kB)")
        return [
            *self._settle([log, *talking.show(picture, now_ns)], now_ns),
            AnswerUpload(upload, 202),
        ]

    def _picture_refused(self, refused: PictureRefused, now_ns: int) -> list[Outcome]:
        """The server does not take a picture: people are told, what was typed with it is said."""
        told = self._sessions.pictures.refused(refused.error)
        outcomes: list[Outcome] = [] if told is None else [ProblemFound(*told), StateNews()]
        picture = self._record.refused(refused.item)
        if picture is None or not picture.text:
            return outcomes
        typed = {"type": "say", "text": picture.text, "stream": picture.stream}
        typed |= {"participant": picture.participant, "name": picture.name}
        return [*outcomes, *self._sessions.browser_event(typed, now_ns)]

    def _is_pressed(self, event: Mapping[str, Any]) -> bool:
        """Whether a ``ptt`` event opens the microphone."""
        return event.get("down") is True and self._sessions.has_button

    # -- signals ----------------------------------------------------------------------------------

    def _settle(self, outcomes: Sequence[Outcome], now_ns: int) -> list[Action]:
        """Pass signals on until only actions are left; what follows from one comes in its place."""
        actions: list[Action] = []
        waiting = deque(outcomes)
        while waiting:
            outcome = waiting.popleft()
            if isinstance(outcome, Signal):
                waiting.extendleft(reversed(self._pass_on(outcome, now_ns)))
                continue
            actions += self._shaped(outcome, now_ns)
        return actions

    def _shaped(self, action: Action, now_ns: int) -> Sequence[Action]:
        """What is done of an action now: what others can cause at any rate has a pace."""
        match action:
            case SendEvent() | ClearOutput():
                self._sent(action, now_ns)
            case TellBrowsers():
                before = self._tellings.left_out
                told = self._tellings.tell(action, now_ns)
                lost = self._tellings.left_out > before
                return [*told, *(self._shaped(_LEFT_OUT, now_ns) if lost else ())]
            case Log(level, text, kind) if kind:
                more = self._lines.line(kind, now_ns)
                return [] if more is None else [Log(level, f"{text}{more}")]
        return [action]

    def _sent(self, action: SendEvent | ClearOutput, now_ns: int) -> None:
        """A client event goes out: its session waits for what follows."""
        session = self._sessions.find(action.session)
        if session is not None:
            session.sent(action.event, now_ns)

    def _pass_on(self, signal: Signal, now_ns: int) -> list[Outcome]:
        wall_ms = self._wall_ms(now_ns)
        match signal:
            case FactLearned(session, fact):
                return self._learned(session, fact, wall_ms, now_ns)
            case ReplyTruncated(session, truncation):
                return self._truncated(session, truncation, wall_ms, now_ns)
            case TextTyped(session, text):
                traces = _exported(self._traces.typed(session, now_ns))
                return [*traces, *self._record.typed(session, text, wall_ms)]
            case PictureRefused():
                return self._picture_refused(signal, now_ns)
            case ReplyRequested():
                self._record.pending_reply.requested()
                return []
            case ReplyMayWait():
                return self._ask_pending(now_ns)
            case ReplyWanted(overrides):
                talking = self._sessions.talking
                return [] if talking is None else talking.ask(overrides, now_ns)
            case ApprovalGiven(answer):
                asking = self._sessions.find(answer.session)
                return [] if asking is None else asking.approve(answer)
            case ToolAnswered():
                self._traces.tool_answered(signal.call, signal.ok, now_ns)
                return self._tool_output(signal, wall_ms)
            case ProblemFound(code, message):
                return [TellBrowsers(event) for event in self._notices.report(code, message)]
            case BudgetSpent(problem):
                return self._connection.budget_spent(problem, wall_ms, now_ns)
            case RoomClosed(reason):
                return self._record.closed(reason, wall_ms)
            case SessionMoved(kind):
                self._connection.moved(kind, now_ns)
                return [self._tell_state()]
            case StateNews():
                return [self._tell_state()]
            case _:
                return self._session_signal(signal, wall_ms, now_ns)

    def _session_signal(
        self,
        signal: SessionConfirmed | SessionSeeded | SessionFailed | ToolsRefused,
        wall_ms: int,
        now_ns: int,
    ) -> list[Outcome]:
        session = self._sessions.find(signal.session)
        if session is None:
            return []
        match signal:
            case SessionConfirmed():
                return self._sessions.seed(session, now_ns) if self._is_recovered else []
            case SessionSeeded():
                return self._seeded(session, wall_ms, now_ns)
            case SessionFailed(_, error):
                return self._failed(session, error, wall_ms, now_ns)
            case ToolsRefused(_, blame):
                return [
                    *self._tools.refused(blame),
                    *session.offer(self._tools.definitions, now_ns),
                ]

    def _learned(self, number: int, fact: Fact, wall_ms: int, now_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        if number == self.active_session and self._is_spoken_over(fact):
            outcomes += self._handover.silence_draining(now_ns)
        if isinstance(fact, ItemAdded) and self._record.is_picture(fact.item):
            self._sessions.pictures.taken()
        outcomes += self._record.on_fact(number, fact, wall_ms, now_ns)
        if number != self.active_session:
            outcomes += self._sessions.tell_late(fact, now_ns)
        outcomes += _exported(self._traces.on_fact(number, fact, now_ns))
        if not self._record.pending_reply.is_pending:
            self._tools.answers_given()
        outcomes += self._tools.on_fact(fact, self._record.asker, now_ns, number)
        if isinstance(fact, AssistantChanged):
            outcomes.append(StateNews())
        return outcomes

    def _is_spoken_over(self, fact: Fact) -> bool:
        """Whether people, or the next reply, speak over the last words of a draining session."""
        interrupts = isinstance(fact, SpeechStarted) and self._settings.interrupt_response
        return interrupts or isinstance(fact, PlaybackStarted)

    def _truncated(
        self, session: int, truncation: Truncation, wall_ms: int, now_ns: int
    ) -> list[Outcome]:
        """The record first: another session that has the room is told what it says then."""
        outcomes = self._record.truncated(truncation, wall_ms, now_ns)
        if session == self.active_session:
            return outcomes
        return [*outcomes, *self._sessions.tell_truncated(truncation.item, now_ns)]

    def _tool_output(self, answered: ToolAnswered, wall_ms: int) -> list[Outcome]:
        """The record first, then the model; without a session the next one is told."""
        outcomes = self._record.tool_answered(answered.call, answered.output, answered.ok, wall_ms)
        talking = self._sessions.talking
        if talking is None:
            words = f"= the output of {answered.call} is kept for the next session"
            return [*outcomes, Log("info", words)]
        return [*outcomes, *talking.tool_output(answered.call, answered.output)]

    def _seeded(self, session: Session, wall_ms: int, now_ns: int) -> list[Outcome]:
        if session is self._sessions.standby:
            return self._handover.standby_seeded(wall_ms, now_ns)
        if session is not self._sessions.active:
            return []
        outcomes = self._sessions.activate(session, now_ns)
        self._handover.activated(session, wall_ms, now_ns)
        outcomes += self._connection.established(wall_ms, now_ns)
        outcomes += self._greet(now_ns)
        return [*outcomes, ReplyMayWait()]

    def _ask_pending(self, now_ns: int) -> list[Outcome]:
        """Ask again for the reply that a session before did not give."""
        talking = self._sessions.talking
        if talking is None or self._sessions.draining is not None:
            return []
        outcomes = self._sessions.retype(talking)
        pending = self._record.pending_reply
        waits = pending.is_pending and not self._tools.is_busy
        if not waits or not (outcomes or talking.is_settled):  # Nobody waits, or it is on its way.
            return outcomes
        if pending.is_hopeless:
            pending.forget()
            return [*outcomes, ProblemFound("no_answer", _NOT_ANSWERED)]
        return [*outcomes, Log("info", "= a reply is pending"), *talking.ask(None, now_ns)]

    def _failed(
        self, session: Session, error: UpstreamError, wall_ms: int, now_ns: int
    ) -> list[Outcome]:
        blame = session.blamed(error)
        if blame is not None:
            return [*self._tools.refused(blame), *self._reopened(session, wall_ms, now_ns)]
        problem = explain(error, self._config.upstream)
        if problem.code == "no_answer":
            self._record.pending_reply.missed()
        if session is self._sessions.standby:
            return self._handover.standby_failed(problem, wall_ms, now_ns)
        if session is self._sessions.draining:
            return self._handover.end_draining(wall_ms, now_ns)
        return self._connection.failed(problem, wall_ms, now_ns)

    def _reopened(self, session: Session, wall_ms: int, now_ns: int) -> list[Outcome]:
        """Open a session that was refused as it was: at once, and no failure of the connection."""
        if session is self._sessions.standby:
            return self._handover.reopened(wall_ms, now_ns)
        return self._connection.reopened(wall_ms, now_ns)

    # -- what people see --------------------------------------------------------------------------

    def _audience_came(self, now_ns: int) -> list[Outcome]:
        """Newcomers hear what is sent: a question may be open, errors may have waited."""
        outcomes: list[Outcome] = [self._tell_state()]
        outcomes += [TellBrowsers(event) for event in self._notices.waiting()]
        outcomes += self._tools.ask_again(now_ns)
        return outcomes + self._greet(now_ns)

    def _greet(self, now_ns: int) -> list[Outcome]:
        """Say hello in a fresh room, once somebody can hear it."""
        talking = self._sessions.talking
        if not (self._greets and self._notices.has_audience and talking is not None):
            return []
        self._greets = False
        return [] if self._record.is_resumed else talking.greet(now_ns)

    def _tell_state(self) -> TellBrowsers:
        state, code = self._connection.state, self._connection.code
        active = self._sessions.active
        known = active is not None and active.simulated
        event = {
            "type": "state",
            "assistant": self._sessions.assistant,
            "upstream": _SHOWN.get(state, state),
            "simulated": known or self._config.upstream.simulated,
            "detail": self._connection.detail,
            "images": self._sessions.pictures.may_be_shown,
        }
        return TellBrowsers(event | ({"code": code} if code else {}))

    def _wall_ms(self, now_ns: int) -> int:
        return (now_ns + self._wall_offset_ns) // MS_NS


def _exported(traces: Sequence[TurnTrace]) -> list[Outcome]:
    return [ExportTrace(trace) for trace in traces]


def _is_due(deadline_ns: int | None, now_ns: int) -> bool:
    return deadline_ns is not None and now_ns >= deadline_ns

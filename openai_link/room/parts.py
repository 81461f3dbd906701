"""The parts of a room's engine, and how they are joined. Sans-I/O.

=================  ================================================================================
part               decides
=================  ================================================================================
``Connection``     when to connect, to try again, to give up, to exit (``Lifecycle``)
``RoomSessions``   which session is active, in standby or draining, and what each is told
``Handover``       when the room moves to its next session
``RoomRecord``     the transcript, what the journal holds, captions, the pending reply, money
``RoomTools``      which tool calls run, who is asked, when the model speaks about them
``Persona``        who the assistant is, of what the settings want and a server takes
``AddressDesk``    which spoken turns are answered
``SpeakerDesk``    when the model is told who speaks
``WaitingLines``   what is typed while no session has the room
``Notices``        what newcomers have yet to hear
``OwnWordsDesk``   whose words are written down by themselves, and of which turn they are
``RoomRecording``  whether the room is recorded, and whose voice is kept
``TurnTraces``     what each turn took
``Yielding``       when the room may be left to another machine
=================  ================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.room_rules import RoomRules

from ..realtime.upstream import Upstream
from ..room_settings import RoomSettings
from ..settings import OpenaiLinkSettings
from ..transport.selection import TransportSelection
from .address_desk import AddressDesk
from .connection import Connection
from .epoch import EpochCounter
from .handover import Handover
from .notices import Notices
from .own_words_desk import OwnWordsDesk
from .persona import Persona
from .record import RoomRecord
from .recorded import RoomRecording
from .room_tools import RoomTools
from .sessions import RoomSessions
from .signals import Outcome
from .speaker_desk import SpeakerDesk
from .turn_traces import TurnTraces
from .unwritten import JOURNAL_TIMEOUT_NS
from .waiting_lines import WaitingLines
from .yielding import Yielding


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
    rules: RoomRules = field(default_factory=RoomRules)
    """Of the room, as far as they are not in ``settings``."""
    journal_timeout_ns: int = JOURNAL_TIMEOUT_NS
    """Longest that a final line waits for the journal."""
    standby: bool = False
    """Another machine has the room, and is to hand it over: the session waits until then."""
    usual: OpenaiLinkSettings | None = None
    """As in a room without rules of its own; None: as in ``settings``."""

    @property
    def room_settings(self) -> RoomSettings:
        """All that the room's rules say."""
        return RoomSettings(self.settings, self.rules, self.usual or self.settings)


class RoomParts:
    """Of one room; see the module."""

    def __init__(self, config: RoomConfig) -> None:
        settings = config.settings
        self.metrics = Metrics()
        self.epoch = EpochCounter()
        self.persona = Persona(settings, config.usual or settings)
        budget_usd = config.rules.daily_budget_usd
        self.record = RoomRecord(
            config.room, settings, config.day_of, budget_usd, config.journal_timeout_ns
        )
        self.tools = RoomTools(settings, config.verify, self.record.tool_event, config.rules.tools)
        self.sessions = RoomSessions(
            settings, self.record, self.tools, self.epoch, config.mark, self.persona
        )
        selection = TransportSelection(settings, config.websocket_until_ns)
        self.handover = Handover(settings, self.sessions, self.tools, selection)
        self.connection = Connection(
            settings,
            selection,
            self.sessions,
            self.handover,
            self.record,
            config.jitter,
            config.allowed_ns,
        )
        self.address = AddressDesk(config.rules, settings, self.record)
        self.follow_rule(0)  # Before there is a session: nothing follows.
        self.speakers = SpeakerDesk(settings, self.record, self.sessions)
        self.waiting = WaitingLines()
        self.notices = Notices()
        self.recording = RoomRecording(
            config.rules.recording, settings.recording_max_hours, self.record
        )
        self.traces = TurnTraces(self.metrics)
        self.own_words = OwnWordsDesk(self.record, self.sessions, config.mark)
        self.yielding = Yielding(self.sessions, self.tools, self.record)
        self.sessions.is_elsewhere = config.standby

    def follow_rule(self, now_ns: int) -> list[Outcome]:
        """The rule that says which turns are answered holds from now on."""
        outcomes = self.sessions.take_turns(self.address.rule, now_ns)
        self.record.pending_reply.answer_turns(self.sessions.answers_turns)
        return outcomes

    def want_own_words(self, is_wanted: bool, settings: OpenaiLinkSettings) -> list[Outcome]:
        """Whether each person who speaks is written down by themselves from now on."""
        return self.own_words.want(is_wanted, settings, self.notices.people)

    @property
    def active_session(self) -> int:
        """Number of the session that has the room or will have it; 0: there is none."""
        return 0 if self.sessions.active is None else self.sessions.active.number

"""The sessions of a room: the active one, the one in standby, and the one that is draining.

Sans-I/O. A loss and a rollover are the same here: a new session is opened, seeded with history,
and only then given the room. At a rollover the old session has the room meanwhile, and finishes
what it is saying.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mixer_core.journal.records import HistoryItem
from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.room_rules import Address

from ..facts import Assistant, Fact
from ..realtime.client_events import ClientEvents
from ..realtime.session_object import CHOICES, session_object
from ..settings import OpenaiLinkSettings
from ..transcript.seeding import settled
from ..transport.interface import TransportKind
from ..turns.actions import TurnRules
from ..turns.ruled import ruled
from .actions import CloseSession, Log, OpenSession
from .epoch import EpochCounter
from .liveness import ServerHabits
from .persona import Persona
from .realtime_session import RealtimeSession
from .record import RoomRecord
from .room_pictures import RoomPictures
from .room_tools import RoomTools
from .session import Session
from .signals import Outcome, ReplyWithdrawn, SessionOver
from .told_history import ToldHistory
from .untaken import Untaken


class RoomSessions:
    """Opens, seeds, activates and ends the sessions; methods return what follows, in order."""

    def __init__(
        self,
        settings: OpenaiLinkSettings,
        record: RoomRecord,
        tools: RoomTools,
        epoch: EpochCounter,
        mark: str,
        persona: Persona,
    ) -> None:
        """``mark``: makes item ids unique: another process may have begun the conversation.

        ``persona``: of the room, for the sessions that are made.
        """
        self._settings = settings
        self._persona = persona
        self._record = record
        self._tools = tools
        self._epoch = epoch
        self._mark = mark
        self._habits = ServerHabits()
        self.pictures = RoomPictures(settings, self._habits)
        self._history = ToldHistory(record, self.pictures)
        self._created = 0
        self.active: Session | None = None
        """The one that has the room, or will have it as soon as it is seeded."""
        self.standby: Session | None = None
        """The next one, while another has the room."""
        self.draining: Session | None = None
        """The one that has just lost the room."""
        self.is_elsewhere = False
        """Another machine has the room: the session here waits for it."""
        self._unopened: list[Session] = []
        """Sessions that wait for the tools before they are opened."""
        self._tools_are_known = False
        self._finished: dict[str, int] = {}
        """Counters of the sessions that are over."""
        self._people: Collection[str] = ()
        self._deaf: Collection[str] = ()
        self._pressed: dict[str, Mapping[str, Any]] = {}
        """The ``ptt`` events of those who hold the button down: they outlive a session."""
        self._rule: Address = "always"
        self.has_button = TurnRules.of(session_object(settings)).push_to_talk
        """A button makes the turns (push-to-talk)."""

    # -- what is known ----------------------------------------------------------------------------

    @property
    def all(self) -> list[Session]:
        """Those that are not over."""
        found = (self.draining, self.active, self.standby)
        return [session for session in found if session is not None]

    @property
    def numbers(self) -> set[int]:
        """Of those that are not over."""
        return {session.number for session in self.all}

    @property
    def talking(self) -> Session | None:
        """The session that has the room; None: the room has none."""
        active = self.active
        return active if active is not None and active.stage == "active" else None

    @property
    def talking_number(self) -> int:
        """Number of the session that has the room; 0: the room has none."""
        talking = self.talking
        return 0 if talking is None else talking.number

    @property
    def assistant(self) -> Assistant:
        """What the assistant is doing."""
        if self.draining is not None and self.draining.assistant == "speaking":
            return "speaking"
        return "idle" if self.active is None else self.active.assistant

    def find(self, number: int) -> Session | None:
        """The session with this number, unless it is over."""
        for session in (self.active, self.standby, self.draining):
            if session is not None and session.number == number:
                return session
        return None

    def counters(self) -> dict[str, int]:
        """Of all sessions so far."""
        totals = dict(self._finished)
        for session in self.all:
            _add(totals, session.counters())
        return totals

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``."""
        return earliest(*[session.next_timeout_ns() for session in self.all])

    def tick(self, now_ns: int) -> list[Outcome]:
        """The time-out was reached, perhaps."""
        return [outcome for session in self.all for outcome in session.tick(now_ns)]

    # -- opening and ending -----------------------------------------------------------------------

    def create(self, kind: TransportKind) -> tuple[Session, list[Outcome]]:
        """A new session, to be opened as soon as the tools are known."""
        self._created += 1
        events = ClientEvents(f"mm{self._mark}{self._created}")
        session: Session = RealtimeSession(
            self._created, kind, self._ruled, events, self._epoch, self._habits
        )
        self._unopened.append(session)
        return session, self._open() if self._tools_are_known else []

    def tools_are_known(self) -> list[Outcome]:
        """The tools are there, or will be added to the running session."""
        self._tools_are_known = True
        return self._open()

    def take_turns(self, rule: Address, now_ns: int) -> list[Outcome]:
        """That rule says which turns are answered from now on."""
        self._rule = rule
        self.has_button = TurnRules.of(session_object(self._ruled)).push_to_talk
        if not self.has_button:
            self._pressed.clear()
        talking = self.talking  # Others are told when they get the room.
        return [] if talking is None else talking.take_turns(self._ruled, now_ns)

    @property
    def answers_turns(self) -> bool:
        """Each spoken turn is answered."""
        return TurnRules.of(session_object(self._ruled)).answers_turns

    @property
    def _ruled(self) -> OpenaiLinkSettings:
        return ruled(self._persona.wanted, self._rule)

    def tools_changed(self) -> list[Outcome]:
        """Tell the running session of its tools."""
        active = self.active
        if active is None or active.stage in ("connecting", "closed"):
            return []
        return active.set_tools(self._tools.definitions)

    def retell(self) -> list[Outcome]:
        """The room's settings have changed: tell the running session what can change now, with
        the tools that there are."""
        active = self.active
        if active is None or active.stage in ("connecting", "closed"):
            return []
        return active.retell(self._persona.wanted, self._tools.definitions)

    def end(self, session: Session, reason: str, wall_ms: int, now_ns: int) -> list[Outcome]:
        """End a session; ``reason`` goes into the journal where it had the room."""
        had_room = session.stage in ("active", "draining")
        outcomes = session.finish(now_ns)
        outcomes.append(SessionOver(session.number))
        self._record.session_over(session.number)
        if had_room:
            outcomes += self._record.session_ended(session.session_id, reason, wall_ms)
        outcomes += self._tools.session_over(session.number, now_ns)
        _add(self._finished, session.counters())
        for place in ("active", "standby", "draining"):
            if getattr(self, place) is session:
                setattr(self, place, None)
        if session in self._unopened:
            self._unopened.remove(session)
            return outcomes
        return [*outcomes, CloseSession(session.number)]

    def _open(self) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for session in self._unopened:
            description = session.describe(self._tools.definitions)
            outcomes.append(OpenSession(session.number, session.kind, description))
            outcomes += self._missing_choice(description)
        self._unopened.clear()
        return outcomes

    def _missing_choice(self, description: Mapping[str, Any]) -> list[Outcome]:
        """Say so where the one function that the model must call is not there."""
        wanted = self._settings.tool_choice
        if wanted in CHOICES or description.get("tool_choice", "auto") != "auto":
            return []
        words = f"! there is no function {wanted} (tool_choice) yet: the model is free"
        return [Log("warning", words)]

    # -- history ----------------------------------------------------------------------------------

    def seed(self, session: Session, now_ns: int) -> list[Outcome]:
        """Seed a confirmed session with what was said before."""
        items: Sequence[HistoryItem] = self._record.items()
        if session is self.standby:
            items = settled(items, self.assistant == "speaking")
        elif self.is_elsewhere:
            items = settled(items, speaking=True)
        return self._history.seed(session, items, now_ns)

    def tell_late(self, fact: Fact, now_ns: int) -> list[Outcome]:
        """What still happens in the draining session, the active one must know."""
        talking = self.talking
        return [] if talking is None else self._history.tell_late(talking, fact, now_ns)

    def tell_truncated(self, item_id: str, now_ns: int) -> list[Outcome]:
        """A reply of the draining session was cut off: the active one must know how far it came."""
        talking = self.talking
        return [] if talking is None else self._history.tell_truncated(talking, item_id, now_ns)

    def retype(self, session: Session) -> list[Outcome]:
        """Say again what was typed in a session that ended before it took it."""
        return self._history.retype(session, self.numbers)

    def tell_words(self, typed: Untaken) -> list[Outcome]:
        """Say what was typed with a picture that is not taken; nobody is asked for an answer."""
        talking = self.talking
        return [] if talking is None else self._history.say_again(talking, typed)

    # -- the room ---------------------------------------------------------------------------------

    def activate(self, session: Session, now_ns: int) -> list[Outcome]:
        """Tell a session what it missed while it was seeded, and let it hear the room.

        What was typed comes before anybody asks for a reply: the reply has to know it.
        """
        outcomes = self._history.tell(session, self._record.items(), now_ns)
        outcomes += session.activate()
        outcomes += session.set_tools(self._tools.definitions)
        outcomes += session.retell(self._persona.wanted, self._tools.definitions)
        outcomes += session.take_turns(self._ruled, now_ns)
        outcomes += self.retype(session)
        outcomes += session.roster(self._people, self._deaf, now_ns)
        for press in self._pressed.values():  # Who was stopped by it is known.
            told = session.browser_event(press, now_ns)
            outcomes += [one for one in told if not isinstance(one, ReplyWithdrawn)]
        is_answering = self.draining is not None and not self.draining.has_said_everything
        return outcomes + self._tools.session_changed(is_answering, now_ns)

    def browser_event(self, event: Mapping[str, Any], now_ns: int) -> list[Outcome]:
        """A control message of a browser, for the session that has the room.

        Browsers report what they have played, whichever session said it.
        """
        played = event.get("type") == "played"
        listening = (self.talking, self.draining if played else None)
        return [
            outcome
            for session in listening
            if session is not None
            for outcome in session.browser_event(event, now_ns)
        ]

    def pressed(self, event: Mapping[str, Any]) -> None:
        """Remember a ``ptt`` event."""
        participant = str(event.get("participant", ""))
        self._pressed.pop(participant, None)
        if event.get("down") is True and self.has_button:
            self._pressed[participant] = event

    def roster(
        self, participants: Collection[str], deaf: Collection[str], now_ns: int
    ) -> list[Outcome]:
        """Exactly these people are in the room; the devices of ``deaf`` are sent no sound."""
        self._people, self._deaf = participants, deaf
        for participant in [known for known in self._pressed if known not in participants]:
            del self._pressed[participant]
        return [
            outcome
            for session in self.all
            if session.stage in ("active", "draining")
            for outcome in session.roster(participants, deaf, now_ns)
        ]


def _add(totals: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        totals[name] = totals.get(name, 0) + count

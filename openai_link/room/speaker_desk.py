"""Tells the model who speaks, where several people are in the room. Sans-I/O.

The engine's part around ``ToldSpeakers``: it follows the turns of the session that has the room,
and looks with each report of the mixer whether there is news.
"""

from __future__ import annotations

from collections.abc import Collection

from ..facts import AssistantChanged, Fact, SpeechStarted, TurnCommitted
from ..settings import OpenaiLinkSettings
from ..transcript.attribution import PADDING_NS
from ..turns.told_speakers import Heard, ToldSpeakers
from .record import RoomRecord
from .sessions import RoomSessions
from .signals import Outcome


class SpeakerDesk:
    """Of one room; methods return what follows, in order."""

    def __init__(
        self, settings: OpenaiLinkSettings, record: RoomRecord, sessions: RoomSessions
    ) -> None:
        self._is_on = settings.tell_speakers
        self._record = record
        self._sessions = sessions
        self._people: Collection[str] = ()
        self._told = ToldSpeakers()
        self._session = 0
        """Number of the session that was told."""
        self._since_ns: int | None = None
        """When the turn began that is being spoken; None: nobody speaks."""
        self._turn_ns = (0, 0)
        """The newest turn that is over: its begin and its end."""

    def people(self, participants: Collection[str]) -> None:
        """Who is in the room."""
        self._people = participants

    def on_fact(self, session: int, fact: Fact, now_ns: int) -> None:
        """What happens in a session."""
        if session != self._sessions.talking_number:
            return
        match fact:
            case SpeechStarted():
                self._begin(now_ns - PADDING_NS)
            case AssistantChanged("listening") if self._since_ns is None:
                self._begin(now_ns)  # Somebody holds the button.
            case TurnCommitted() | AssistantChanged("idle" | "thinking"):
                self._end(now_ns)

    def reported(self, now_ns: int) -> list[Outcome]:
        """The mixer has told whose voice was in the last slots."""
        since_ns = self._since_ns
        return [] if since_ns is None else self._tell(since_ns, now_ns, now_ns)

    def before_answer(self, now_ns: int) -> list[Outcome]:
        """The model is asked to answer a turn: it has to know by now."""
        if self._since_ns is not None or not self._turn_ns[1]:
            return []
        return self._tell(*self._turn_ns, now_ns)

    def _begin(self, since_ns: int) -> None:
        self._since_ns = since_ns
        self._told.turn_began()

    def _end(self, now_ns: int) -> None:
        if self._since_ns is not None:
            self._turn_ns = self._since_ns, now_ns
            self._since_ns = None

    def _tell(self, from_ns: int, to_ns: int, now_ns: int) -> list[Outcome]:
        talking = self._sessions.talking
        if talking is None or not self._is_on or len(self._people) < 2:
            return []
        if talking.number != self._session:
            self._session, self._told = talking.number, ToldSpeakers()
        speech = self._record.speech
        slots = speech.spoken_slots(from_ns, to_ns)
        overlap = speech.overlap_slots(from_ns, to_ns) if len(slots) > 1 else 0
        is_over = self._since_ns is None or not speech.talking
        text = self._told.news(Heard(slots, overlap, is_over), self._record.names())
        if not text:
            return []
        outcomes = talking.note(text, now_ns)
        self._record.seeded(*talking.seeded_ids)
        return outcomes

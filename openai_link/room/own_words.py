"""Exact words of each person: a transcription-only session for everybody who speaks. Sans-I/O.

Where several people are in the room and its rule ``transcribe_each`` says so, each of them has a
``VoiceWriter``. The words of a turn are then those of the people who spoke in it, each by name,
in place of what the mixed microphone was taken to say. A turn of which anybody's words are missing
stays as it is: nothing here is waited for by the conversation, and no loss touches it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.foreign_text import one_line
from mixer_core.runtime.units import MS_NS, S_NS

from ..facts import Fact, ItemAdded, ItemDone, SpeechStarted, TurnCommitted
from ..realtime.client_events import ClientEvents
from ..realtime.event_fields import map_of, text_of
from ..realtime.session_object import session_object
from ..settings import OpenaiLinkSettings
from ..transcript.attribution import PADDING_NS
from ..transcript.voice_writer import Segment, VoiceWriter
from .actions import CloseVoice, HearVoices, Log, OpenVoice, SendVoice
from .record import RoomRecord
from .signals import Outcome

MAX_VOICES = 8
"""Sessions at once; what others say stays as the mixed microphone has it."""
RETRY_NS, MAX_RETRY_NS = 10 * S_NS, 600 * S_NS
"""Until the next session after one was lost; doubled each time, until one writes words."""
WORDS_NS = 10 * S_NS
"""A turn waits so long for everybody's words."""
ACKNOWLEDGED_NS = 2 * S_NS
"""The server acknowledges a turn of the button so soon after it was released, at most."""
BEGUN_NS = 300 * MS_NS
"""Who has spoken for so long when a turn ends spoke in it."""
MAX_TURNS, MAX_LOOSE = 32, 256
"""Turns that wait, and segments that are of no turn yet; the oldest go."""


@dataclass(slots=True)
class _Turn:
    item: str
    until_ns: int
    segments: list[Segment] = field(default_factory=list)


class OwnWords:
    """Of one room; methods return what follows, in order."""

    def __init__(self, settings: OpenaiLinkSettings, record: RoomRecord, mark: str) -> None:
        """``mark``: makes ids unique in the room."""
        self._settings, self._record, self._mark = settings, record, mark
        self.is_wanted = False
        """The room's rule says so."""
        self.hears = False
        """Voices are wanted by themselves: the rule says so, and several people are there."""
        self._people: Collection[str] = ()
        self._writers: dict[str, VoiceWriter] = {}
        self._talking: set[str] = set()
        """Who spoke by the last report."""
        self._is_heard = False
        """The room was heard by then."""
        self._loose: deque[Segment] = deque(maxlen=MAX_LOOSE)
        self._begins: dict[tuple[int, str], int] = {}
        """When people began to speak, by session and item."""
        self._after_ns = self._left_after_ns = self._left_ns = 0
        """Where nobody tells when a turn began, it has nothing that was said before ``_after_ns``;
        the last turn of the session that the room has left is of the time from ``_left_after_ns``
        to ``_left_ns``."""
        self._before_ns = self._released_ns = 0
        """The turn of the button's last release, until it is acknowledged, is of the time from
        ``_before_ns`` to ``_released_ns`` if the button is pressed again. 0: there is none."""
        self._turns: deque[_Turn] = deque(maxlen=MAX_TURNS)
        self._retry_ns = 0
        self._losses = 0
        """In a row."""
        self._opened = 0
        self.written = 0
        """Turns that have everybody's own words."""
        self.lost = 0
        """Sessions that were lost."""

    # -- who may be heard -------------------------------------------------------------------------

    def want(self, is_wanted: bool, settings: OpenaiLinkSettings) -> list[Outcome]:
        """The room's rule says so from now on, and each voice is written down by ``settings``."""
        outcomes: list[Outcome] = []
        session, before = _session(settings), _session(self._settings)
        self._settings = settings
        if session != before and is_wanted:
            for writer in self._writers.values():
                outcomes += self._sent(writer, writer.retold(session))
        if is_wanted == self.is_wanted:
            return outcomes
        self.is_wanted = is_wanted
        closed = [] if is_wanted else self._close_all()
        return [*outcomes, *self._hear(), *closed]

    def people(self, participants: Collection[str]) -> list[Outcome]:
        """Exactly these are in the room. Of one who is alone everything is known."""
        self._people = participants
        heard = self._hear()
        if len(participants) < 2:
            return [*heard, *self._close_all()]
        gone = [who for who in self._writers if who not in participants]
        return [*heard, *(outcome for who in gone for outcome in self._close(who))]

    def reported(self, has_session: bool, hears: bool, now_ns: int) -> list[Outcome]:
        """The mixer has told who speaks.

        Args:
            has_session: the room has a session; without one nothing is spent here either.
            hears: its model hears the room: what it does not hear nobody writes down.
            now_ns: monotonic.
        """
        talking = set(self._record.speech.talking) if hears and self.is_wanted else set[str]()
        begin, self._talking = talking - self._talking, talking
        if hears and not self._is_heard:  # A button is pressed: a turn begins.
            self._before_ns = self._after_ns
            self._after_ns = max(self._after_ns, now_ns - PADDING_NS)
        elif self._is_heard and not hears:
            self._released_ns = now_ns
        self._is_heard = hears
        if not has_session:
            return self._close_all()
        if not self.hears:
            return []
        outcomes: list[Outcome] = []
        for who in begin & set(self._people):  # Half an utterance is none.
            outcomes += self._begins_to_speak(who, now_ns)
        for who in list(self._writers.keys() - talking):
            outcomes += self._sent(self._writers[who], self._writers[who].silent(now_ns))
        return outcomes

    def _begins_to_speak(self, who: str, now_ns: int) -> list[Outcome]:
        writer = self._writer(who)
        if writer is None or (writer.state == "closed" and now_ns < self._retry_ns):
            return []
        writer.speaks(now_ns)
        self._take_begun(writer)
        if writer.state != "closed":
            return []
        writer.opening(now_ns)
        return [OpenVoice(who)]

    def frame(self, who: str, pcm: bytes, now_ns: int) -> list[Outcome]:
        """20 ms of somebody's voice (960 bytes)."""
        if not self.hears or who not in self._people:
            return []
        writer = self._writer(who)
        if writer is None:
            return []
        sent = self._sent(writer, writer.frame(pcm, now_ns))
        self._take_begun(writer)
        return sent

    # -- the sessions -----------------------------------------------------------------------------

    def opened(self, who: str, now_ns: int) -> list[Outcome]:
        """A session is connected."""
        writer = self._writers.get(who)
        if writer is None or writer.state != "opening":
            return [CloseVoice(who)]
        return self._sent(writer, writer.opened(now_ns))

    def event(self, who: str, event: Mapping[str, Any], wall_ms: int, now_ns: int) -> list[Outcome]:
        """One event of a session's server."""
        writer = self._writers.get(who)
        if writer is None:
            return []
        if text_of(event, "type") == "error":
            problem = map_of(event, "error")
            return self.lose(who, text_of(problem, "message") or text_of(problem, "code"), now_ns)
        segment, usage = writer.event(event)
        outcomes: list[Outcome] = []
        if usage is not None:
            item = text_of(event, "item_id")
            outcomes += self._record.voice_cost(who, writer.session, item, usage, wall_ms)
        if segment is not None:
            self._losses = 0
            outcomes += self._settle(now_ns)
        return outcomes

    def lose(self, who: str, words: str, now_ns: int) -> list[Outcome]:
        """A session is lost, or cannot be had. ``words``: why."""
        if who not in self._writers:
            return []
        self.lost += 1
        self._retry_ns = now_ns + min(RETRY_NS << min(self._losses, 10), MAX_RETRY_NS)
        self._losses += 1
        words = f"! the own words of a person are not written down for a while: {one_line(words)}"
        return [Log("warning", words, "own words"), *self._close(who), *self._settle(now_ns)]

    # -- turns ------------------------------------------------------------------------------------

    def moved(self, now_ns: int) -> None:
        """The room has moved to its next session: what the one before heard makes a last turn."""
        self._left_after_ns, self._left_ns = self._after_ns, now_ns
        self._after_ns, self._released_ns = now_ns, 0

    def room_lost(self, now_ns: int) -> None:
        """The room has no session: what was said for a turn of it is of none."""
        self._loose.clear()
        self._begins.clear()
        self._after_ns = self._left_after_ns = self._left_ns = now_ns
        self._released_ns = 0
        known = [turn for turn in self._turns if self._record.find(turn.item) is not None]
        self._turns = deque(known, MAX_TURNS)

    def forget(self, now_ns: int) -> list[Outcome]:
        """The conversation is deleted: nothing that was said so far is written down any more."""
        self.room_lost(now_ns)
        self._turns.clear()
        return self._close_all()

    def on_fact(self, session: int, fact: Fact, now_ns: int, is_left: bool) -> list[Outcome]:
        """What happens in a session (its number); after the record.

        ``is_left``: the room has left it for the next one.
        """
        match fact:
            case SpeechStarted(item) if not is_left:
                self._begins[session, item] = now_ns - PADDING_NS
                if len(self._begins) > MAX_TURNS:
                    del self._begins[next(iter(self._begins))]
            case TurnCommitted(item) if self.is_wanted:
                return self._committed(session, item, now_ns, is_left)
            case ItemAdded(item) | ItemDone(item) if any(t.item == item for t in self._turns):
                return self._settle(now_ns)
        return []

    def _committed(self, session: int, item: str, now_ns: int, is_left: bool) -> list[Outcome]:
        told_ns = self._begins.pop((session, item), None)
        after_ns, end_ns = self._untold(told_ns is None, now_ns, is_left)
        begin_ns = after_ns if told_ns is None else told_ns
        mine = [one for one in self._loose if _is_of(one, begin_ns, end_ns)]
        for one in mine:
            self._loose.remove(one)
        heard = {one.who for one in mine}
        if not mine or not heard.issuperset(self._record.speakers(item)):
            return []
        self._turns.append(_Turn(item, now_ns + WORDS_NS, mine))
        return self._settle(now_ns)

    def _untold(self, is_untold: bool, now_ns: int, is_left: bool) -> tuple[int, int]:
        """The time of a turn that is over, where nobody tells when it began (``is_untold``)."""
        if is_left:
            return self._left_after_ns, self._left_ns
        released_ns, self._released_ns = self._released_ns, 0
        is_late = 0 < released_ns <= now_ns <= released_ns + ACKNOWLEDGED_NS
        if is_untold and is_late and self._is_heard:  # The next press has come before.
            return self._before_ns, released_ns
        after_ns, self._after_ns = self._after_ns, now_ns
        return after_ns, now_ns

    def _settle(self, now_ns: int) -> list[Outcome]:
        """Turns of which everything is known have their words; those that wait too long do not."""
        outcomes: list[Outcome] = []
        for turn in list(self._turns):
            is_there = self._record.find(turn.item) is not None
            if is_there and all(one.is_known for one in turn.segments):
                self._turns.remove(turn)
                outcomes += self._written(turn, now_ns)
            elif now_ns >= turn.until_ns:
                self._turns.remove(turn)
        return outcomes

    def _written(self, turn: _Turn, now_ns: int) -> list[Outcome]:
        words: dict[str, str] = {}
        for one in turn.segments:
            if one.text:
                words[one.who] = f"{words.get(one.who, '')} {one.text}".strip()
        if not words or any(one.failed for one in turn.segments):
            return []
        self.written += 1
        return self._record.own_words(turn.item, words, now_ns)

    # -- time -------------------------------------------------------------------------------------

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return earliest(
            *(writer.next_timeout_ns() for writer in self._writers.values()),
            *(turn.until_ns for turn in self._turns),
        )

    def tick(self, now_ns: int) -> list[Outcome]:
        """The time-out was reached, perhaps."""
        outcomes: list[Outcome] = []
        for who, writer in list(self._writers.items()):
            if writer.is_stale(now_ns):
                outcomes += self._sent(writer, writer.silent(now_ns))
            if not writer.is_overdue(now_ns):
                continue
            if writer.state == "opening":
                outcomes += self.lose(who, "its server does not answer", now_ns)
            else:
                outcomes += self._close(who)
        return [*outcomes, *self._settle(now_ns)]

    # -- details ----------------------------------------------------------------------------------

    def _hear(self) -> list[Outcome]:
        hears = self.is_wanted and len(self._people) > 1
        if hears == self.hears:
            return []
        self.hears = hears
        return [HearVoices(hears)]

    def _writer(self, who: str) -> VoiceWriter | None:
        writer = self._writers.get(who)
        if writer is None and len(self._writers) < MAX_VOICES:
            self._opened += 1
            name = f"{self._mark}v{self._opened}"
            writer = VoiceWriter(who, name, ClientEvents(name), _session(self._settings))
            self._writers[who] = writer
        return writer

    def _take_begun(self, writer: VoiceWriter) -> None:
        self._loose.extend(writer.begun)
        writer.begun.clear()

    def _close(self, who: str) -> list[Outcome]:
        writer = self._writers.pop(who)
        was_open = writer.state != "closed"
        writer.closed()
        return [CloseVoice(who)] if was_open else []

    def _close_all(self) -> list[Outcome]:
        return [outcome for who in list(self._writers) for outcome in self._close(who)]

    @staticmethod
    def _sent(writer: VoiceWriter, events: Collection[Mapping[str, Any]]) -> list[Outcome]:
        return [SendVoice(writer.who, event) for event in events]


def _is_of(segment: Segment, begin_ns: int, end_ns: int) -> bool:
    """Whether an utterance is of the turn between two times: more than half of it, or so far."""
    if segment.end_ns is None:
        return segment.begin_ns < end_ns - BEGUN_NS
    return begin_ns <= (segment.begin_ns + segment.end_ns) // 2 <= end_ns


def _session(settings: OpenaiLinkSettings) -> dict[str, Any]:
    """What a transcription-only session is told to be."""
    heard = session_object(settings)["audio"]["input"]
    kept = {key: heard[key] for key in ("format", "transcription") if key in heard}
    return {"type": "transcription", "audio": {"input": {**kept, "turn_detection": None}}}

"""What outlives the sessions of a room: the transcript, its captions, the pending reply, the money.

Sans-I/O. Facts of the sessions come in; journal records, EVENTs for the browsers and signals come
out. What is final is told once the journal has it (``journal_written``), at the latest after
``unwritten.JOURNAL_TIMEOUT_NS``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from mixer_core.journal.records import HistoryItem, Record, UsageRecord
from mixer_core.runtime.foreign_text import one_line

from ..facts import (
    Caption,
    Exceeded,
    Fact,
    ItemAdded,
    ResponseEnded,
    ServerToolsMissing,
    SessionConfirmed,
    Transcribed,
    Unheard,
)
from ..pictures import Picture, RecentPictures
from ..playback.truncation import Truncation
from ..realtime.captions import shown
from ..realtime.endings import TOO_LONG, Ending
from ..realtime.session_object import session_object
from ..realtime.unicode_text import whole
from ..settings import OpenaiLinkSettings
from ..transcript.line_places import LinePlaces
from ..transcript.speech_activity import SpeechActivity
from ..transcript.transcript import Transcript
from ..turns.actions import TurnRules, TypedText
from ..turns.pending_reply import PendingReply
from .actions import Event, Log, TellBrowsers, WriteJournal
from .budget import Stop, Warn
from .confirmations import Confirmations
from .money import PriceTable, Spending, SpendingAction, TellUsage, WriteUsage
from .signals import BudgetSpent, Outcome, ProblemFound
from .told_endings import Told, ToldEndings
from .untaken import Untaken, UntakenTexts
from .unwritten import UnwrittenEvents


class RoomRecord:
    """One room's memory; every input returns what follows, in order."""

    def __init__(
        self, room: str, settings: OpenaiLinkSettings, day_of: Callable[[int], str]
    ) -> None:
        """``day_of``: local day of a Unix time in ms, the account of what is spent on it."""
        self._room = room
        self._settings = settings
        self._activity = SpeechActivity()
        self._transcript = Transcript(room, self._activity)
        self._people: dict[str, str] = {}
        rules = TurnRules.of(session_object(settings))
        self._speaks = rules.speaks
        self.pending_reply = PendingReply(rules.answers_turns)
        self._confirmations = Confirmations(settings)
        self._endings = ToldEndings()
        self.spending = Spending(
            PriceTable.of(settings), settings.daily_budget_usd, day_of, self.names
        )
        self._untaken = UntakenTexts()
        self._pictures = RecentPictures(settings.image_keep_s, 2 * settings.image_max_bytes)
        self._session_ids: dict[int, str] = {}
        """The server's names of the sessions that there are, by number."""
        self._places = LinePlaces()
        self._unwritten = UnwrittenEvents()
        self.is_resumed = False
        """The conversation goes on that another process began."""
        self._is_over = False

    # -- the journal ------------------------------------------------------------------------------

    def recovered(self, items: Sequence[HistoryItem]) -> list[Outcome]:
        """What the journal knows of a conversation that goes on; call it before any fact."""
        if not items:
            return []
        self.is_resumed = True
        self._transcript = Transcript(self._room, self._activity, items)
        self._transcript.people(self._people)
        self._places.recovered(items)
        return [Log("info", f"= the conversation goes on with {len(items)} items")]

    def day_total(self, day: str, cost_usd: float) -> list[Outcome]:
        """What the journal knows of a day's spending over all rooms."""
        return self._spent(self.spending.day_total(day, cost_usd))

    def journal_written(self, ticket: int) -> list[Outcome]:
        """Records are safe, or never will be: tell what waited for them."""
        return [self._tell(event) for event in self._unwritten.written(ticket)]

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits for the journal."""
        return self._unwritten.next_timeout_ns()

    def tick(self, now_ns: int) -> list[Outcome]:
        """The time-out was reached: the journal takes too long."""
        return [self._tell(event) for event in self._unwritten.tick(now_ns)]

    def closed(self, reason: str, wall_ms: int) -> list[Outcome]:
        """The conversation has ended: the journal learns it now, and nothing said after it."""
        if self._is_over:
            return []
        self._is_over = True
        ticket = self._unwritten.ticket()
        return [WriteJournal(tuple(self._transcript.closed(reason, wall_ms)), ticket)]

    def forget(self, wall_ms: int) -> list[Outcome]:
        """Somebody deletes what was said so far; all sessions that know it are over."""
        self.pending_reply.forget()
        self._untaken.forget()
        self._pictures.forget()
        self._unwritten.forget()
        self._places = LinePlaces()
        return self._write(self._transcript.forget(wall_ms))

    # -- what happens -----------------------------------------------------------------------------

    def people(self, names: Mapping[str, str]) -> None:
        """Who is in the room: names by participant."""
        self._people = dict(names)
        self._transcript.people(names)

    def levels(self, levels: object, now_ns: int) -> None:
        """The mixer's ``level`` event."""
        if isinstance(levels, Mapping):
            self._activity.levels(levels, now_ns)

    def typed(self, session: int, text: TypedText, wall_ms: int) -> list[Outcome]:
        """Somebody types or shows something; the caption follows when ``session`` has taken it.

        A picture is owed an answer only once it is taken.
        """
        picture = text.picture
        if picture is None:
            self.pending_reply.requested()
        name = self._people.get(text.participant) or text.name
        shown = "" if picture is None else picture.shown
        outcomes = self._write(
            self._transcript.said(text.item, text.participant, name, text.text, wall_ms, shown)
        )
        oldest = self._untaken.typed(session, text, name)
        return [*outcomes, *(self._tell(caption) for caption in oldest)]

    def untaken(self, sessions: Collection[int]) -> list[Untaken]:
        """What was typed or shown and none of the ``sessions`` that there are can take.

        Give each back by ``retyped``.
        """
        return self._untaken.without(sessions)

    def retyped(self, session: int, typed: Untaken, item: str) -> None:
        """What was typed or shown before is told again in ``session``, as ``item``."""
        self._untaken.told_again(session, typed, item)

    def is_picture(self, item: str) -> bool:
        """Whether that is a picture which the server has not taken yet."""
        return self._untaken.is_picture(item)

    def refused(self, item: str) -> Picture | None:
        """The server does not take a picture that it was shown; None: it is not known here."""
        typed = self._untaken.take(item)
        return None if typed is None else typed.picture

    def pictures(self, session: int, now_ns: int) -> Mapping[str, Picture]:
        """Pictures of the record that ``session`` is shown where it does not know them, by item."""
        return self._pictures.to_seed(session, now_ns)

    def on_fact(self, session: int, fact: Fact, wall_ms: int, now_ns: int) -> list[Outcome]:
        """Something happened in a session (its number) that has the room, or is draining."""
        if isinstance(fact, SessionConfirmed) and fact.session:
            self._session_ids[session] = fact.session
        where = self._session_ids.get(session, "")
        records = self._transcript.on_fact(fact, now_ns, wall_ms, where)
        self.pending_reply.on_fact(fact, session)
        match fact:
            case Caption(is_cut=True, final=True):
                return self._cut_caption(fact, records, now_ns)
            case Caption():
                return self._caption(fact, records, now_ns)
            case Unheard():
                told = self._endings.unheard(fact) if self._speaks_in(session) else Told()
                return [*self._write(records), *self._ends(told, now_ns)]
            case Exceeded(what):
                return [*self._write(records), *self._endings.exceeded(what)]
            case ItemAdded(item) if typed := self._untaken.take(item):
                return self._taken(session, item, typed, records, now_ns)
            case ResponseEnded():
                told = self._endings.response_ended(fact, self._speaks_in(session))
                outcomes = [*self._write(records), *self._ends(told, now_ns)]
                return outcomes + self._response_usage(session, fact, wall_ms)
            case Transcribed():
                told = self._endings.transcribed(fact, self._transcript.speaker(fact.item)[1])
                outcomes = [*self._write(records), *self._ends(told, now_ns)]
                return outcomes + self._transcription_usage(session, fact, wall_ms)
            case ServerToolsMissing(_, server):
                named = f"the MCP server {one_line(server)}" if server else "an MCP server"
                words = f"The assistant cannot use the tools of {named}: they could not be listed."
                log = Log("warning", f"! < {words}", "tools missing")
                return [log, ProblemFound("tools_missing", words)]
            case SessionConfirmed():
                return [*self._write(records), *self._confirmations.take(session, fact)]
        return self._write(records)

    def _taken(
        self, session: int, item: str, typed: Untaken, records: Sequence[Record], now_ns: int
    ) -> list[Outcome]:
        """The server has taken what was typed or shown."""
        if typed.picture is not None:
            self.pending_reply.requested()
            self._pictures.keep(item, typed.picture, session, now_ns)
        return self._write(records, typed.caption, now_ns)

    def truncated(self, truncation: Truncation, wall_ms: int, now_ns: int) -> list[Outcome]:
        """An interrupted reply ends where it was heard."""
        records = self._transcript.heard(
            truncation.item, truncation.text, truncation.audio_end_ms, wall_ms
        )
        return self._caption(truncation.caption, records, now_ns)

    def tool_answered(self, call: str, output: str, ok: bool, wall_ms: int) -> list[Outcome]:
        """A tool call has its output."""
        return self._write(self._transcript.tool_result(call, output, ok, wall_ms))

    def session_over(self, session: int) -> None:
        """Nothing more is heard of a session, whether or not it had the room."""
        self._session_ids.pop(session, None)
        self.pending_reply.session_over(session)

    def session_ended(self, session: str, reason: str, wall_ms: int) -> list[Outcome]:
        """A session that had the room is over."""
        return self._write(self._transcript.session("ended", session, reason, wall_ms))

    # -- what is known ----------------------------------------------------------------------------

    def items(self) -> list[HistoryItem]:
        """The conversation in order."""
        return self._transcript.items()

    def find(self, item: str) -> HistoryItem | None:
        """An item by its id in any session."""
        return self._transcript.find(item)

    def present(self) -> Collection[str]:
        """Names of everybody who is in the room."""
        return self._people.values()

    def seeded(self, new_ids: Mapping[str, str], ignored: Sequence[str]) -> None:
        """A session is seeded with history under these ids."""
        self._transcript.seeded(new_ids, ignored)

    def names(self) -> Mapping[str, str]:
        """Names of everybody who is or was here, by participant."""
        return self._transcript.names()

    def tool_event(self, event: Event) -> Event:
        """The EVENT of a tool call, with the place of its line."""
        return self._placed(event, self._transcript.tool_item(str(event.get("call", ""))))

    def asker(self, response: str) -> tuple[str, str]:
        """Participant and name of whoever a response answers; empty where it is not known."""
        shares = self._transcript.response_shares(response)
        participant = shares[0][0] if shares else ""
        return participant, self.names().get(participant, "")

    # -- details ----------------------------------------------------------------------------------

    def _caption(
        self, caption: Caption, records: Sequence[Record], now_ns: int, cut: str = ""
    ) -> list[Outcome]:
        event: dict[str, Any] = {
            "type": "caption",
            "speaker": caption.speaker,
            "item": caption.item,
            "text": shown(whole(caption.text)),
            "final": caption.final,
        }
        if caption.speaker == "user":
            participant, name = self._transcript.speaker(caption.item)
            if participant:
                event |= {"speaker": participant, "name": name}
        if cut:
            event["cut"] = cut
        if caption.final:
            return self._write(records, event, now_ns)
        return [*self._write(records), self._tell(event)]

    def _cut_caption(
        self, caption: Caption, records: Sequence[Record], now_ns: int
    ) -> list[Outcome]:
        """A line with more words than are kept says so, here and in the record."""
        more = (
            self._transcript.cut(caption.item, TOO_LONG) if caption.speaker == "assistant" else []
        )
        return self._caption(caption, [*records, *more], now_ns, TOO_LONG)

    def _tell(self, caption: Event) -> TellBrowsers:
        """A caption, with the place that its line has by now."""
        return TellBrowsers(self._placed(caption, self._transcript.find(str(caption["item"]))))

    def _placed(self, event: Event, item: HistoryItem | None) -> Event:
        previous = "" if item is None else self._transcript.previous(item.item)
        return self._places.placed(event, item, previous)

    def _write(
        self, records: Sequence[Record], then_tell: Event | None = None, now_ns: int = 0
    ) -> list[Outcome]:
        """What comes after the end belongs to no conversation; money does in any case."""
        if self._is_over:
            records = [record for record in records if isinstance(record, UsageRecord)]
        moved: list[Outcome] = [TellBrowsers(event) for event in self._places.moved(records)]
        if then_tell is None:
            return [*([WriteJournal(tuple(records))] if records else []), *moved]
        ticket, late = self._unwritten.wait(then_tell, now_ns)
        told = [self._tell(event) for event in late]
        return [WriteJournal(tuple(records), ticket), *moved, *told]

    def _speaks_in(self, session: int) -> bool:
        """Whether the answers of a session are to be heard."""
        return self._speaks and not self._confirmations.is_silent(session)

    def _ends(self, told: Told, now_ns: int) -> list[Outcome]:
        """Something did not end as it should: the room is told, and its lines show it."""
        if told.ending is None:
            return []
        marks = [o for item in told.items for o in self._mark(item, told.ending, now_ns)]
        return [*told.outcomes, *marks]

    def _mark(self, item: str, ending: Ending, now_ns: int) -> list[Outcome]:
        """Show how a line ends; a reply without a word has none."""
        known = self._transcript.find(item)
        if known is None:
            return []
        if known.role == "assistant" and not known.text and item not in self._places:
            return []
        if ending.cut == "written" or known.role != "assistant":
            records: list[Record] = []
        else:
            records = self._transcript.cut(item, ending.cut)
        speaker = "assistant" if known.role == "assistant" else "user"
        caption = Caption(speaker, known.item, known.text, final=True)
        return self._caption(caption, records, now_ns, ending.cut)

    def _response_usage(self, session: int, ended: ResponseEnded, wall_ms: int) -> list[Outcome]:
        shares = self._transcript.response_shares(ended.response)
        return self._spent(
            self.spending.add(
                ended.usage,
                self._confirmations.model(session),
                shares,
                wall_ms,
                ended.response,
                status=ended.status,
            )
        )

    def _transcription_usage(self, session: int, fact: Transcribed, wall_ms: int) -> list[Outcome]:
        shares = self._transcript.item_shares(fact.item)
        model = self._confirmations.transcription_model(session)
        return self._spent(
            self.spending.add(fact.usage, model, shares, wall_ms, fact.item, "transcription")
        )

    def _spent(self, actions: Sequence[SpendingAction]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for action in actions:
            match action:
                case WriteUsage(record):
                    outcomes += self._write([record])
                case TellUsage(event):
                    outcomes.append(TellBrowsers(event))
                case Warn(code, message):
                    outcomes += [Log("warning", f"! {message}"), ProblemFound(code, message)]
                case Stop(problem):
                    outcomes.append(BudgetSpent(problem))
        return outcomes

"""What outlives the sessions of a room: the transcript, its lines, the pending reply, the money.

Sans-I/O. Facts of the sessions come in; journal records, EVENTs for the browsers (``lines``) and
signals come out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from mixer_core.journal.records import HistoryItem, Record
from mixer_core.runtime.earliest import earliest
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
from ..realtime.event_fields import Once
from ..realtime.item_content import words_of
from ..realtime.session_object import session_object
from ..settings import OpenaiLinkSettings
from ..transcript.speech_timeline import SpeechTimeline
from ..transcript.transcript import Transcript
from ..turns.actions import TurnRules, TypedText
from ..turns.pending_reply import PendingReply
from .actions import Event, Log
from .awaited_words import AwaitedWords
from .confirmations import Confirmations
from .costs import RoomCosts
from .lines import RoomLines
from .money import PriceTable, Spending
from .signals import Outcome, ProblemFound
from .told_endings import Told, ToldEndings
from .untaken import Untaken, UntakenTexts
from .unwritten import JOURNAL_TIMEOUT_NS


class RoomRecord:
    """One room's memory; every input returns what follows, in order."""

    def __init__(
        self,
        room: str,
        settings: OpenaiLinkSettings,
        day_of: Callable[[int], str],
        room_budget_usd: float = 0.0,
        journal_timeout_ns: int = JOURNAL_TIMEOUT_NS,
    ) -> None:
        """``day_of``: local day of a Unix time in ms, the account of what is spent on it.

        ``room_budget_usd``: for a day in this room; 0: no limit of its own.
        ``journal_timeout_ns``: longest that a final line waits for the journal.
        """
        self._room = room
        self._settings = settings
        self.speech = SpeechTimeline()
        """Who spoke when."""
        self._transcript = Transcript(room, self.speech)
        self._lines = RoomLines(self._transcript, journal_timeout_ns)
        self._people: dict[str, str] = {}
        rules = TurnRules.of(session_object(settings))
        self._speaks = rules.speaks
        self.pending_reply = PendingReply(rules.answers_turns)
        self._confirmations = Confirmations(settings)
        self._endings = ToldEndings()
        self.spending = Spending(
            PriceTable.of(settings),
            settings.daily_budget_usd,
            day_of,
            self.names,
            room,
            room_budget_usd,
        )
        self._costs = RoomCosts(self.spending, self._confirmations)
        self._untaken = UntakenTexts()
        self._pictures = RecentPictures(settings.image_keep_s, 2 * settings.image_max_bytes)
        self._session_ids: dict[int, str] = {}
        """The server's names of the sessions that there are, by number."""
        self._awaited = AwaitedWords()
        self._own = Once()
        """Turns that have the own words of those who spoke."""
        self.is_resumed = False
        """The conversation goes on that another process began."""

    # -- the journal ------------------------------------------------------------------------------

    def recovered(self, items: Sequence[HistoryItem]) -> list[Outcome]:
        """What the journal knows of a conversation that goes on; call it before any fact."""
        if not items:
            return []
        self.is_resumed = True
        self._transcript = Transcript(self._room, self.speech, items)
        self._transcript.people(self._people)
        self._lines.resumed(self._transcript, items)
        return [Log("info", f"= the conversation goes on with {len(items)} items")]

    def day_total(self, day: str, cost_usd: float, room_usd: float = 0.0) -> list[Outcome]:
        """What the journal knows of a day's spending, over all rooms and in this one."""
        return self._costs.day_total(day, cost_usd, room_usd)

    def spent_elsewhere(self, amounts: Mapping[str, float]) -> list[Outcome]:
        """What the other nodes of a cluster have spent, by day."""
        return self._costs.spent_elsewhere(amounts)

    def budgets(self, budget_usd: float, room_budget_usd: float) -> list[Outcome]:
        """The budgets for a day are these from now on, of all rooms and of this one."""
        return self._costs.budgets(budget_usd, room_budget_usd)

    def noted(self, text: str, wall_ms: int) -> list[Outcome]:
        """Something happened to the room that belongs to what was said in it."""
        return self._lines.write(self._transcript.note(text, wall_ms))

    def journal_written(self, ticket: int) -> list[Outcome]:
        """Records are safe, or never will be: tell what waited for them."""
        return self._lines.journal_written(ticket)

    def hold_lines(self) -> None:
        """The room is perhaps another machine's: what is not written is told nobody for now."""
        self._lines.hold()

    def release_lines(self, now_ns: int) -> None:
        """The room is this machine's."""
        self._lines.release(now_ns)

    def give_up_lines(self) -> None:
        """Another machine has the room: what is not written is told nobody."""
        self._lines.give_up()

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing is waited for."""
        return earliest(self._lines.next_timeout_ns(), self._awaited.next_timeout_ns())

    def tick(self, now_ns: int) -> list[Outcome]:
        """The time-out was reached: the journal takes too long, or words do not come."""
        return [*self._lines.tick(now_ns), *self._told(self._awaited.tick(now_ns), now_ns)]

    def closed(self, reason: str, wall_ms: int) -> list[Outcome]:
        """The conversation has ended: the journal learns it now, and nothing said after it."""
        return self._lines.closed(reason, wall_ms)

    def forget(self, wall_ms: int) -> list[Outcome]:
        """Somebody deletes what was said so far; all sessions that know it are over."""
        self.pending_reply.forget()
        self._untaken.forget()
        self._pictures.forget()
        self._awaited.forget()
        return self._lines.forget(wall_ms)

    # -- what happens -----------------------------------------------------------------------------

    def people(self, names: Mapping[str, str]) -> None:
        """Who is in the room: names by participant."""
        self._people = dict(names)
        self._transcript.people(names)

    def typed(self, session: int, text: TypedText, wall_ms: int, now_ns: int) -> list[Outcome]:
        """Somebody types or shows something; the caption follows when ``session`` has taken it.

        A picture is owed an answer only once it is taken.
        """
        picture = text.picture
        if picture is None:
            self.pending_reply.requested(text.item)
        name = self._people.get(text.participant) or text.name
        shown = "" if picture is None else picture.shown
        outcomes = self._lines.write(
            self._transcript.said(text.item, text.participant, name, text.text, wall_ms, shown)
        )
        oldest = self._untaken.typed(session, text, name, now_ns)
        return [*outcomes, *(self._lines.tell(caption) for caption in oldest)]

    @property
    def waits_for_server(self) -> bool:
        """Something was typed or shown that the server has not taken yet."""
        return len(self._untaken) > 0

    def untaken(self, sessions: Collection[int], now_ns: int | None = None) -> list[Untaken]:
        """What was typed or shown and none of the ``sessions`` that there are can take.

        Give each back by ``retyped``, or to whoever typed it. ``now_ns``: only what has waited for
        too long by then.
        """
        return self._untaken.without(sessions, now_ns)

    def untaken_until_ns(self, sessions: Collection[int]) -> int | None:
        """When something has waited for too long for a session; None: nothing waits for one."""
        return self._untaken.until_ns(sessions)

    def tell_untaken(self, typed: Untaken) -> Outcome:
        """No session will be told of it, and whoever typed it is gone: people see it."""
        return self._lines.tell(typed.caption)

    def withdrawn(self) -> None:
        """Nobody waits for an answer to what was said, typed or shown so far."""
        self.pending_reply.forget()
        self._untaken.withdrawn()

    def retyped(self, session: int, typed: Untaken, item: str) -> None:
        """What was typed or shown before is told again in ``session``, as ``item``."""
        self.pending_reply.told_again(typed.item, item)
        words = str(typed.caption["text"]) if typed.picture is None else None
        self._transcript.said_again(typed.item, item, words)
        self._untaken.told_again(session, typed, item)

    def is_picture(self, item: str) -> bool:
        """Whether that is a picture which the server has not taken yet."""
        return self._untaken.is_picture(item)

    def refused(self, item: str) -> Untaken | None:
        """The server does not take a picture that it was shown; None: it is not known here."""
        return self._untaken.take(item)

    def pictures(self, session: int, now_ns: int) -> Mapping[str, Picture]:
        """Pictures of the record that ``session`` is shown where it does not know them, by item."""
        return self._pictures.to_seed(session, now_ns)

    def speakers(self, item: str) -> Collection[str]:
        """The participants whose voice was in a turn; empty where it is not known."""
        return [who for who, _ in self._transcript.item_shares(item)]

    def on_fact(self, session: int, fact: Fact, wall_ms: int, now_ns: int) -> list[Outcome]:
        """Something happened in a session (its number) that has the room, or is draining."""
        if isinstance(fact, SessionConfirmed) and fact.session:
            self._session_ids[session] = fact.session
        where = self._session_ids.get(session, "")
        if isinstance(fact, Caption | Transcribed) and fact.item in self._own:
            if isinstance(fact, Caption):
                return []
            shares = self._transcript.item_shares(fact.item)
            return self._costs.transcription(session, fact, shares, wall_ms)
        records = self._transcript.on_fact(fact, now_ns, wall_ms, where)
        self.pending_reply.on_fact(fact, session)
        match fact:
            case Caption(speaker="user", item=item, final=True) if fact.text:
                self._awaited.told(item)
        match fact:
            case Caption(is_cut=True, final=True):
                return self._lines.cut_caption(fact, records, now_ns)
            case Caption():
                return self._lines.caption(fact, records, now_ns)
            case Unheard(was_stopped=stopped):
                is_due = self._speaks_in(session) and not stopped
                told = self._endings.unheard(fact) if is_due else Told()
                return [*self._lines.write(records), *self._lines.ended(told, now_ns)]
            case Exceeded(what):
                return [*self._lines.write(records), *self._endings.exceeded(what)]
            case ItemAdded(item, content=content) if self._is_awaited(item, content):
                places = self._awaited.spoken(item, session, now_ns)
                return [*self._lines.write(records), *self._told(places, now_ns)]
            case ItemAdded(item) if typed := self._untaken.take(item):
                return self._taken(session, item, typed, records, now_ns)
            case ResponseEnded():
                told = self._endings.response_ended(fact, self._speaks_in(session))
                outcomes = [*self._lines.write(records), *self._lines.ended(told, now_ns)]
                shares = self._transcript.response_shares(fact.response)
                return outcomes + self._costs.response(session, fact, shares, wall_ms)
            case Transcribed():
                told = self._endings.transcribed(fact, self._transcript.speaker(fact.item)[1])
                outcomes = [*self._lines.write(records), *self._lines.ended(told, now_ns)]
                if told.ending is not None:
                    self._awaited.told(fact.item)
                elif not fact.text:
                    outcomes += self._told(self._awaited.ends(fact.item), now_ns)
                shares = self._transcript.item_shares(fact.item)
                return outcomes + self._costs.transcription(session, fact, shares, wall_ms)
            case ServerToolsMissing(_, server):
                named = f"the MCP server {one_line(server)}" if server else "an MCP server"
                words = f"The assistant cannot use the tools of {named}: they could not be listed."
                log = Log("warning", f"! < {words}", "tools missing")
                return [log, ProblemFound("tools_missing", words)]
            case SessionConfirmed():
                return [*self._lines.write(records), *self._confirmations.take(session, fact)]
        return self._lines.write(records)

    def _is_awaited(self, item: str, content: Mapping[str, Any]) -> bool:
        """Whether people have spoken, and their words come later: their line has its place now."""
        if content.get("role") != "user" or not self._settings.transcription_model:
            return False
        known = self._transcript.find(item)
        return known is not None and not known.text and words_of(content) is None

    def _told(self, captions: Sequence[Caption], now_ns: int) -> list[Outcome]:
        return [o for caption in captions for o in self._lines.caption(caption, (), now_ns)]

    def _taken(
        self, session: int, item: str, typed: Untaken, records: Sequence[Record], now_ns: int
    ) -> list[Outcome]:
        """The server has taken what was typed or shown."""
        if typed.picture is not None:
            self._pictures.keep(item, typed.picture, session, now_ns)
        return self._lines.write(records, typed.caption, now_ns)

    def own_words(self, item: str, words: Mapping[str, str], now_ns: int) -> list[Outcome]:
        """What each of those who spoke in a turn said, in order; what is heard of it later is not.

        ``words``: by participant.
        """
        records = self._transcript.own_words(item, words)
        known = self._transcript.find(item)
        if known is None or not records:
            return []
        self._own.first(item)
        self._awaited.told(item)
        return self._lines.caption(Caption("user", known.item, known.text, True), records, now_ns)

    def voice_cost(
        self, who: str, session: str, item: str, usage: Mapping[str, Any], wall_ms: int
    ) -> list[Outcome]:
        """A session that writes down one participant has done so."""
        model = self._settings.transcription_model
        return self._costs.voice(who, session, item, usage, model, wall_ms)

    def truncated(self, truncation: Truncation, wall_ms: int, now_ns: int) -> list[Outcome]:
        """An interrupted reply ends where it was heard."""
        records = self._transcript.heard(
            truncation.item, truncation.text, truncation.audio_end_ms, wall_ms
        )
        return self._lines.caption(truncation.caption, records, now_ns)

    def tool_answered(self, call: str, output: str, ok: bool, wall_ms: int) -> list[Outcome]:
        """A tool call has its output."""
        return self._lines.write(self._transcript.tool_result(call, output, ok, wall_ms))

    def session_opened(self, session: int, model: str) -> None:
        """A server has taken a session that asks for that model."""
        self._confirmations.opened(session, model)

    def session_over(self, session: int) -> None:
        """Nothing more is heard of a session, whether or not it had the room."""
        self._session_ids.pop(session, None)
        self.pending_reply.session_over(session)

    def words_over(self, session: int, now_ns: int) -> list[Outcome]:
        """All that a session has told is taken: what it has not written down nobody will."""
        return self._told(self._awaited.session_over(session), now_ns)

    def session_ended(self, session: str, reason: str, wall_ms: int) -> list[Outcome]:
        """A session that had the room is over."""
        return self._lines.write(self._transcript.session("ended", session, reason, wall_ms))

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
        return self._lines.placed_call(event)

    def asker(self, response: str) -> tuple[str, str]:
        """Participant and name of whoever a response answers; empty where it is not known."""
        shares = self._transcript.response_shares(response)
        participant = shares[0][0] if shares else ""
        return participant, self.names().get(participant, "")

    def _speaks_in(self, session: int) -> bool:
        """Whether the answers of a session are to be heard."""
        return self._speaks and not self._confirmations.is_silent(session)

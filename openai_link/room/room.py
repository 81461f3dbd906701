"""What lives as long as the room, whatever happens to its calls: record, tools, money.

The facts of the call that has the room are fed in; what follows from them is written into the
journal, told to the browsers, or asked of the call by ``RoomHost``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from mixer_core.journal.file import local_day
from mixer_core.journal.records import HistoryItem, Record, UsageRecord

from ..playback.tracker import Truncation
from ..realtime.captions import Caption
from ..realtime.facts import Fact, ItemAdded, ResponseEnded, Transcribed
from ..realtime.problems import Problem
from ..realtime.session_object import ClientEvents, session_object
from ..realtime.unicode_text import whole
from ..settings import Settings
from ..transcript.history import Seed, SeedLimits, seed_events
from ..transcript.journal import Journal, Then
from ..transcript.speech_activity import SpeechActivity
from ..transcript.transcript import Transcript
from ..turns.actions import TurnRules, TypedText
from ..turns.pending_reply import PendingReply
from .money import PriceTable, Spending, SpendingAction, Stop, TellUsage, Warn, WriteUsage
from .tool_room import ToolRoom

RESUME_S = 300.0
"""A conversation that nobody ended, because the process died, goes on after at most so long."""
MAX_WRITTEN = 64

Event = dict[str, Any]


class RoomHost(Protocol):
    """What the room asks of the link."""

    def tell(self, event: Mapping[str, Any], addressee: int = 0) -> None:
        """Send an EVENT to the browsers, or to the one with that stream id."""

    def report(self, code: str, message: str) -> None:
        """Tell the room about an error, as soon as there is anybody."""

    def send(self, make: Callable[[ClientEvents], Event]) -> bool:
        """Send a client event to the call that has the room; False where there is none."""

    def ask(self, overrides: Mapping[str, Any] | None = None) -> bool:
        """Have the model answer, as soon as it is free; False where there is no call."""

    def stop(self, problem: Problem) -> None:
        """End the call, and make no other one for now."""

    def tools_changed(self) -> None:
        """The session's tools are others now."""

    def changed(self) -> None:
        """A time-out may have moved."""


class Room:
    """One room's memory; see the module."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        host: RoomHost,
        log: logging.LoggerAdapter[logging.Logger],
        *,
        simulated: bool = False,
    ) -> None:
        """``simulated``: a simulator answers, whose dollars are in an account of their own."""
        self._settings = settings.openai_link
        self._simulated = simulated
        self._host = host
        self._log = log
        self._journal = Journal.open(settings, name, log, self._trouble, self._day_spent)
        self._name = name
        self._activity = SpeechActivity()
        self._limits = SeedLimits.of(self._settings)
        self._transcript = Transcript(name, self._activity)
        self._people: dict[str, str] = {}
        self.tools = ToolRoom(self._settings, host, self._tool_answered, log)
        self.pending_reply = PendingReply(
            TurnRules.of(session_object(self._settings)).answers_turns
        )
        self.spending = Spending(
            PriceTable.of(self._settings),
            self._settings.daily_budget_usd,
            partial(local_day, simulated=simulated),
            lambda: self._transcript.names(),
        )
        self._written: dict[str, Event] = {}
        """Captions of written messages whose items have not come yet."""
        self.is_resumed = False
        """The conversation goes on that another process began."""
        self._is_over = False
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def opened(self) -> None:
        """The journal has said what it knows. Bounded by the journal's disk."""
        await asyncio.shield(self._opening)

    async def _open(self) -> None:
        recovered = await self._journal.recover(self._name, RESUME_S)
        if recovered:
            self._log.info("= the conversation goes on with %d items", len(recovered))
            self.is_resumed = True
            self._transcript = Transcript(self._name, self._activity, recovered)
            self._transcript.people(self._people)
        if self._settings.daily_budget_usd:
            day, cost_usd = await self._journal.day_total(self._simulated)
            self._spent(self.spending.day_total(day, cost_usd))

    def over(self) -> None:
        """The conversation has ended: the journal learns it now, and nothing said after it."""
        if not self._is_over:
            self._is_over = True
            closed = self._transcript.closed("the room is empty", _wall_ms())
            self._journal.write(closed, lambda: None)  # Somebody waits: it is written at once.

    async def close(self, is_over: bool) -> None:
        """End the tools and the journal, at the same time; each bounds its own end.

        ``is_over``: the conversation has ended, it was not only this process.
        """
        if is_over:
            self.over()
        self._opening.cancel()
        ends = await asyncio.gather(
            self.tools.close(), self._journal.close(), return_exceptions=True
        )
        for error in ends:
            if isinstance(error, BaseException):
                self._log.warning("! the room did not close: %r", error)

    # -- what the room hears --------------------------------------------------------------------

    def people(self, names: Mapping[str, str]) -> None:
        """Who is in the room: participants' ids to names."""
        self._people = dict(names)
        self._transcript.people(names)

    def levels(self, levels: object, now_ns: int) -> None:
        """The mixer's ``level`` event."""
        if isinstance(levels, Mapping):
            self._activity.levels(levels, now_ns)

    def said(self, said: TypedText) -> None:
        """Somebody writes; the caption follows when the item is in the journal."""
        self.pending_reply.asked()
        name = self._people.get(said.participant) or said.name
        self._write(self._transcript.said(said.item, said.participant, name, said.text, _wall_ms()))
        self._written[said.item] = dict(said.event) | ({"name": name} if name else {})
        while len(self._written) > MAX_WRITTEN:
            self._host.tell(self._written.pop(next(iter(self._written))))

    def unsent(self, events: ClientEvents) -> list[Event]:
        """What was written and reached no session: client events that say it again."""
        written, self._written = self._written, {}
        again = []
        for told in written.values():
            event = events.user_text(str(told["text"]))
            self._written[str(event["item"]["id"])] = told
            again.append(event)
        return again

    def on_fact(self, fact: Fact, now_ns: int) -> None:
        """Something happened in the conversation."""
        wall_ms = _wall_ms()
        records = self._transcript.on_fact(fact, now_ns, wall_ms)
        self.pending_reply.on_fact(fact)
        if isinstance(fact, Caption):
            self._caption(fact, records)
            return
        written = self._written.pop(fact.item, None) if isinstance(fact, ItemAdded) else None
        if written is not None:
            self._write(records, partial(self._host.tell, written))
        else:
            self._write(records)
        match fact:
            case ResponseEnded(response, usage=usage) if usage:
                shares = self._transcript.response_shares(response)
                model, status = self._settings.model, fact.status
                self._spent(
                    self.spending.add(usage, model, shares, wall_ms, response, status=status)
                )
            case Transcribed(item, usage=usage) if usage:
                shares, model = (
                    self._transcript.item_shares(item),
                    self._settings.transcription_model,
                )
                self._spent(self.spending.add(usage, model, shares, wall_ms, item, "transcription"))
        self.tools.on_fact(fact, self._asker, now_ns)

    def heard(self, until: Truncation) -> None:
        """An interrupted reply ends where it was heard."""
        records = self._transcript.heard(until.item, until.text, until.audio_end_ms, _wall_ms())
        self._caption(until.caption, records)

    def session_ended(self, session: str, reason: str) -> None:
        """A session that had the room is over."""
        self._write(self._transcript.session("ended", session, reason, _wall_ms()))

    # -- what a new session is told -------------------------------------------------------------

    def items(self) -> list[HistoryItem]:
        """The conversation in order."""
        return self._transcript.items()

    def find(self, item: str) -> HistoryItem | None:
        """An item by its id in any session."""
        return self._transcript.find(item)

    def compose(self, items: Sequence[HistoryItem], events: ClientEvents) -> Seed:
        """The client events that tell ``items`` (for ``seeding``)."""
        return seed_events(items, events, self._limits, self._people.values())

    def seeded(self, new_ids: Mapping[str, str], ignored: Sequence[str]) -> None:
        """A session was told the past under these ids."""
        self._transcript.seeded(new_ids, ignored)

    # -- details --------------------------------------------------------------------------------

    def _asker(self, response: str) -> tuple[str, str]:
        """Participant and name of whoever a response answers; empty where it is not known."""
        shares = self._transcript.response_shares(response)
        participant = shares[0][0] if shares else ""
        return participant, self._transcript.names().get(participant, "")

    def _tool_answered(self, call: str, output: str, ok: bool) -> None:
        self._write(self._transcript.tool_result(call, output, ok, _wall_ms()))

    def _caption(self, caption: Caption, records: list[Record]) -> None:
        """What is final is told when it is in the journal."""
        event = {
            "type": "caption",
            "speaker": caption.speaker,
            "item": caption.item,
            "text": whole(caption.text),
            "final": caption.final,
        }
        if caption.speaker == "user":
            participant, name = self._transcript.speaker(caption.item)
            if participant:
                event |= {"speaker": participant, "name": name}
        tell = partial(self._host.tell, event)
        if caption.final:
            self._write(records, tell)
        else:
            self._write(records)
            tell()

    def _write(self, records: Sequence[Record], then: Then | None = None) -> None:
        """What comes after the end belongs to no conversation, money does in any case."""
        if self._is_over:
            records = [record for record in records if isinstance(record, UsageRecord)]
        if records or then is not None:
            self._journal.write(records, then)

    def _spent(self, actions: list[SpendingAction]) -> None:
        for action in actions:
            match action:
                case WriteUsage(record):
                    self._write([record])
                case TellUsage(event):
                    self._host.tell(event)
                case Warn(code, message):
                    self._log.warning("! %s", message)
                    self._host.report(code, message)
                case Stop(problem):
                    self._host.stop(problem)

    def _day_spent(self, day: str, cost_usd: float) -> None:
        self._spent(self.spending.day_total(day, cost_usd))

    def _trouble(self, words: str) -> None:
        self._host.report("journal_failed", words)


def _wall_ms() -> int:
    return int(time.time() * 1000)

"""The room's record: what was said and done, in the order of the conversation. Sans-I/O.

It lives as long as the room and sees the facts of all its sessions. The order is that of
``ItemAdded``: transcripts come at any time, before their item or long after, and never move one.
What was said and is told of by its words alone has the place that its turn had.
What a new session is seeded with (``history``) is announced by the server like anything
else; ``seeded`` says which ids those are, so that nothing appears twice.

Methods return the records to write; ``kept_items`` has what is remembered, and in which order. Item
ids must be unique in the room: ``ClientEvents`` get a new prefix for each call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from mixer_core.journal.records import (
    ClosedRecord,
    ForgottenRecord,
    HistoryItem,
    Record,
    SessionRecord,
)

from ..facts import (
    Caption,
    Fact,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemTruncated,
    ResponseStarted,
    SessionConfirmed,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    Transcribed,
    TurnCommitted,
)
from ..realtime.item_content import has_picture, role_of, tool_fields, words_of
from ..realtime.unicode_text import whole
from .attribution import Attribution, ExpectedText
from .item_order import ROOT
from .kept_items import KeptItems, newest_states
from .speech_timeline import Shares, SpeechTimeline

MAX_ALIASES = 8_000
"""Ids of seeded items that are known, of the newest sessions."""
MAX_EARLY = 64
"""Transcripts that may wait for their item."""


class Transcript:
    """One room's record; see the module."""

    def __init__(
        self,
        room: str,
        talkers: SpeechTimeline | None = None,
        recovered: Sequence[HistoryItem] = (),
    ) -> None:
        """``recovered``: what the journal knows of a conversation that goes on."""
        self.room = room
        self._attribution = Attribution(talkers or SpeechTimeline())
        self._session = ""
        """The newest one that had the room."""
        self._where = ""
        """The session in which new items are."""
        self._items = KeptItems(recovered)
        self._aliases: dict[str, str] = {}
        """Ids in later sessions to ids here; empty: not part of the record."""
        self._early: dict[str, Transcribed] = {}
        self._turns: dict[str, str] = {}
        """Turns that are no items yet, with the item that was the last when they were taken."""

    # -- what happens ---------------------------------------------------------------------------

    def people(self, names: Mapping[str, str]) -> None:
        """Who is in the room: participants' ids to names."""
        self._attribution.people({participant: whole(name) for participant, name in names.items()})

    def seeded(self, new_ids: Mapping[str, str], ignored: Iterable[str] = ()) -> None:
        """A session is seeded with history; call it before its facts come.

        Args:
            new_ids: id of an item here to its id in that session (as ``seed_events`` returns it).
            ignored: ids of further items of ours that are no part of the conversation.
        """
        self._aliases.update({new: old for old, new in new_ids.items() if new != old})
        self._aliases.update(dict.fromkeys(ignored, ""))
        while len(self._aliases) > MAX_ALIASES:
            del self._aliases[next(iter(self._aliases))]

    def on_fact(self, fact: Fact, now_ns: int, wall_ms: int, session: str = "") -> list[Record]:
        """What a server event meant.

        Args:
            fact: of ``session``.
            now_ns: monotonic.
            wall_ms: Unix time now.
            session: its id; empty: the newest one.
        """
        self._where = session or self._session
        match fact:
            case SessionConfirmed(session, updated=False):
                return self.session("started", session, "", wall_ms)
            case SpeechStarted(item):
                self._attribution.speech_started(item, now_ns)
            case SpeechStopped(item):
                self._attribution.speech_stopped(item, now_ns)
            case TurnCommitted(item):
                self._attribution.measure(item, now_ns)
                self._turn(item)
            case ResponseStarted(response):
                self._attribution.response_started(response)
            case ItemAdded() | ItemDone():
                return self._item(fact, now_ns, wall_ms)
            case ItemDeleted(item):
                return self._items.remove(self._here(item))
            case ItemTruncated(item, audio_end_ms):
                return self._truncated(self._here(item), audio_end_ms)
            case Transcribed(item):
                return self._written_down(self._here(item), fact, now_ns, wall_ms)
            case ToolCalled(item=item):
                return self._called(self._here(item), fact, wall_ms)
            case Caption(_, item, text, final=True):
                return self._caption(self._here(item), text)
        return []

    def said(
        self, event_id: str, participant: str, name: str, text: str, wall_ms: int, shown: str = ""
    ) -> list[Record]:
        """Somebody writes; call it with the ``conversation.item.create`` that carries the text.

        ``shown``: what the record says in place of ``text``, where that stands for a picture.

        The record follows with its ``ItemAdded``: ``event_id`` is the item's id too, where the
        server keeps ids of clients; else it is matched by its text, in order.
        """
        self._attribution.says(
            ExpectedText(event_id, participant, text, wall_ms, shown), whole(name)
        )
        return []

    def said_again(self, before: str, item: str, words: str | None = None) -> None:
        """What somebody wrote is sent again, as ``item``; ``words``: in place of its own."""
        self._attribution.said_again(before, item, words)

    def tool_result(self, call: str, output: str, ok: bool, wall_ms: int) -> list[Record]:
        """A tool has answered; the first answer counts."""
        item = self._items.awaiting(call)
        if item is None:
            return []
        return self._items.put(replace(item, output=output, ok=ok, final=True))

    def heard(self, item: str, text: str, audio_end_ms: int, wall_ms: int) -> list[Record]:
        """An interrupted reply ends where it was heard: ``text`` is what people got of it.

        A later call replaces an earlier one.
        """
        known = self._items.get(self._here(item))
        if known is None or known.kind != "message":
            return []
        return self._items.put(replace(known, text=text, heard_ms=audio_end_ms, final=True))

    def cut(self, item: str, reason: str) -> list[Record]:
        """The model did not say all that it wanted to: ``reason`` is a word that names why."""
        known = self._items.get(self._here(item))
        if known is None or known.kind != "message":
            return []
        return self._items.put(replace(known, failure=reason, final=True))

    def own_words(self, item: str, words: Mapping[str, str]) -> list[Record]:
        """What each of those who spoke in a turn said, by participant, in order."""
        known = self._items.get(self._here(item))
        if known is None or not words:
            return []
        names = {who: self.names().get(who, who) for who in words}
        each = [f"{names[who]}: {text}" for who, text in words.items()]
        text = " / ".join(each) if len(words) > 1 else next(iter(words.values()))
        said = replace(known, text=text, failure="", final=True)
        who = known.participant if known.participant in words else next(iter(words))
        return self._items.put(replace(said, participant=who, name=", ".join(names.values())))

    def session(
        self, what: Literal["started", "ended"], session: str, reason: str, wall_ms: int
    ) -> list[Record]:
        """A session began or ended. ``SessionConfirmed`` says the former by itself."""
        if what == "started":
            if session == self._session:
                return []
            self._session = session
        return [SessionRecord(session, what == "started", wall_ms, reason)]

    def note(self, text: str, wall_ms: int) -> list[Record]:
        """A line of the gateway's own, behind what was said so far."""
        item = f"note_{wall_ms}_{len(self._items)}"
        note = HistoryItem(item, 0, "message", "system", text=text, wall_ms=wall_ms)
        note = replace(note, final=True, session=self._session)
        return self._items.place(note, "", wall_ms)

    def closed(self, reason: str, wall_ms: int) -> list[Record]:
        """The room is empty: the conversation is over and will not be recovered."""
        return [ClosedRecord(wall_ms, reason)]

    def forget(self, wall_ms: int) -> list[Record]:
        """Somebody deletes the conversation; its sessions are over. What comes begins another."""
        self._attribution.forget()
        self._items = KeptItems()
        self._aliases, self._early, self._turns = {}, {}, {}
        return [ForgottenRecord(wall_ms)]

    # -- what is known --------------------------------------------------------------------------

    def items(self) -> list[HistoryItem]:
        """The conversation in order."""
        return list(self._items)

    def previous(self, item: str) -> str:
        """Id of the item before a known one; empty: it is the first."""
        before = self._items.before(item)
        return "" if before == ROOT else before

    def find(self, item: str) -> HistoryItem | None:
        """An item by its id in any session."""
        return self._items.get(self._here(item))

    def tool_item(self, call: str) -> HistoryItem | None:
        """The item of a tool call."""
        return next((item for item in reversed(self._items) if item.call == call), None)

    def speaker(self, item: str) -> tuple[str, str]:
        """Participant and name of who said an item; empty where it is not known (yet)."""
        known = self.find(item)
        if known is not None:
            return known.participant, known.name
        return self._attribution.speaker(self._here(item))

    def item_shares(self, item: str) -> Shares:
        """Who said an item, with parts that sum up to 1; empty where it is not known."""
        return self._attribution.shares(self._here(item))

    def response_shares(self, response: str) -> Shares:
        """Whose words a response answers; empty: nobody asked (a greeting)."""
        return self._attribution.response_shares(response)

    def names(self) -> Mapping[str, str]:
        """Names of everybody who is or was here, by participant."""
        return self._attribution.names

    # -- details --------------------------------------------------------------------------------

    def _here(self, item: str) -> str:
        return self._aliases.get(item, item)

    def _item(self, fact: ItemAdded | ItemDone, now_ns: int, wall_ms: int) -> list[Record]:
        content, item = fact.content, fact.item
        if item in self._aliases or role_of(content) is None:
            return []
        records: list[Record] = []
        if item not in self._items:
            records += self._place(item, self._previous(fact), content, now_ns, wall_ms)
        done = isinstance(fact, ItemDone) or content.get("status") == "completed"
        records += self._fill(self._items[item], content, done)
        early = self._early.pop(item, None)
        records += self._transcribed(item, early) if early else []
        return newest_states(records)

    def _previous(self, fact: ItemAdded | ItemDone) -> str:
        """The item before a new one; empty: the last one here.

        A session that was seeded may not know the newest of it: what comes behind an item
        it was told is newer than everything here.
        """
        previous = fact.previous if isinstance(fact, ItemAdded) else ""
        if fact.item in self._turns and previous not in self._items:
            return self._turns[fact.item]
        return "" if previous == ROOT or previous in self._aliases else previous

    def _place(
        self, item: str, previous: str, content: Mapping[str, Any], now_ns: int, wall_ms: int
    ) -> list[Record]:
        """A new item without words in its place, with records of it and those that had to move."""
        self._turns.pop(item, None)
        kind, role = role_of(content) or ("message", "system")
        known = HistoryItem(item, 0, kind, role, wall_ms=wall_ms, session=self._where)
        if role == "user":
            known = self._attributed(known, content, now_ns)
        return self._items.place(known, previous, wall_ms)

    def _attributed(
        self, item: HistoryItem, content: Mapping[str, Any], now_ns: int
    ) -> HistoryItem:
        """A user item with its speaker: who wrote it, or who talked while it was spoken."""
        words = words_of(content)
        said = self._attribution.take_said(item.item, words) if words else None
        if said is not None:
            item = replace(item, wall_ms=said.wall_ms, text=said.shown)
        elif not words:
            self._attribution.measure(item.item, now_ns)
            began_ns = self._attribution.began_ns(item.item) or now_ns
            item = replace(item, wall_ms=item.wall_ms - (now_ns - began_ns) // 1_000_000)
        participant, name = self._attribution.speaker(item.item)
        return replace(item, participant=participant, name=name)

    def _fill(self, item: HistoryItem, content: Mapping[str, Any], done: bool) -> list[Record]:
        """What the content of an item says."""
        if item.kind == "tool":
            return self._items.put(replace(item, **tool_fields(item, content, done)))
        words = words_of(content)
        if words is None:  # Spoken, and not written down yet.
            return []
        if item.heard_ms is not None or (has_picture(content) and item.text):
            words = item.text
        return self._items.put(replace(item, text=words or item.text, final=item.final or done))

    def _turn(self, item: str) -> None:
        """A turn has its place, whenever its item is told of."""
        if item and item not in self._items and item not in self._aliases:
            self._turns[item] = self._items.last
            if len(self._turns) > MAX_EARLY:
                del self._turns[next(iter(self._turns))]

    def _written_down(
        self, item: str, fact: Transcribed, now_ns: int, wall_ms: int
    ) -> list[Record]:
        """The words of a turn; they make it an item where the server does not."""
        placed: list[Record] = []
        if item in self._turns:
            spoken = {"type": "message", "role": "user", "content": [{"type": "input_audio"}]}
            placed = self._place(item, self._turns[item], spoken, now_ns, wall_ms)
        return newest_states([*placed, *self._transcribed(item, fact)])

    def _transcribed(self, item: str, fact: Transcribed) -> list[Record]:
        known = self._items.get(item)
        if known is None:
            if item:
                self._early[item] = fact
                if len(self._early) > MAX_EARLY:
                    del self._early[next(iter(self._early))]
            return []
        text = fact.text.strip() or known.text
        return self._items.put(replace(known, text=text, failure=fact.failure, final=True))

    def _called(self, item: str, fact: ToolCalled, wall_ms: int) -> list[Record]:
        records: list[Record] = []
        if item not in self._items:
            records = self._place(item, "", {"type": "function_call"}, 0, wall_ms)
        known = self._items[item]
        called = replace(known, call=fact.call, tool=fact.name, arguments=fact.arguments)
        return newest_states(records + self._items.put(called))

    def _caption(self, item: str, text: str) -> list[Record]:
        """Words whose item never tells them: it was interrupted, or the session was lost."""
        known = self._items.get(item)
        if known is None or known.text or known.heard_ms is not None or not text:
            return []
        return self._items.put(replace(known, text=text))

    def _truncated(self, item: str, audio_end_ms: int) -> list[Record]:
        """The server's end: what it sent; which words that is, and who heard it, it cannot say."""
        known = self._items.get(item)
        if known is None or known.kind != "message":
            return []
        if known.heard_ms is not None:
            audio_end_ms = min(audio_end_ms, known.heard_ms)
        text = known.text if audio_end_ms else ""
        return self._items.put(replace(known, text=text, heard_ms=audio_end_ms, final=True))

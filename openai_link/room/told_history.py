"""What the sessions of a room are told of the conversation, by seeding and afterwards. Sans-I/O."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mixer_core.journal.records import HistoryItem

from ..facts import Fact, ItemDone, ToolCalled, Transcribed
from .actions import Log
from .record import RoomRecord
from .room_pictures import NOT_TAKEN, RoomPictures
from .session import NO_PICTURES, Session
from .signals import Outcome, ProblemFound
from .untaken import Untaken

_NOTE = (
    "What is above was said before a short interruption that nobody need hear about. "
    "Go on from there, in the same language. Do not greet again."
)


class ToldHistory:
    """Of one room; methods return what follows, in order."""

    def __init__(self, record: RoomRecord, pictures: RoomPictures) -> None:
        self._record = record
        self._pictures = pictures

    def seed(self, session: Session, items: Sequence[HistoryItem], now_ns: int) -> list[Outcome]:
        """Seed a confirmed session with ``items``, which were said before."""
        is_owed = self._record.pending_reply.is_pending or (items and items[-1].kind == "tool")
        return self.tell(session, items, now_ns, "" if is_owed else _NOTE)

    def tell(
        self,
        session: Session,
        items: Sequence[HistoryItem],
        now_ns: int,
        note: str = "",
        after: str = "",
    ) -> list[Outcome]:
        """Tell a session what it does not know of ``items``; see ``Session.seed``."""
        may = self._pictures.may_be_shown
        pictures = self._record.pictures(session.number, now_ns) if may else NO_PICTURES
        outcomes = session.seed(items, self._record.present(), note, now_ns, after, pictures)
        self._record.seeded(*session.seeded_ids)
        return outcomes

    def tell_late(self, talking: Session, fact: Fact, now_ns: int) -> list[Outcome]:
        """What still happens in the draining session, the one that has the room must know."""
        if not isinstance(fact, ItemDone | Transcribed | ToolCalled):
            return []
        item = self._record.find(fact.item)
        if item is None or not (item.final or item.pending):
            return []
        return self.tell(talking, [item], now_ns, after=self._place(talking, item))

    def tell_truncated(self, talking: Session, item_id: str, now_ns: int) -> list[Outcome]:
        """A reply of the draining session was cut off: how far it came."""
        item = self._record.find(item_id)
        if item is None:
            return []
        outcomes = talking.correct(item, now_ns, self._place(talking, item))
        self._record.seeded(*talking.seeded_ids)
        return outcomes

    def retype(self, session: Session, alive: Collection[int]) -> list[Outcome]:
        """Say again what was typed in a session that ended before it took it.

        ``alive``: numbers of those that are not over.
        """
        outcomes: list[Outcome] = []
        for typed in self._record.untaken(alive):
            outcomes += self._retype(session, typed)
        return outcomes

    def _retype(self, session: Session, typed: Untaken) -> list[Outcome]:
        """One of them; a picture with which sessions end is told of in words, at most."""
        picture, outcomes = typed.picture, list[Outcome]()
        if picture is not None and (typed.is_hopeless or not self._pictures.may_be_shown):
            outcomes = [
                Log("warning", f"! {NOT_TAKEN}"),
                ProblemFound("picture_refused", NOT_TAKEN),
            ]
            if not picture.text:
                return outcomes
            typed, picture = typed.in_words(picture.text), None
            if typed.is_answered:
                self._record.pending_reply.requested(typed.item)
        if picture is None:
            return [*outcomes, *self.say_again(session, typed)]
        item, told = session.show_again(picture, is_answered=typed.is_answered)
        self._record.retyped(session.number, typed, item)
        return told

    def say_again(self, session: Session, typed: Untaken) -> list[Outcome]:
        """Say what was typed before; nobody is asked for an answer here."""
        item, told = session.type_text(str(typed.caption["text"]))
        self._record.retyped(session.number, typed, item)
        return told

    def _place(self, session: Session, item: HistoryItem) -> str:
        """Id in ``session`` of the item behind which a late ``item`` belongs; empty: the last."""
        seeded, _ = session.seeded_ids
        before, is_last = "root", True
        for other in self._record.items():
            is_own = bool(other.session) and other.session == session.session_id
            own = other.item if is_own else ""
            known = seeded.get(other.item, own)
            if known and other.position < item.position:
                before = known
            elif known and other.item != item.item:
                is_last = False
        return "" if is_last else before

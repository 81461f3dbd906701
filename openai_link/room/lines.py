"""The lines that people see, and the journal that has what is final before they are told. Sans-I/O.

A final line waits for its records (``journal_written``), but not for ever (``unwritten``). Each is
told with the place that it has in the conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixer_core.journal.records import HistoryItem, Record, UsageRecord

from ..facts import Caption
from ..realtime.captions import shown
from ..realtime.endings import TOO_LONG, Ending
from ..realtime.unicode_text import whole
from ..transcript.line_places import LinePlaces
from ..transcript.transcript import Transcript
from .actions import Event, TellBrowsers, WriteJournal
from .signals import Outcome
from .told_endings import Told
from .unwritten import UnwrittenEvents


class RoomLines:
    """Of one room; methods return what follows, in order."""

    def __init__(self, transcript: Transcript, journal_timeout_ns: int) -> None:
        """``journal_timeout_ns``: longest that a final line waits for its records."""
        self._transcript = transcript
        self._places = LinePlaces()
        self._unwritten = UnwrittenEvents(journal_timeout_ns)
        self._is_over = False

    def resumed(self, transcript: Transcript, items: Sequence[HistoryItem]) -> None:
        """The conversation goes on that another process began; pages may show ``items``."""
        self._transcript = transcript
        self._places.recovered(items)

    # -- the journal ------------------------------------------------------------------------------

    def write(
        self, records: Sequence[Record], then_tell: Event | None = None, now_ns: int = 0
    ) -> list[Outcome]:
        """Write records; ``then_tell`` is told once the journal has them.

        What comes after the end belongs to no conversation; money does in any case.
        """
        if self._is_over:
            records = [record for record in records if isinstance(record, UsageRecord)]
        moved: list[Outcome] = [TellBrowsers(event) for event in self._places.moved(records)]
        if then_tell is None:
            return [*([WriteJournal(tuple(records))] if records else []), *moved]
        ticket, late = self._unwritten.wait(then_tell, now_ns)
        told = [self.tell(event) for event in late]
        return [WriteJournal(tuple(records), ticket), *moved, *told]

    def journal_written(self, ticket: int) -> list[Outcome]:
        """Records are safe, or never will be: tell what waited for them."""
        return [self.tell(event) for event in self._unwritten.written(ticket)]

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits for the journal."""
        return self._unwritten.next_timeout_ns()

    def tick(self, now_ns: int) -> list[Outcome]:
        """The time-out was reached: the journal takes too long."""
        return [self.tell(event) for event in self._unwritten.tick(now_ns)]

    def hold(self) -> None:
        """The room is perhaps no longer this machine's: final lines wait until ``release``."""
        self._unwritten.hold()

    def release(self, now_ns: int) -> None:
        """The room is this machine's."""
        self._unwritten.release(now_ns)

    def give_up(self) -> None:
        """Another machine has the room: what is not written is told nobody."""
        self._unwritten.give_up()

    def closed(self, reason: str, wall_ms: int) -> list[Outcome]:
        """The conversation has ended: the journal learns it now, and nothing said after it."""
        if self._is_over:
            return []
        self._is_over = True
        ticket = self._unwritten.ticket()
        return [WriteJournal(tuple(self._transcript.closed(reason, wall_ms)), ticket)]

    def forget(self, wall_ms: int) -> list[Outcome]:
        """Somebody deletes what was said so far."""
        self._unwritten.forget()
        self._places = LinePlaces()
        return self.write(self._transcript.forget(wall_ms))

    # -- lines ------------------------------------------------------------------------------------

    def caption(
        self, caption: Caption, records: Sequence[Record], now_ns: int, cut: str = ""
    ) -> list[Outcome]:
        """Words of somebody; ``cut``: why they are not all, empty if they are."""
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
            return self.write(records, event, now_ns)
        return [*self.write(records), self.tell(event)]

    def cut_caption(
        self, caption: Caption, records: Sequence[Record], now_ns: int
    ) -> list[Outcome]:
        """A line with more words than are kept says so, here and in the record."""
        is_reply = caption.speaker == "assistant"
        more = self._transcript.cut(caption.item, TOO_LONG) if is_reply else []
        return self.caption(caption, [*records, *more], now_ns, TOO_LONG)

    def ended(self, told: Told, now_ns: int) -> list[Outcome]:
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
        return self.caption(caption, records, now_ns, ending.cut)

    # -- places -----------------------------------------------------------------------------------

    def tell(self, caption: Event) -> TellBrowsers:
        """A caption, with the place that its line has by now."""
        return TellBrowsers(self._placed(caption, self._transcript.find(str(caption["item"]))))

    def placed_call(self, event: Event) -> Event:
        """The EVENT of a tool call, with the place of its line."""
        return self._placed(event, self._transcript.tool_item(str(event.get("call", ""))))

    def _placed(self, event: Event, item: HistoryItem | None) -> Event:
        previous = "" if item is None else self._transcript.previous(item.item)
        return self._places.placed(event, item, previous)

"""The words of items, as they come: captions that grow, and when they are final. Sans-I/O.

Part of the reducer. The words of an item of the assistant are final when the item is done or cut;
deltas that come later are ignored. Words of people that do not come within ``WORDS_NS`` are what
was understood of them by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixer_core.runtime.earliest import earliest

from ..facts import Caption, Fact, Transcribed
from .bounds import MAX_FIELD_CHARS
from .captions import CaptionBook
from .event_fields import Once, forget_oldest, map_of, maps_of, text_of, whole_of

WORDS_NS = 30_000_000_000
"""Longest time between two signs of the words of an item."""
MAX_OPEN = 32
"""Items whose words may be incomplete at once; of more the oldest is forgotten."""
MAX_PARTS = 64
"""Parts of one item whose texts are kept apart."""


class ItemWords:
    """Of one session; methods return what is known by now."""

    def __init__(self) -> None:
        self._captions = CaptionBook()
        self._final = Once()
        """Items whose words are final."""
        self._unwritten: dict[str, int] = {}
        """Spoken items whose transcripts have not come, and when anything last came of them."""
        self._given_up: dict[str, None] = {}
        """Spoken items whose transcripts are not waited for any more."""
        self._in_item: dict[str, str] = {}
        """Words of spoken items that came with them, whose transcripts may come yet."""
        self._growing: dict[str, int] = {}
        """Items of the assistant whose words come, and when they last did."""
        self._parts: dict[str, dict[int, str]] = {}
        """Whole texts of the parts of unfinished items, by item and content index."""

    @property
    def awaits_transcript(self) -> bool:
        """The transcript of something that people said is still to come."""
        return bool(self._unwritten)

    # -- time -------------------------------------------------------------------------------------

    def held_back(self, now_ns: int) -> list[Caption]:
        """Captions whose time has come."""
        return self._captions.tick(now_ns)

    def overdue(self, now_ns: int) -> list[Fact]:
        """What is not waited for any longer."""
        facts: list[Fact] = []
        for item, sign_ns in list(self._unwritten.items()):
            if now_ns >= sign_ns + WORDS_NS:
                facts += self._give_up(item)
        for item, sign_ns in list(self._growing.items()):
            if now_ns >= sign_ns + WORDS_NS:
                facts += self.end(item)
        return facts

    def next_timeout_ns(self) -> int | None:
        """When a caption or anything overdue follows; None where nothing waits."""
        captions_ns = self._captions.next_timeout_ns()
        if not self._unwritten and not self._growing:
            return captions_ns
        overdue_ns = min((*self._unwritten.values(), *self._growing.values())) + WORDS_NS
        return earliest(captions_ns, overdue_ns)

    def close(self) -> list[Fact]:
        """The session is over: unfinished words are final."""
        facts: list[Fact] = []
        for item in list(self._parts):
            facts += self.end(item)
        return [*facts, *self._captions.clear()]

    # -- words of the assistant -------------------------------------------------------------------

    def known(self, item: str) -> str:
        """What its parts or its deltas say, whichever says more."""
        parts = self._parts.get(item, {})
        known = "".join(text for _, text in sorted(parts.items()))
        return max(known, self._captions.collected(item) or "", key=len)

    def delta(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """More words of an item."""
        item, delta = text_of(event, "item_id"), text_of(event, "delta")
        if not delta or not item or item in self._final:
            return []
        self._growing[item] = now_ns
        forget_oldest(self._growing, MAX_OPEN)
        return list(self._captions.delta("assistant", item, delta, now_ns))

    def part_done(self, event: Mapping[str, Any]) -> None:
        """A part of an item has all its words."""
        item = text_of(event, "item_id")
        text = text_of(event, "transcript") or text_of(event, "text")
        if item and item not in self._final:
            _put(self._parts.setdefault(item, {}), whole_of(event, "content_index"), text)
            forget_oldest(self._parts, MAX_OPEN)

    def item_done(self, item: Mapping[str, Any]) -> list[Fact]:
        """An item is done; where it was cut off, this ends it instead of its text's ``done``."""
        if text_of(item, "role") != "assistant":
            return []
        parts = maps_of(item, "content")
        words = [text_of(part, "transcript") or text_of(part, "text") for part in parts]
        return self.end(text_of(item, "id"), "".join(words))

    def end(self, item: str, words: str = "") -> list[Fact]:
        """The final caption: of the item's content, its parts and its deltas what says most.

        An end without a word, of an item of which none was shown, is none: they may come yet.
        """
        self._growing.pop(item, None)
        words = max(words, self.known(item), key=len)[:MAX_FIELD_CHARS]
        self._parts.pop(item, None)
        if item in self._final or not (words or self._captions.collected(item) is not None):
            return []
        self._final.first(item)
        return list(self._captions.done("assistant", item, words))

    # -- words of people --------------------------------------------------------------------------

    def spoken(self, item: str, now_ns: int) -> None:
        """A turn of somebody has become an item, or its words begin to come."""
        if item not in self._final:
            self._unwritten[item] = now_ns
            forget_oldest(self._unwritten, MAX_OPEN)

    def unexpected(self, item: str) -> None:
        """No transcript of an item is waited for."""
        self._unwritten.pop(item, None)

    def spoken_delta(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """More of what somebody said."""
        item, delta = text_of(event, "item_id"), text_of(event, "delta")
        if not delta or not item or item in self._final:
            return []
        self.spoken(item, now_ns)
        return list(self._captions.delta("user", item, delta, now_ns))

    def turn_done(self, item: Mapping[str, Any]) -> list[Fact]:
        """Something that people said is done: the words that are in it."""
        identity, parts = text_of(item, "id"), maps_of(item, "content")
        spoken = [part for part in parts if text_of(part, "type") == "input_audio"]
        words = " ".join(text_of(part, "transcript").strip() for part in spoken).strip()
        text = words[:MAX_FIELD_CHARS]
        if text_of(item, "role") != "user" or not text or not self._final.first(identity):
            return []
        self.unexpected(identity)
        self._in_item[identity] = text
        forget_oldest(self._in_item, MAX_OPEN)
        return [Transcribed(identity, text), *self._captions.done("user", identity, text)]

    def transcribed(self, event: Mapping[str, Any], text: str, failure: str) -> list[Fact]:
        """All that somebody said is written down, or cannot be: ``failure`` says why."""
        item = text_of(event, "item_id")
        known, usage = self._in_item.pop(item, ""), map_of(event, "usage") or None
        if known:  # What it cost is news.
            return [] if usage is None else [Transcribed(item, text or known, usage)]
        if not self._final.first(item) and item not in self._given_up:
            return []
        self._given_up.pop(item, None)
        was_shown = self._captions.collected(item) is not None
        captions = self._captions.done("user", item, None if failure else text)
        fact = Transcribed(item, text, usage, failure)
        return [fact, *captions] if text or was_shown else [fact]

    def _give_up(self, item: str) -> list[Fact]:
        """The words of a turn do not come, or not all: what was understood are its words."""
        del self._unwritten[item]
        text = self._captions.collected(item)
        if text is None or not self._final.first(item):
            return []
        self._given_up[item] = None
        forget_oldest(self._given_up, MAX_OPEN)
        return [Transcribed(item, text.strip()), *self._captions.done("user", item, None)]


def _put(parts: dict[int, str], index: int, text: str) -> None:
    """Keep the text of one part, within what is kept of the item."""
    known = sum(len(other) for place, other in parts.items() if place != index)
    if index in parts or len(parts) < MAX_PARTS:
        parts[index] = text[: max(0, MAX_FIELD_CHARS - known)]

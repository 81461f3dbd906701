"""Ends an item of the assistant where it was heard: which words remain, who must know. Sans-I/O.

Over WebRTC the server truncates the item by itself, to what it had sent, before or after; another
truncation is sent only if people heard less than that by more than ``GAIN_MS``. Over a WebSocket
ours is the only truncation.

A server refuses a truncation to more than there is, or of an item without sound ("Only model output
audio messages can be truncated", also for an end of 0 before the first sample). So one leaves only
by ``_shorten``: for an item of which the server is known to have sound, to less than that sound,
and never twice to more. Of a reply that nobody heard, one millisecond remains: the words go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..facts import Caption
from ..realtime.client_events import ClientEvents
from ..realtime.event_fields import Once
from ..turns.actions import Send
from .positions import MS_SAMPLES
from .spoken_text import SpokenText

GAIN_MS = 10
"""A truncation by less than this is not worth sending."""
LEAST_MS = 1
"""The shortest end that a server takes."""
BLUR_MS = 60
"""How far the end of one item may be off, where it follows from the length of the next."""
MAX_ITEMS = 16
"""Items whose lengths are kept; the oldest is forgotten."""


@dataclass(frozen=True, slots=True)
class Truncation:
    """An item of the assistant ends here: nobody heard the rest."""

    item: str
    text: str
    """The words that were heard; may be empty."""
    audio_end_ms: int

    @property
    def caption(self) -> Caption:
        """The final caption of the item."""
        return Caption("assistant", self.item, self.text, final=True)


TrackerAction = Send | Truncation


class Truncator:
    """The items of one session, and where they end."""

    def __init__(self, events: ClientEvents, server_truncates: bool, speed: float) -> None:
        self._events = events
        self._server_truncates = server_truncates
        self._text = SpokenText(speed)
        self._delivered: dict[str, int] = {}
        """Samples that the server has delivered (WebSocket)."""
        self._server_ms: dict[str, int] = {}
        """Where an item ends according to the server."""
        self._told: dict[str, int] = {}
        """Where an item ends according to us, in ms."""
        self._asked: dict[str, int] = {}
        """Where the server was asked to end an item, in ms."""
        self._truncated = Once()

    def __contains__(self, item: str) -> bool:
        """Whether the item was truncated."""
        return item in self._truncated

    def caption(self, caption: Caption) -> None:
        """The words of an item so far."""
        self._text.caption(caption)

    def done(self, item: str, content: Mapping[str, Any]) -> None:
        """An item in its final form."""
        self._text.done(item, content)

    def delivered(self, item: str, samples: int) -> None:
        """The server has delivered this many more samples."""
        _put(self._delivered, item, self._delivered.get(item, 0) + samples)

    def heard_whole(self, items: Sequence[str], samples: int) -> None:
        """A reply was played to its end: learn how fast the assistant speaks."""
        if len(items) == 1:
            self._text.learn(items[0], samples // MS_SAMPLES)

    def is_ended(self, items: Sequence[str]) -> bool:
        """Whether the server has truncated any of them."""
        return any(item in self._server_ms for item in items)

    def is_settled(self, items: Sequence[str]) -> bool:
        """Whether it is known which item of a reply that is cut off was being played.

        Where the server truncates and there are several, it says so by the last one.
        """
        return not self._server_truncates or len(items) < 2 or items[-1] in self._server_ms

    def truncated(self, item: str, audio_end_ms: int) -> list[TrackerAction]:
        """The server has truncated the item: by itself, or because we asked for it."""
        _put(self._server_ms, item, audio_end_ms)
        told_ms = self._told.get(item)
        if told_ms is None:
            return []
        if audio_end_ms < told_ms:
            return [self._tell(item, audio_end_ms, None)]
        if audio_end_ms > told_ms + GAIN_MS:
            return self._shorten(item, told_ms, audio_end_ms)
        return []

    def truncate(
        self, items: Sequence[str], complete: bool, heard: int, sent: int, sound: int
    ) -> list[TrackerAction]:
        """A reply ended after ``heard`` of the ``sent`` samples that left the link.

        ``complete``: the server had generated all of it. ``sound``: of the samples that were sent
        those up to the newest that was no silence. Items that were heard in full stay as they are.
        """
        actions: list[TrackerAction] = []
        offsets = self._offsets(items, sent)
        for item, (begin_ms, end_ms) in zip(items, offsets, strict=True):
            heard_ms = heard // MS_SAMPLES - begin_ms
            if item != items[-1] and heard_ms >= end_ms - begin_ms - GAIN_MS:
                continue
            sent_ms = self._sent_ms(items, item, offsets, sound)
            actions += self._end_item(item, max(0, heard_ms), sent_ms, complete)
        return actions

    def _offsets(self, items: Sequence[str], sent: int) -> list[tuple[int, int]]:
        """Where in the reply each item begins and ends, in ms. Nearly always there is only one.

        The item that the server truncated ends with what was sent, so its beginning is known.
        """
        offsets: list[tuple[int, int]] = []
        begin_ms = 0
        for item in items:
            server_ms = self._server_ms.get(item)
            if offsets and server_ms is not None and item == items[-1]:
                begin_ms = max(0, sent // MS_SAMPLES - server_ms)
                offsets[-1] = min(offsets[-1][0], begin_ms), begin_ms
            offsets.append((begin_ms, begin_ms + self._length_ms(item)))
            begin_ms = offsets[-1][1]
        return offsets

    def _length_ms(self, item: str) -> int:
        delivered = self._delivered.get(item)
        return self._text.length_ms(item) if delivered is None else delivered // MS_SAMPLES

    def _sent_ms(
        self, items: Sequence[str], item: str, offsets: Sequence[tuple[int, int]], sound: int
    ) -> int | None:
        """How much sound of an item the server had at least, by what came of it; None: unknown."""
        if len(items) == 1:
            return sound // MS_SAMPLES
        if items[-1] not in self._server_ms:
            return None
        begin_ms, end_ms = offsets[items.index(item)]
        is_last_but_one = item == items[-2]  # The ends of those before are estimates.
        return end_ms - begin_ms - BLUR_MS if is_last_but_one and len(items) == 2 else None

    def _end_item(
        self, item: str, heard_ms: int, sent_ms: int | None, complete: bool
    ) -> list[TrackerAction]:
        delivered = self._delivered.get(item)
        whole_ms = None if delivered is None else delivered // MS_SAMPLES
        server_ms = self._server_ms.get(item)
        heard_ms = min(ms for ms in (heard_ms, whole_ms, server_ms) if ms is not None)
        until = self._tell(item, heard_ms, whole_ms if complete else None)
        if self._server_truncates:  # Until it says where, the item has at least ``sent_ms``.
            known_ms = sent_ms if server_ms is None else server_ms
            known_ms = None if known_ms is None else known_ms - GAIN_MS
        else:
            known_ms = whole_ms
        return [*self._shorten(item, heard_ms, known_ms), until]

    def _shorten(self, item: str, end_ms: int, known_ms: int | None) -> list[TrackerAction]:
        """Have the server end an item, if it can be ended there; see the module.

        ``known_ms``: how much sound of it the server has at least; None: that is not known.
        """
        end_ms = max(LEAST_MS, end_ms)
        limits = (known_ms, self._server_ms.get(item), self._asked.get(item))
        if known_ms is None or end_ms >= min(ms for ms in limits if ms is not None):
            return []
        _put(self._asked, item, end_ms)
        return [Send(self._events.truncate(item, end_ms))]

    def _tell(self, item: str, heard_ms: int, whole_ms: int | None) -> Truncation:
        self._truncated.first(item)
        _put(self._told, item, heard_ms)
        return Truncation(item, self._text.until(item, heard_ms, whole_ms), heard_ms)


def _put(known: dict[str, int], item: str, value: int) -> None:
    known[item] = value
    if len(known) > MAX_ITEMS:
        del known[next(iter(known))]

"""Ending an item of the assistant where it was heard: which words, and who has to be told. Sans-I/O.

Part of ``heard``. Over WebRTC the server has truncated the item already, to what it had sent, or
will do so in a moment; ours follows only where people heard less than that by more than
``GAIN_MS``. Over WebSocket ours is the only truncation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..realtime.captions import Caption
from ..realtime.client_events import ClientEvents
from ..realtime.event_fields import Once
from ..turns.actions import Send
from .positions import MS_SAMPLES
from .spoken_text import SpokenText

GAIN_MS = 10
"""A truncation that would take away less than this is not worth sending."""
MAX_ITEMS = 16
"""Items of which lengths are remembered; the oldest is forgotten."""


@dataclass(frozen=True, slots=True)
class Truncation:
    """The assistant's item ends here; nobody heard what came after it."""

    item: str
    text: str
    """What was heard of its words; may be empty."""
    audio_end_ms: int

    @property
    def caption(self) -> Caption:
        """The final caption of the item."""
        return Caption("assistant", self.item, self.text, final=True)


TrackerAction = Send | Truncation


class Truncator:
    """The items of one call, and where they end; places are in samples of a reply's sound."""

    def __init__(self, events: ClientEvents, server_truncates: bool, speed: float) -> None:
        self._events = events
        self._server_truncates = server_truncates
        self._text = SpokenText(speed)
        self._made: dict[str, int] = {}
        """Samples that the server delivered (WebSocket)."""
        self._server_ms: dict[str, int] = {}
        """Where the server says that the item ends."""
        self._told: dict[str, int] = {}
        """Where we said that it ends, in ms."""
        self._shortened = Once()

    def __contains__(self, item: str) -> bool:
        """Whether the item was shortened."""
        return item in self._shortened

    def caption(self, caption: Caption) -> None:
        """Words of an item so far."""
        self._text.caption(caption)

    def done(self, item: str, content: Mapping[str, Any]) -> None:
        """An item as the server has it in the end."""
        self._text.done(item, content)

    def made(self, item: str, samples: int) -> None:
        """The server delivered so many more samples."""
        _put(self._made, item, self._made.get(item, 0) + samples)

    def heard_whole(self, items: Sequence[str], samples: int) -> None:
        """A reply was played to its end: it shows how fast the assistant speaks."""
        if len(items) == 1:
            self._text.learn(items[0], samples // MS_SAMPLES)

    def truncated(self, item: str, audio_end_ms: int) -> list[TrackerAction]:
        """The server says where the item ends: by itself, or because we wanted it so."""
        _put(self._server_ms, item, audio_end_ms)
        told_ms = self._told.get(item)
        if told_ms is None:
            return []
        if audio_end_ms < told_ms:
            return [self._tell(item, audio_end_ms, None)]
        if audio_end_ms > told_ms + GAIN_MS:
            return [Send(self._events.truncate(item, told_ms))]
        return []

    def shorten(
        self, items: Sequence[str], complete: bool, heard: int, sent: int
    ) -> list[TrackerAction]:
        """A reply ended after ``heard`` of the ``sent`` samples that left the link.

        ``complete``: all of it had been generated. Items that were heard whole stay as they are.
        """
        actions: list[TrackerAction] = []
        for item, offset_ms in self._offsets(items, sent):
            heard_ms = heard // MS_SAMPLES - offset_ms
            if item != items[-1] and heard_ms >= self._length_ms(item):
                continue
            sent_ms = max(0, sent // MS_SAMPLES - offset_ms)
            actions += self._end_item(item, max(0, heard_ms), sent_ms, complete)
        return actions

    def _offsets(self, items: Sequence[str], sent: int) -> list[tuple[str, int]]:
        """Where in the reply each item begins, in ms. Nearly always there is but one.

        The item that the server truncated ends with what was sent; so its beginning is known.
        """
        offsets: list[tuple[str, int]] = []
        offset_ms = 0
        for item in items:
            server_ms = self._server_ms.get(item)
            if offsets and server_ms:
                offset_ms = max(0, sent // MS_SAMPLES - server_ms)
            offsets.append((item, offset_ms))
            offset_ms += self._length_ms(item)
        return offsets

    def _length_ms(self, item: str) -> int:
        made = self._made.get(item)
        return self._text.length_ms(item) if made is None else made // MS_SAMPLES

    def _end_item(
        self, item: str, heard_ms: int, sent_ms: int, complete: bool
    ) -> list[TrackerAction]:
        made = self._made.get(item)
        made_ms = None if made is None else made // MS_SAMPLES
        server_ms = self._server_ms.get(item)
        heard_ms = min(ms for ms in (heard_ms, made_ms, server_ms) if ms is not None)
        until = self._tell(item, heard_ms, made_ms if complete else None)
        if self._server_truncates:  # What it has sent, where it does not say: at least ``sent_ms``.
            end_ms = server_ms if server_ms is not None else sent_ms
            needed = heard_ms < end_ms - GAIN_MS
        else:
            needed = made_ms is None or heard_ms < made_ms
        return [Send(self._events.truncate(item, heard_ms)), until] if needed else [until]

    def _tell(self, item: str, heard_ms: int, made_ms: int | None) -> Truncation:
        self._shortened.first(item)
        _put(self._told, item, heard_ms)
        return Truncation(item, self._text.until(item, heard_ms, made_ms), heard_ms)


def _put(known: dict[str, int], item: str, value: int) -> None:
    known[item] = value
    if len(known) > MAX_ITEMS:
        del known[next(iter(known))]

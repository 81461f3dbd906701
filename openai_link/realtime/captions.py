"""What is being said, as text that grows: deltas in, captions at a bounded rate out.

Sans-I/O. Transcript deltas come in bursts far faster than speech; a caption always carries the
whole text so far, so only the latest one of each interval needs to travel.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..facts import Caption
from .bounds import MAX_TEXT_CHARS

INTERVAL_NS = 100_000_000
"""Least time between two captions of one item that are not final."""
MAX_SHOWN_CHARS = 4_000
"""Longest text of one caption (an event is bounded); of a longer one the end is shown."""
MAX_ITEMS = 32
"""Items that may be open at once; the oldest is forgotten."""


@dataclass(slots=True)
class _Open:
    speaker: str
    text: str = ""
    is_cut: bool = False
    """More words came than are kept."""
    due_ns: int | None = None
    """When the text must go out; None where it is out already."""
    quiet_until_ns: int = 0


class CaptionBook:
    """Collects the text of items; methods return the captions that are due now."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def delta(self, speaker: str, item: str, text: str, now_ns: int) -> list[Caption]:
        """More text of ``item``."""
        entry = self._open.get(item)
        if entry is None:
            if len(self._open) >= MAX_ITEMS:
                del self._open[next(iter(self._open))]
            entry = self._open[item] = _Open(speaker)
        room = MAX_TEXT_CHARS - len(entry.text)
        entry.text += text[:room]
        entry.is_cut = entry.is_cut or len(text) > room
        if entry.due_ns is None:
            entry.due_ns = max(now_ns, entry.quiet_until_ns)
        return self.tick(now_ns)

    def done(self, speaker: str, item: str, text: str | None) -> list[Caption]:
        """The text of ``item`` is complete: ``text``, or where that is None what was collected."""
        entry = self._open.pop(item, None)
        if text is None:
            if entry is None:
                return []
            text = entry.text
        is_cut = len(text) > MAX_TEXT_CHARS or (entry is not None and entry.is_cut)
        return [Caption(speaker, item, shown(text), final=True, is_cut=is_cut)]

    def collected(self, item: str) -> str | None:
        """The text of an open item so far; None where the item is not open."""
        entry = self._open.get(item)
        return None if entry is None else entry.text

    def tick(self, now_ns: int) -> list[Caption]:
        """The captions that are due."""
        due: list[Caption] = []
        for item, entry in self._open.items():
            if entry.due_ns is not None and now_ns >= entry.due_ns:
                entry.due_ns = None
                entry.quiet_until_ns = now_ns + INTERVAL_NS
                due.append(Caption(entry.speaker, item, shown(entry.text), False))
        return due

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        if not self._open:
            return None
        return min((e.due_ns for e in self._open.values() if e.due_ns is not None), default=None)

    def clear(self) -> list[Caption]:
        """End every open item with what was collected (the session is over)."""
        return [
            caption
            for item, entry in list(self._open.items())
            for caption in self.done(entry.speaker, item, None)
        ]


def shown(text: str) -> str:
    """``text`` as a caption shows it: of a long one the end."""
    return text if len(text) <= MAX_SHOWN_CHARS else "…" + text[1 - MAX_SHOWN_CHARS :]

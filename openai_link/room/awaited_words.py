"""Lines whose words are being written down: each is told at once, and ended once. Sans-I/O.

The words of a turn may come long after the answer to it. Its line, without words, keeps the place,
until they come, or it is known that they do not: then it ends without words, and is taken away.
"""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.runtime.units import S_NS

from ..facts import Caption

WORDS_NS = 20 * S_NS
"""A line without words ends then; words that come later are told all the same."""
MAX_AWAITED = 64
"""Of more the oldest ends."""


@dataclass(frozen=True, slots=True)
class _Awaited:
    session: int
    until_ns: int


class AwaitedWords:
    """Of one room; methods return the captions to tell."""

    def __init__(self) -> None:
        self._items: dict[str, _Awaited] = {}
        """In order."""

    def spoken(self, item: str, session: int, now_ns: int) -> list[Caption]:
        """A turn has its place, and its words come later."""
        self._items[item] = _Awaited(session, now_ns + WORDS_NS)
        if len(self._items) <= MAX_AWAITED:
            return [_line(item, False)]
        return [_line(item, False), *self.ends(next(iter(self._items)))]

    def told(self, item: str) -> None:
        """Its words are told, or why there are none."""
        self._items.pop(item, None)

    def ends(self, item: str) -> list[Caption]:
        """There are no words, if none were told."""
        return [] if self._items.pop(item, None) is None else [_line(item, True)]

    def session_over(self, session: int) -> list[Caption]:
        """Nothing more is heard of a session."""
        items = [item for item, one in self._items.items() if one.session == session]
        return [caption for item in items for caption in self.ends(item)]

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing is awaited."""
        return min([one.until_ns for one in self._items.values()]) if self._items else None

    def tick(self, now_ns: int) -> list[Caption]:
        """The time-out was reached, perhaps."""
        late = [item for item, one in self._items.items() if now_ns >= one.until_ns]
        return [caption for item in late for caption in self.ends(item)]

    def forget(self) -> None:
        """What was said is deleted."""
        self._items.clear()


def _line(item: str, final: bool) -> Caption:
    return Caption("user", item, "", final)

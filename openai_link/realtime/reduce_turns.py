"""Which turns of people have become items, whatever event shows it. Sans-I/O.

Part of the reducer. ``input_audio_buffer.committed`` says so; where it is missing or late, the item
that has its place does, or the words of somebody who was heard. A turn that is being spoken is not
over, whatever is known of its item by then. Where a commit names one item and the turn becomes
another (LocalAI), the names in commits say nothing from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .event_fields import Once, forget_oldest, maps_of, text_of

MAX_EARLY = 8
"""Turns that are spoken and have an item already; of more the oldest is forgotten."""


class TurnBook:
    """Of one session."""

    def __init__(self) -> None:
        self._heard, self._committed = Once(), Once()
        self._spoken: str | None = None
        """Item of the turn that is being spoken; None: there is none."""
        self._newest, self._withdrawn = "", ""
        """Item of the newest turn that is over, and of the one that needs no answer any more."""
        self._early: dict[str, None] = {}
        """Items that are known of turns that were being spoken."""
        self._named = ""
        """Item that the newest commit has named and that has not come; empty: it has."""
        self._names_others = False
        """Commits name items that never come."""

    def speech_started(self, item: str) -> None:
        """Somebody begins to speak."""
        self._heard.first(item)
        self._spoken = item

    def speech_stopped(self, item: str = "") -> list[str]:
        """Nobody speaks: items of turns that are over by that; ``item``: of the one that was."""
        self._spoken, self._newest = None, item
        over, self._early = list(self._early), {}
        return over

    def committed(self, item: str) -> bool:
        """A turn is over; returns whether that is news."""
        self._early.pop(item, None)
        self._newest = item
        return self._committed.first(item)

    def named(self, item: str) -> str:
        """The item that a commit names; empty: it says nothing."""
        self._named = "" if item in self._committed else item
        return "" if self._names_others else item

    def placed(self, item: str) -> None:
        """Something that people said has its place."""
        is_other = item != self._named and item not in self._heard and item not in self._committed
        self._names_others |= bool(self._named and item) and is_other
        self._named = ""

    def withdraw(self) -> None:
        """Nobody waits for an answer to what is over."""
        self._withdrawn = self._newest

    def is_withdrawn(self, item: str) -> bool:
        """Whether nobody waits for an answer to a turn, of which more may be told yet."""
        return bool(item) and item == self._withdrawn

    def was_heard(self, item: str) -> bool:
        """Whether the server told when somebody began to speak this."""
        return item in self._heard

    def is_over(self, item: str) -> bool:
        """Something is known of the item of a turn: whether that says that the turn is over."""
        if not item or item in self._committed:
            return False
        if item != self._spoken:
            return True
        self._early[item] = None
        forget_oldest(self._early, MAX_EARLY)
        return False


def is_spoken(content: Mapping[str, Any]) -> bool:
    """Whether an item is something that people said."""
    parts = maps_of(content, "content")
    is_audio = any(text_of(part, "type") == "input_audio" for part in parts)
    return is_audio and text_of(content, "role") == "user"

"""Which server events are others again. Sans-I/O.

An event that comes twice has the same id and says the same. A server whose ids name nothing (one
that has the same for all its events, say) is known by two events that share an id and differ: from
then on none of its events is taken for a repetition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .event_fields import forget_oldest, text_of

MAX_EVENTS = 64
"""Latest events that are told from their repetition by id."""
_PLAIN = (str, int, float)


class Repetitions:
    """Of one session."""

    def __init__(self) -> None:
        self._said: dict[str, int] = {}
        """What the newest events say, as a hash, by id."""
        self._are_unique = True
        """No two events that differ have had the same id."""

    def is_one(self, event: Mapping[str, Any], chars: int) -> bool:
        """Whether an event came before; ``chars``: the size of all that is in it."""
        event_id = text_of(event, "event_id")
        if not event_id or not self._are_unique:
            return False
        said = hash((chars, *(one for one in event.values() if isinstance(one, _PLAIN))))
        known = self._said.get(event_id)
        if known is None:
            self._said[event_id] = said
            forget_oldest(self._said, MAX_EVENTS)
            return False
        self._are_unique = known == said
        return self._are_unique

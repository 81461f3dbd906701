"""Facts from before a session has the room: they are told when it has. Sans-I/O."""

from __future__ import annotations

from .actions import Log
from .signals import FactLearned, Outcome

MAX_EARLY_CHARS = 1_000_000
"""Events from before the room came whose facts are kept; later ones are lost."""
_LOST = "! < more than is kept came before the session had the room"


class EarlyFacts:
    """Of one session."""

    def __init__(self) -> None:
        self._kept: list[Outcome] = []
        self._chars = 0
        """Size of the events that told them."""

    def keep(self, learned: FactLearned, event_chars: int) -> list[Outcome]:
        """Keep a fact; ``event_chars``: size of the event that told it."""
        self._chars += event_chars
        if self._chars > MAX_EARLY_CHARS:
            return [Log("warning", _LOST, "early")]
        self._kept.append(learned)
        return []

    def tell(self) -> list[Outcome]:
        """The room has come: all that were kept, in order."""
        kept, self._kept, self._chars = self._kept, [], 0
        return kept

"""The reply that people hear, or are about to, and when it is silenced. Sans-I/O.

A reply is silenced once: whoever speaks over it, or stops it by hand, may be told of by several
events, in any order. Of a response that was stopped, late events count no more.
"""

from __future__ import annotations

from collections import deque

from .actions import Flush, ReplyEnded, ReplyStarted, TurnAction

REMEMBERED = 8
"""Responses that were stopped and whose late events are ignored."""
BY_HAND = "stopped by hand"
"""Why a reply is silenced again, although it was already."""


class AudibleReply:
    """Of one call; methods return what follows."""

    def __init__(self) -> None:
        self.is_playing = False
        """A reply is played."""
        self.uninvited = 0
        """Responses that the server began although it was told not to, so far."""
        self._uninvited: deque[str] = deque(maxlen=REMEMBERED)
        self._stopped: deque[str] = deque(maxlen=REMEMBERED)
        self._flushed = False
        """The reply that is ending was flushed already."""
        self._current = ""
        """Newest response of the conversation, active or only being played."""

    def has_stopped(self, response: str) -> bool:
        """Whether a response was stopped by us: it begins to be heard no more."""
        return response in self._stopped

    def is_uninvited(self, response: str) -> bool:
        """Whether the server began a response that it was told not to begin."""
        return response in self._uninvited

    def began(self, response: str, is_uninvited: bool) -> None:
        """A response is being generated; one that nobody asked for is not to be heard."""
        self._current = response
        if is_uninvited:
            self.uninvited += 1
            self._uninvited.append(response)
            self._stopped.append(response)

    def stop(self) -> None:
        """The newest response is stopped by hand."""
        if self._current:
            self._stopped.append(self._current)

    def started(self, response: str) -> list[TurnAction]:
        """A response begins to be played."""
        if response in self._uninvited:  # Its first sound was on its way already.
            return self.flush("nobody asked")
        if response and response in self._stopped:
            return []
        self.is_playing, self._flushed = True, False
        return [ReplyStarted()]

    def ended(self, response: str, cleared: bool) -> list[TurnAction]:
        """A response is played no more; ``cleared``: not to its end."""
        late = bool(response) and response in self._stopped
        was_playing, self.is_playing = self.is_playing, False
        if not cleared:
            return [ReplyEnded()] if was_playing else []
        if self._flushed or late:
            return []
        return self.flush("cleared")

    def flush(self, reason: str) -> list[TurnAction]:
        """Silence what is on its way to people, if that has not been done."""
        if self._flushed and reason != BY_HAND:
            return []
        self._flushed = True
        return [Flush(reason)]

"""Whether the room still waits for an answer when a call dies. Pure.

A turn was taken and not answered, or its answer was not heard to the end: the next call, which
knows the conversation, owes it. Speaking over an answer, or stopping it, settles it.
"""

from __future__ import annotations

from .facts import (
    Fact,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ToolCalled,
    TurnCommitted,
)


class Owed:
    """Follows the facts of a room's calls, one after the other."""

    def __init__(self, answers_turns: bool = True, speaks: bool = True) -> None:
        """``answers_turns``: the model answers each spoken turn; ``speaks``: with its voice."""
        self._answers_turns = answers_turns
        self._speaks = speaks
        self.is_owed = False
        """Somebody waits."""
        self._active: set[str] = set()
        self._playing: str | None = None
        self._spoke: set[str] = set()
        """Active responses of which something was heard."""
        self._calling: set[str] = set()
        """Active responses that wait for a tool: the next one answers."""

    def asked(self) -> None:
        """An answer was asked for by us: something was written, or a tool has answered."""
        self.is_owed = True

    def stopped(self) -> None:
        """Somebody stopped the assistant by hand."""
        self.is_owed = False

    def moved(self) -> None:
        """The facts that follow are another session's."""
        self._active.clear()
        self._spoke.clear()
        self._calling.clear()
        self._playing = None

    def on_fact(self, fact: Fact) -> None:
        """What a server event meant."""
        match fact:
            case TurnCommitted() if self._answers_turns:
                self.is_owed = True
            case ResponseStarted(response):
                self._active.add(response)
            case PlaybackStarted(response):
                self._playing = response
                self._spoke.add(response)
            case PlaybackEnded(response, cleared):
                self._playing = None
                if cleared or response not in self._active:
                    self._settle()
            case ToolCalled(response):
                self._calling.add(response)
            case ResponseEnded(in_conversation=True):
                self._ended(fact)

    def _ended(self, fact: ResponseEnded) -> None:
        response = fact.response
        self._active.discard(response)
        heard, calling = response in self._spoke, response in self._calling
        self._spoke.discard(response)
        self._calling.discard(response)
        told = not self._speaks or (heard and self._playing is None)
        if fact.status != "completed" or (told and not calling):
            self._settle()

    def _settle(self) -> None:
        if not self._active:
            self.is_owed = False

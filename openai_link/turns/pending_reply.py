"""Whether the room still waits for an answer when a call dies. Sans-I/O.

A turn was taken and not answered, or its answer was not heard to the end: the next call, which
knows the conversation, owes it. Speaking over an answer, or stopping it, settles it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..facts import (
    Fact,
    ItemVoiced,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ToolCalled,
    TurnCommitted,
)


@dataclass(slots=True)
class _Answer:
    """A response that is being made."""

    has_sound: bool = False
    was_heard: bool = False
    """To the end of what there was."""
    waits_for_tool: bool = False
    """The next response answers."""

    @property
    def is_told(self) -> bool:
        """Whether nobody waits for more of it, once it is complete."""
        return (self.was_heard or not self.has_sound) and not self.waits_for_tool


class PendingReply:
    """Follows the facts of a room's sessions, one after the other."""

    def __init__(self, answers_turns: bool = True) -> None:
        """``answers_turns``: each spoken turn is answered."""
        self._answers_turns = answers_turns
        self.is_pending = False
        """Somebody waits."""
        self._active: dict[str, _Answer] = {}

    def requested(self) -> None:
        """Somebody has written: that is answered always."""
        self.is_pending = True

    def forget(self) -> None:
        """It is too late for an answer."""
        self.is_pending = False

    def session_changed(self) -> None:
        """The facts that follow are another session's."""
        self._active.clear()

    def on_fact(self, fact: Fact) -> None:
        """What a server event meant."""
        match fact:
            case TurnCommitted() if self._answers_turns:
                self.is_pending = True
            case ResponseStarted(response):
                self._active[response] = _Answer()
            case ItemVoiced(response) | PlaybackStarted(response) if response in self._active:
                self._active[response].has_sound = True
            case PlaybackEnded(response, cleared):
                answer = self._active.get(response)
                if answer is not None:
                    answer.was_heard = True
                if answer is None or cleared:
                    self._settle()
            case ToolCalled(response) if response in self._active:
                self._active[response].waits_for_tool = True
            case ResponseEnded(response, status, in_conversation=True):
                answer = self._active.pop(response, None)
                if status != "completed" or answer is None or answer.is_told:
                    self._settle()

    def _settle(self) -> None:
        if not self._active:
            self.is_pending = False

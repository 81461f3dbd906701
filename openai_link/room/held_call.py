"""The call that has the room, as the link and the room see it: they need not know which it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from ..realtime.problems import Problem
from ..realtime.session_object import ClientEvents
from ..transport.interface import TransportKind
from .conversation import Conversation


class CallsOwner(Protocol):
    """Who has these calls: the link."""

    def call_answered(self) -> None:
        """The server has taken the call."""

    def call_ready(self) -> None:
        """The room has a call again."""

    def call_failed(self, problem: Problem) -> None:
        """The call could not be made, or was lost."""

    def call_moved(self, kind: TransportKind) -> None:
        """The room went on with the next call."""

    def assistant_changed(self) -> None:
        """What the assistant does is other now."""

    def changed(self) -> None:
        """A time-out may have moved."""


class HeldCall:
    """Passes on what is meant for the call of the moment."""

    def __init__(self) -> None:
        self.current: Conversation | None = None
        self._people: Collection[str] = ()
        self._pressed: dict[str, Mapping[str, Any]] = {}
        """The ``ptt`` events of those who hold the button down: they outlive a call."""

    @property
    def is_talking(self) -> bool:
        """Whether the room has a call."""
        return self.current is not None and self.current.stage == "talking"

    def heard_ns(self) -> int:
        """When anything came from the server of the call that has the room; 0: nothing yet."""
        return 0 if self.current is None else self.current.call.last_received_ns

    def set_tools(self, definitions: list[dict[str, Any]]) -> None:
        """Tell the running session of its tools."""
        conversation = self.current
        if conversation is not None and conversation.stage not in ("calling", "closed"):
            conversation.set_tools(definitions)

    def send(self, make: Callable[[ClientEvents], dict[str, Any]]) -> bool:
        """Send a client event to the call that has the room; False where none has."""
        if self.current is None or self.current.stage != "talking":
            return False
        self.current.send(make(self.current.events))
        return True

    def ask(self, overrides: Mapping[str, Any] | None) -> bool:
        """Have the model answer; False where no call has the room."""
        if self.current is None or self.current.stage != "talking":
            return False
        self.current.ask(overrides, time.monotonic_ns())
        return True

    def greet(self, now_ns: int) -> None:
        """Have the model say hello."""
        if self.current is not None:
            self.current.audience(now_ns)

    def browser_event(self, event: Mapping[str, Any], now_ns: int) -> None:
        """A control message of a browser, for the call that has the room."""
        if self.current is not None and self.current.stage == "talking":
            self.current.browser_event(event, now_ns)

    def press(self, event: Mapping[str, Any]) -> None:
        """Remember a ``ptt`` event."""
        participant = str(event.get("participant", ""))
        self._pressed.pop(participant, None)
        if event.get("down") is True:
            self._pressed[participant] = event

    def roster(self, participants: Collection[str], now_ns: int) -> None:
        """Exactly these people are in the room."""
        self._people = participants
        for participant in [who for who in self._pressed if who not in participants]:
            del self._pressed[participant]
        if self.current is not None and self.current.stage == "talking":
            self.current.roster(participants, now_ns)

    def backlog_ms(self, now_ns: int) -> tuple[int, int]:
        """Audio that waits: on its way up, and on its way down."""
        return (0, 0) if self.current is None else self.current.call.backlog_ms(now_ns)

    def _introduce(self, conversation: Conversation, now_ns: int) -> None:
        """Tell a call that has just got the room who is there, and who holds the button down."""
        conversation.roster(self._people, now_ns)
        for press in self._pressed.values():
            conversation.browser_event(press, now_ns)

"""The answers of one call: which are asked for, and which of them people hear. Sans-I/O.

The base of ``TurnPolicy``: requests go out one at a time (``response_sequencer``), what the server
begins by itself is judged (``strangers``), and a stop takes all that has not begun along.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from ..facts import ResponseStarted
from ..realtime.client_events import ClientEvents
from .actions import AnswerWithdrawn, AskedByHand, ClearOutput, Send, TurnAction, TurnRules
from .audible_reply import BY_HAND, AudibleReply
from .later_answer import LaterAnswer
from .response_sequencer import ResponseSequencer
from .service_tools import ServiceTools
from .shown_pictures import ShownPictures
from .strangers import Kind, Strangers

MAX_TURNS = 32
"""Turns that may wait for their words, and that an answer may be to."""


class AnswerPolicy:
    """Of one call; methods return what follows, in order."""

    def __init__(self, events: ClientEvents, rules: TurnRules, image_detail: str) -> None:
        """``image_detail``: how closely the model looks at pictures."""
        self._events = events
        self._rules = rules
        """As the server confirmed them."""
        self._pictures = ShownPictures(events, image_detail)
        self._sequencer = ResponseSequencer(events)
        self._later = LaterAnswer()
        self._reply = AudibleReply()
        self._strangers = Strangers()
        self._service_tools = ServiceTools()
        self._expected = ""
        """What is expected of the newest tool of the service that has ended (``strangers``)."""
        self._uncovered: deque[str] = deque(maxlen=MAX_TURNS)
        """Turns since an answer was asked for last, by their items."""
        self._covered: deque[str] = deque(maxlen=MAX_TURNS)
        """Turns that were over when an answer was asked for: it is to them, too."""
        self._is_confirmed = False
        self._hearing = False

    @property
    def response_active(self) -> str | None:
        """The response that is being generated."""
        return self._sequencer.active

    @property
    def uninvited(self) -> int:
        """Responses that the server began although it was told not to, so far."""
        return self._reply.uninvited

    @property
    def request(self) -> str | None:
        """Id of the request for an answer that the server has neither answered nor refused."""
        return self._sequencer.in_flight

    def has_stopped(self, response: str) -> bool:
        """Whether a response was stopped by us: it begins to be heard no more."""
        return self._reply.has_stopped(response)

    def is_uninvited(self, response: str) -> bool:
        """Whether the server began a response that it was told not to begin."""
        return self._reply.is_uninvited(response)

    def stop(self) -> list[TurnAction]:
        """Stop the assistant, as somebody does by hand."""
        return self._interrupt()

    def ask(self, overrides: Mapping[str, Any] | None = None) -> list[TurnAction]:
        """Have the model answer as soon as it may (all outputs of its tools are in)."""
        if overrides is None:  # The answer is about pictures that are on their way, too.
            self._pictures.answered()
        return self._request(overrides)

    def answer_turn(self, goes_on_ns: int | None = None) -> list[TurnAction]:
        """A turn is to be answered: now, or with the one that somebody speaks.

        A server that does so by itself, against the rules, need not do it twice. ``goes_on_ns``:
        the time, where somebody may be about to be heard who goes on with it.
        """
        if not self._hearing and goes_on_ns is None:
            self._pictures.answered()
            return self._request(covers_turn=True)
        self._later.want(None if self._hearing else goes_on_ns)
        return []

    def answer_item(self, item: str, goes_on_ns: int | None = None) -> list[TurnAction]:
        """The turn of an ``item`` is to be answered, unless what was asked for covers it."""
        return [] if item in self._covered else [AskedByHand(), *self.answer_turn(goes_on_ns)]

    def approve(self, request: str, allow: bool, reason: str, now_ns: int) -> list[TurnAction]:
        """Tell the service whether it may run a tool of its own: it goes on by itself then."""
        self._strangers.expect(request, now_ns)
        return [Send(self._events.mcp_approval(request, allow, reason))]

    def cover_turn(self) -> list[TurnAction]:
        """The server should have answered a turn by itself and has not: ask it to."""
        return self._request(covers_turn=True)

    def _request(
        self, overrides: Mapping[str, Any] | None = None, covers_turn: bool = False
    ) -> list[TurnAction]:
        """The only way to an answer that we ask for; but see ``approve``."""
        if overrides is None:
            self._covered.extend(self._uncovered)
            self._uncovered.clear()
        self._strangers.requested()
        self._service_tools.settled()
        return send(self._sequencer.request(overrides, covers_turn))

    def _tool_ended(self, item: str, now_ns: int) -> list[TurnAction]:
        expected = self._strangers.tool_ended(item, now_ns)
        if expected:
            self._expected = expected
            self._service_tools.ended(now_ns)
        return []

    def _tool_told(self) -> list[TurnAction]:
        """The assistant speaks of what a tool of the service has found, or is asked to."""
        self._service_tools.settled()
        self._strangers.went_on(self._expected)
        return []

    def _ask_for_result(self) -> list[TurnAction]:
        """The service has run a tool and does not go on: ask it to, once nobody speaks."""
        self._tool_told()
        if not self._hearing:
            return self._request(covers_turn=True)
        if not self._rules.answers_turns:
            self._later.want()
        return []

    def _began(self, began: ResponseStarted, now_ns: int) -> list[TurnAction]:
        """A response is being generated; one that nobody wants is cancelled."""
        kind = self._kind_of(began, now_ns)
        cancels = self._sequencer.created(began.response, began.tag, began.inferred)
        self._reply.began(began.response, kind == "uninvited")
        if kind == "wanted" and not cancels:
            self._service_tools.settled()
            return []
        if kind != "uninvited":
            self._reply.stop()
        actions = send(cancels or [self._sequencer.cancel(began.response)])
        if self._rules.speaks and not self._reply.is_playing:
            actions.append(ClearOutput(self._events.clear_output()))
        return actions

    def _kind_of(self, began: ResponseStarted, now_ns: int) -> Kind:
        is_asked = self._sequencer.in_flight is not None
        if began.tag or (is_asked and not self._sequencer.is_doomed):
            self._strangers.others_began()
            return "wanted"
        is_theirs = self._is_confirmed and not (began.inferred or is_asked)
        if is_theirs:
            return self._strangers.began(now_ns)
        self._strangers.others_began()
        return "stopped" if self._strangers.is_stopped_answer() else "wanted"

    def _interrupt(self) -> list[TurnAction]:
        """Stop the assistant: what is heard or generated, and what has not begun."""
        actions = self._withdraw()
        self._reply.stop()
        if not self._rules.speaks:
            return actions
        clear = ClearOutput(self._events.clear_output())
        return [*actions, clear, *self._reply.flush(BY_HAND)]

    def _withdraw(self) -> list[TurnAction]:
        """Nobody waits for an answer to what was said, typed or asked so far."""
        self._later.take()
        self._pictures.answered()
        self._strangers.stop()
        self._service_tools.settled()
        return [*send(self._sequencer.interrupt()), AnswerWithdrawn()]


def send(events: list[dict[str, Any]]) -> list[TurnAction]:
    """Actions that send these client events, in order."""
    return [Send(event) for event in events]

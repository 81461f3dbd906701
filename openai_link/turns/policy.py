"""Whose turn it is: barge-in, push-to-talk, manual stop, typed text, the greeting. Sans-I/O.

Over WebRTC the server itself cancels, clears and truncates when somebody speaks over the reply
(``interrupt_response``); what is left to us is to silence what is on its way: a new epoch, a FLUSH
to everybody, and a gate in front of the old reply's last packets. ``speech_started``,
``output_audio_buffer.cleared`` and ``conversation.item.truncated`` come in any order. Over
WebSocket the server cancels, and the FLUSH empties our own player too.

With push-to-talk the server does nothing by itself. The first press stops what is being said and
clears what was heard; the last release commits it and asks for an answer (``push_to_talk``).
Where the server answers no turn by itself (``create_response``), the release of the button asks
for the answer. A server that answers such a turn although it was told not to is stopped: a response
that nobody asked for since the turn is cancelled, and nothing of it is heard.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.units import MS_NS

from ..facts import (
    Fact,
    ItemAdded,
    ItemDone,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ServerError,
    ServerToolEnded,
    SessionConfirmed,
    SpeechStarted,
    SpeechStopped,
    TurnCommitted,
)
from ..pictures import Picture
from ..realtime.client_events import ClientEvents, greeting
from .actions import (
    AnswerWithdrawn,
    AskedByHand,
    MicrophoneGate,
    Send,
    Tell,
    TurnAction,
    TurnRules,
    problem,
    sender_of,
)
from .answer_policy import AnswerPolicy, send
from .messages import refusal, shown, typed
from .push_to_talk import Outcome, PushToTalk
from .response_sequencer import ALREADY_ACTIVE

COMMIT_EMPTY = "input_audio_buffer_commit_empty"
NOTHING_HEARD = "none of your words arrived: hold the button and say them again"
NOT_ANSWERED = (
    "The assistant's server says again and again that it is still answering something else. "
    "Please ask again."
)


class TurnPolicy(AnswerPolicy):
    """Turn policy of one call; make a new one for each call.

    ``greet``: say hello once the session is confirmed and somebody can hear it (a fresh room, not
    a reconnection). Presses that outlive a call are given to the next one as ``ptt`` events again.
    """

    def __init__(
        self,
        events: ClientEvents,
        instructions: str = "",
        greet: bool = False,
        rules: TurnRules | None = None,
        image_detail: str = "auto",
    ) -> None:
        super().__init__(events, rules or TurnRules(), image_detail)
        self._wanted = self._rules
        """As they were asked for."""
        self._asks = False
        """The server was to answer every turn, and does not: we ask."""
        self._button = PushToTalk()
        self._commit = ""
        """Id of the newest commit of ours."""
        self._instructions = instructions
        self._greet = greet
        self._has_audience = False

    def instruct(self, instructions: str) -> None:
        """The instructions for the model are these from now on."""
        self._instructions = instructions

    @property
    def microphone_open(self) -> bool:
        """Whether the model is to hear the room; changes come as ``MicrophoneGate``."""
        return not self._rules.push_to_talk or self._button.is_open

    @property
    def pressing(self) -> frozenset[str]:
        """The participants who hold the button down."""
        return self._button.pressing

    @property
    def is_quiet(self) -> bool:
        """Nobody speaks, nothing is played, and no answer is on its way."""
        talking = self._hearing or self._button.is_open or self._reply.is_playing
        waits = self._later.is_wanted or self._service_tools.next_timeout_ns() is not None
        return not (talking or waits) and self._sequencer.is_empty

    def confirmed(self, answers_turns: bool | None, interrupts: bool | None) -> None:
        """Whether the server answers each turn, and whether speech stops it; None: unknown.

        Turns that it was to answer and does not are answered because we ask. With push-to-talk it
        does neither.
        """
        if self._rules.push_to_talk:
            return
        self._asks = self._rules.create_response and answers_turns is False
        if interrupts is not None:
            self._rules = replace(self._rules, interrupt_response=interrupts)

    def on_fact(self, fact: Fact, now_ns: int = 0) -> list[TurnAction]:
        """React to what a server event meant."""
        match fact:
            case SessionConfirmed():
                self._is_confirmed = True
                return self._say_hello()
            case SpeechStarted():
                self._hearing = True
                self._later.speech_started()
                stops = self._reply.is_playing and self._rules.interrupt_response
                return self._reply.flush("barge-in") if stops else []
            case SpeechStopped(item):
                self._hearing = False
                self._strangers.turn_over(item)
                self._later.speech_stopped(now_ns)
                return []
            case TurnCommitted(item):
                return self._committed(item)
            case ItemAdded(item) | ItemDone(item) if item in self._pictures:
                return [AskedByHand(), *self.ask()] if self._pictures.taken(item) else []
            case PlaybackStarted(response):
                return self._reply.started(response)
            case PlaybackEnded(response, cleared):
                return self._reply.ended(response, cleared)
            case ResponseStarted():
                return self._began(fact, now_ns)
            case ResponseEnded(response):
                self._service_tools.response_ended(now_ns)
                return send(self._sequencer.ended(response, now_ns))
            case ItemAdded(item, content={"type": "mcp_call", **more}):
                request = str(more.get("approval_request_id") or "")
                self._strangers.tool_began(item, request, now_ns)
                return []
            case ItemAdded(content={"role": "assistant"}):
                return self._tool_told()
            case ServerToolEnded(item):
                return self._tool_ended(item, now_ns)
            case ServerError():
                return self._refused(fact, now_ns)
            case _:
                return []

    def on_browser(self, event: Mapping[str, Any], now_ns: int = 0) -> list[TurnAction]:
        """React to a control message of a browser (``say``, ``interrupt``, ``ptt``)."""
        match event.get("type"):
            case "say":
                return self._say(event)
            case "interrupt":
                return self._interrupt()
            case "ptt":
                return self._ptt(event, now_ns)
            case _:
                return []

    def on_roster(self, participants: Collection[str], now_ns: int) -> list[TurnAction]:
        """Exactly these people are in the room: who left has let go of the button."""
        return self._pressed(self._button.roster(participants, now_ns))

    def on_audience(self) -> list[TurnAction]:
        """Somebody is in the room and hears what is sent."""
        self._has_audience = True
        return self._say_hello()

    def finish_turn(self, keeps_words: bool) -> list[TurnAction]:
        """The room moves on to another session: end the turn that is being spoken.

        A turn of which nothing but the tail is missing is answered here. Any other goes on there,
        where it is answered; with ``keeps_words`` its beginning becomes an item here, for its
        transcript, and otherwise it is forgotten.
        """
        outcome = self._button.finish()
        if outcome == "ended":
            return self._pressed(outcome)
        is_spoken = keeps_words and (self._hearing or outcome is not None)
        event = self._events.commit_input() if is_spoken else self._events.clear_input()
        gate: list[TurnAction] = [] if outcome is None else [MicrophoneGate(False)]
        return [*gate, Send(event)]

    def take_turns(self, rules: TurnRules) -> list[TurnAction]:
        """The rules are these from now on; a turn that somebody holds with the button ends."""
        if rules == self._wanted:
            return []
        outcome = self._button.finish()
        actions = self._pressed("ended" if outcome == "tapped" else outcome)
        was_open, self._rules, self._wanted = self.microphone_open, rules, rules
        self._hearing, self._asks = False, False
        self._strangers.committed(is_answered=True)
        if self._later.take():  # The turn that it was to come with may never be committed.
            actions += self.answer_turn()
        if self.microphone_open != was_open:
            actions.append(MicrophoneGate(self.microphone_open, is_pressed=False))
        return actions

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return earliest(
            self._button.next_timeout_ns(),
            self._sequencer.next_timeout_ns(),
            self._later.next_timeout_ns(),
            self._service_tools.next_timeout_ns(),
        )

    def tick(self, now_ns: int) -> list[TurnAction]:
        """The time-out was reached."""
        is_due = self._service_tools.tick(now_ns, self._sequencer.busy)
        return [
            *(self._ask_for_result() if is_due else []),
            *self._pressed(self._button.tick(now_ns)),
            *send(self._sequencer.tick(now_ns)),
            *(self.answer_turn() if self._later.tick(now_ns) else []),
        ]

    def _say_hello(self) -> list[TurnAction]:
        if not (self._greet and self._is_confirmed and self._has_audience):
            return []
        self._greet = False
        return self._request(greeting(self._instructions))

    # Buttons

    def _ptt(self, event: Mapping[str, Any], now_ns: int) -> list[TurnAction]:
        down = event.get("down") is True
        if self._rules.push_to_talk:
            who = str(event.get("participant") or sender_of(event))
            if down:
                return self._pressed(self._button.press(who, now_ns))
            held_ns = int(event.get("held_ms", 0) * MS_NS)
            return self._pressed(self._button.release(who, now_ns, held_ns))
        if self._rules.create_response:
            message = "there is no push-to-talk in this room: speak freely"
            return [problem(event, "not_available", message)]
        if down:
            return []
        if not self._hearing:
            return [AskedByHand(), *self.ask()]
        self._later.want()
        return [AskedByHand()]

    def _pressed(self, outcome: Outcome | None) -> list[TurnAction]:
        match outcome:
            case "began":
                clear = Send(self._events.clear_input())
                return [*self._make_way(), clear, MicrophoneGate(True)]
            case "tapped":
                return [MicrophoneGate(False), Send(self._events.clear_input())]
            case "ended":
                commit = self._events.commit_input()
                self._commit = commit["event_id"]
                return [MicrophoneGate(False), Send(commit), *self.ask()]
            case None:
                return []

    def _make_way(self) -> list[TurnAction]:
        """Stop the assistant for somebody who wants to speak, where it has anything to say."""
        if not (self._reply.is_playing or self._sequencer.busy):
            return self._withdraw()
        return self._interrupt()

    def _committed(self, item: str) -> list[TurnAction]:
        self._hearing = False
        self._uncovered.append(item)
        self._strangers.turn_over(item)
        asked = self._later.take() or self._asks
        self._strangers.committed(asked or self._rules.answers_turns)
        return self.ask() if asked else []

    def _refused(self, error: ServerError, now_ns: int) -> list[TurnAction]:
        empty = not error.event_id and error.code == COMMIT_EMPTY
        if self._commit and (empty or error.event_id == self._commit):
            tell = Tell({"type": "error", "code": "nothing_heard", "message": NOTHING_HEARD})
            return [*send(self._sequencer.interrupt()), AnswerWithdrawn(), tell]
        is_ours = error.event_id or self._sequencer.in_flight is not None
        if error.code == ALREADY_ACTIVE and not is_ours:
            # The server itself wanted to answer a turn, and could not.
            return [] if self._strangers.is_stopped else self._request()
        self._covered.clear()  # The answer may not come.
        given_up = self._sequencer.given_up
        actions = send(self._sequencer.refused(error.event_id, error.code, now_ns))
        if self._sequencer.given_up > given_up:
            actions.append(Tell({"type": "error", "code": error.code, "message": NOT_ANSWERED}))
        return actions

    # Text

    def _say(self, event: Mapping[str, Any]) -> list[TurnAction]:
        refused = refusal(event)
        if refused is not None:
            return [refused]
        create = self._events.user_text(str(event["text"]))
        return [Send(create), *self.ask(), typed(event, create)]

    # Pictures

    def show(self, picture: Picture) -> list[TurnAction]:
        """Somebody shows a picture; an answer is asked for when the server has taken it."""
        create = self.show_again(picture, is_answered=True)
        return [Send(create), shown(picture, create)]

    def show_again(self, picture: Picture, *, is_answered: bool) -> dict[str, Any]:
        """The event that shows a picture, which an earlier session may not have taken.

        ``is_answered``: when the server has taken it.
        """
        return self._pictures.show(picture, is_answered)

    def picture_refused(self, error: ServerError) -> str:
        """The item of the picture that an error is about; empty: it is about something else."""
        return self._pictures.refused(error)

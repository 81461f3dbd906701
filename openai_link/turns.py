"""Whose turn it is: barge-in, manual stop, typed text, the greeting. Pure.

Over WebRTC the server itself cancels, clears and truncates when somebody speaks over the reply
(``interrupt_response``); what is left to us is to silence what is on its way: a new epoch, a FLUSH
to everybody, and a gate in front of the old reply's last packets. ``speech_started``,
``output_audio_buffer.cleared`` and ``conversation.item.truncated`` come in any order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mixer_core.bus.frames import U32

from .facts import (
    Fact,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ServerError,
    SessionConfirmed,
    SpeechStarted,
)
from .sequencer import ResponseSequencer
from .session import MAX_SAY_CHARS, ClientEvents, greeting

REMEMBERED = 8
"""Responses that were stopped by hand and whose late events are ignored."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send this client event upstream."""

    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Flush:
    """A new epoch: silence the old reply everywhere, and close the gate."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """Audio from now on belongs to a reply of the current epoch."""


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The reply has been played out; only its tail may still arrive."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Send this EVENT to the browsers, or to one of them."""

    event: dict[str, Any]
    addressee: int = 0
    """Stream id of the one browser; 0 for all."""


TurnAction = Send | Flush | ReplyStarted | ReplyEnded | Tell


class TurnPolicy:
    """Turn policy of one call; make a new one for each call.

    ``greet``: say hello once the session is confirmed and somebody can hear it (a fresh room, not
    a reconnection).
    """

    def __init__(self, events: ClientEvents, instructions: str = "", greet: bool = False) -> None:
        self._events = events
        self._sequencer = ResponseSequencer(events)
        self._instructions = instructions
        self._greet = greet
        self._is_confirmed = False
        self._has_audience = False
        self._playing = False
        self._flushed = False
        """The reply that is ending was flushed already."""
        self._stopped: deque[str] = deque(maxlen=REMEMBERED)
        self._current = ""
        """Newest response of the conversation, active or only being played."""

    @property
    def response_active(self) -> str | None:
        """The response that is being generated."""
        return self._sequencer.active

    def on_fact(self, fact: Fact) -> list[TurnAction]:
        """React to what a server event meant."""
        match fact:
            case SessionConfirmed():
                self._is_confirmed = True
                return self._say_hello()
            case SpeechStarted() if self._playing:
                return self._flush("barge-in")
            case PlaybackStarted(response):
                return self._started(response)
            case PlaybackEnded(response, cleared):
                return self._ended(response, cleared)
            case ResponseStarted(response, tag):
                self._current = response
                return _send(self._sequencer.created(response, tag))
            case ResponseEnded(response):
                return _send(self._sequencer.ended(response))
            case ServerError():
                return _send(self._sequencer.refused(fact.event_id, fact.code))
            case _:
                return []

    def on_browser(self, event: Mapping[str, Any]) -> list[TurnAction]:
        """React to a control message of a browser (``say``, ``interrupt``, ``ptt``, ``played``)."""
        match event.get("type"):
            case "say":
                return self._say(event)
            case "interrupt":
                return self._interrupt()
            case "ptt":
                message = "push-to-talk is not available yet: speak freely"
                return [_problem(event, "not_available", message)]
            case _:
                return []

    def on_audience(self) -> list[TurnAction]:
        """Somebody is in the room and hears what is sent."""
        self._has_audience = True
        return self._say_hello()

    def _say_hello(self) -> list[TurnAction]:
        if not (self._greet and self._is_confirmed and self._has_audience):
            return []
        self._greet = False
        return _send(self._sequencer.request(greeting(self._instructions)))

    def _say(self, event: Mapping[str, Any]) -> list[TurnAction]:
        text = event.get("text")
        if not isinstance(text, str) or not text.strip():
            return [_problem(event, "bad_say", "say needs a text that is not empty")]
        if len(text) > MAX_SAY_CHARS:
            message = f"say takes at most {MAX_SAY_CHARS} characters, got {len(text)}"
            return [_problem(event, "bad_say", message)]
        item = self._events.user_text(text)
        caption = {
            "type": "caption",
            "speaker": str(event.get("participant", "user")),
            "item": item["event_id"],
            "text": text,
            "final": True,
        }
        return [Send(item), *_send(self._sequencer.request()), Tell(caption)]

    def _interrupt(self) -> list[TurnAction]:
        cancels = _send(self._sequencer.interrupt())
        if self._current:
            self._stopped.append(self._current)
        return [*cancels, Send(self._events.clear_output()), *self._flush("stopped by hand")]

    def _started(self, response: str) -> list[TurnAction]:
        if response and response in self._stopped:
            return []
        self._playing, self._flushed = True, False
        return [ReplyStarted()]

    def _ended(self, response: str, cleared: bool) -> list[TurnAction]:
        late = bool(response) and response in self._stopped
        was_playing, self._playing = self._playing, False
        if not cleared:
            return [ReplyEnded()] if was_playing else []
        if self._flushed or late:
            return []
        return self._flush("cleared")

    def _flush(self, reason: str) -> list[TurnAction]:
        if self._flushed and reason != "stopped by hand":
            return []
        self._flushed = True
        return [Flush(reason)]


def _send(events: list[dict[str, Any]]) -> list[TurnAction]:
    return [Send(event) for event in events]


def _problem(event: Mapping[str, Any], code: str, message: str) -> Tell:
    return Tell({"type": "error", "code": code, "message": message}, sender_of(event))


def sender_of(event: Mapping[str, Any]) -> int:
    """Stream id of the browser that sent an EVENT; 0 where it does not say."""
    stream = event.get("stream", 0)
    return stream if isinstance(stream, int) and 0 <= stream <= U32 else 0

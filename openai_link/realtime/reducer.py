"""What the server's events mean: a reducer from Realtime server events to a few facts.

Sans-I/O, and tolerant: unknown types are counted, unknown and missing fields ignored, and nothing
depends on an order that the service does not promise. State is kept by item and response id,
never as "the current item"; each fact is told once per id. "Speaking" is the time between
``output_audio_buffer.started`` and ``stopped`` or ``cleared``, because generation runs far ahead
of the sound. Items, their words and calls are in ``events_items``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..facts import (
    Assistant,
    AssistantChanged,
    Fact,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    SessionConfirmed,
    SpeechStarted,
    SpeechStopped,
    TurnCommitted,
)
from .answers import AnswerBook
from .client_events import TAG
from .event_fields import Once, map_of, text_of, whole_of
from .event_kinds import IGNORED
from .reduce_errors import ErrorBook
from .reduce_items import Handler, ItemBook

THINK_LIMIT_NS = 15_000_000_000
"""A turn to which no response comes is not waited for any longer."""
MAX_UNKNOWN = 32
"""Distinct unknown event types that are counted by name."""
MAX_EVENTS = 64
"""Latest events that are told from their repetition by id."""
MAX_RESPONSES = 16
"""Responses that may be open at once; of more the oldest is taken to be over."""


class Reducer:
    """State of one call. ``feed`` server events, ``sent`` client events, ``tick`` on time-out.

    ``answers``: each turn gets an answer (false: only where it is asked for, so that nobody is
    shown to be thinking after a turn).
    """

    def __init__(self, answers: bool = True) -> None:
        self.assistant: Assistant = "idle"
        self._seen = Once(MAX_EVENTS)
        self.events = 0
        """Server events so far."""
        self.unknown: dict[str, int] = {}
        """Unknown event types and how often they came."""
        self._answers = answers
        self._playing: str | None = None
        self._responses: dict[str, None] = {}
        """Responses of the conversation that are being generated."""
        self._asides = Once(MAX_RESPONSES)
        self._begun, self._over = Once(), Once()
        self._sounded, self._silenced = Once(), Once()
        self._heard, self._committed = Once(), Once()
        self._hearing = False
        self._pressed = False
        self._thinking_until_ns: int | None = None
        self._items = ItemBook()
        self._answers_told = AnswerBook()
        self._errors = ErrorBook()
        self.handlers: dict[str, Handler] = {
            **self._items.handlers,
            "session.created": self._session,
            "session.updated": self._session,
            "error": self._errors.error,
            "input_audio_buffer.speech_started": self._speech_started,
            "input_audio_buffer.speech_stopped": self._speech_stopped,
            "input_audio_buffer.timeout_triggered": self._timeout_triggered,
            "input_audio_buffer.committed": self._turn_committed,
            "output_audio_buffer.started": self._playback_started,
            "output_audio_buffer.stopped": self._playback_ended,
            "output_audio_buffer.cleared": self._playback_ended,
            "response.created": self._response_created,
            "response.done": self._response_done,
        }
        """What to do with each event type; what is neither here nor in ``IGNORED`` is unknown."""

    @property
    def awaits_words(self) -> bool:
        """The transcript of a turn is still to come."""
        return self._items.awaits_words

    def has_called(self, call: str) -> bool:
        """Whether the model has made the tool call with this id in this session."""
        return self._items.has_called(call)

    def expect_no_answers(self) -> None:
        """Turns that are committed from now on are not answered."""
        self._answers = False

    @property
    def playing(self) -> str | None:
        """The response that is being played, if any."""
        return self._playing

    def feed(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """Take one server event (any JSON object) and return what it means, in order."""
        self.events += 1
        kind = text_of(event, "type")
        event_id = text_of(event, "event_id")
        if event_id and not self._seen.first((kind, event_id)):
            return []
        self._answers_told.note(event)
        handler = self.handlers.get(kind)
        if handler is None:
            if kind not in IGNORED:
                self._count_unknown(kind)
            return []
        facts = self._answers_told.completed(handler(event, now_ns))
        return facts + self._assistant_facts()

    def sent(self, event: Mapping[str, Any]) -> None:
        """Remember a client event, so that an error can be traced to it."""
        self._errors.sent(event)

    def pressed(self, down: bool, now_ns: int) -> list[Fact]:
        """Somebody presses the button to talk, or nobody does any more (push-to-talk)."""
        self._pressed = down
        return self._assistant_facts()

    def tick(self, now_ns: int) -> list[Fact]:
        """The time-out was reached: captions that were held back, a response that never came."""
        facts = self._items.tick(now_ns)
        if self._thinking_until_ns is not None and now_ns >= self._thinking_until_ns:
            self._thinking_until_ns = None
        return facts + self._assistant_facts()

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        waiting = (self._thinking_until_ns, self._items.next_timeout_ns())
        return min((time_ns for time_ns in waiting if time_ns is not None), default=None)

    def close(self) -> list[Fact]:
        """The call is over: end what is open."""
        self._playing, self._thinking_until_ns = None, None
        self._hearing = self._pressed = False
        self._responses.clear()
        return [*self._items.close(), *self._assistant_facts()]

    def _count_unknown(self, kind: str) -> None:
        if kind in self.unknown or len(self.unknown) < MAX_UNKNOWN:
            self.unknown[kind] = self.unknown.get(kind, 0) + 1

    def _assistant_facts(self) -> list[Fact]:
        state: Assistant = "idle"
        if self._playing is not None:
            state = "speaking"
        elif self._hearing or self._pressed:
            state = "listening"
        elif self._responses or self._thinking_until_ns is not None:
            state = "thinking"
        if state == self.assistant:
            return []
        self.assistant = state
        return [AssistantChanged(state)]

    def _session(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        session = map_of(event, "session")
        updated = event["type"] == "session.updated"
        expires_at_s = whole_of(session, "expires_at")
        return [SessionConfirmed(text_of(session, "id"), updated, expires_at_s, session)]

    # Turns of people

    def _speech_started(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item, start_ms = text_of(event, "item_id"), whole_of(event, "audio_start_ms")
        if item and not self._heard.first(("started", item, start_ms)):
            return []
        self._hearing = True
        self._thinking_until_ns = None
        return [SpeechStarted(item, start_ms)]

    def _speech_stopped(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item, end_ms = text_of(event, "item_id"), whole_of(event, "audio_end_ms")
        if item and not self._heard.first(("stopped", item, end_ms)):
            return []
        self._turn_over(now_ns)
        return [SpeechStopped(item, end_ms)]

    def _timeout_triggered(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """Nobody spoke for long: the server commits the silence and speaks by itself."""
        self._turn_over(now_ns)
        return []

    def _turn_committed(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = text_of(event, "item_id")
        if not self._committed.first(item):
            return []
        self._turn_over(now_ns)
        self._items.spoken(item)
        return [TurnCommitted(item)]

    def _turn_over(self, now_ns: int) -> None:
        self._hearing = False
        if not self._responses and self._answers:
            self._thinking_until_ns = now_ns + THINK_LIMIT_NS

    # Answers

    def _playback_started(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        response = text_of(event, "response_id")
        if response in self._silenced or not self._sounded.first(response):
            return []
        self._playing = response
        return [PlaybackStarted(response)]

    def _playback_ended(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        response = text_of(event, "response_id") or self._playing or ""
        if not self._silenced.first(response):
            return []
        if response == self._playing:
            self._playing = None
        return [PlaybackEnded(response, event["type"] == "output_audio_buffer.cleared")]

    def _response_created(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        response = map_of(event, "response")
        identity = text_of(response, "id")
        if identity in self._over or not self._begun.first(identity):
            return []
        if _is_aside(response):
            self._asides.first(identity)
            return []
        self._thinking_until_ns = None
        self._responses[identity] = None
        if len(self._responses) > MAX_RESPONSES:
            del self._responses[next(iter(self._responses))]
        return [ResponseStarted(identity, text_of(map_of(response, "metadata"), TAG))]

    def _response_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        response = map_of(event, "response")
        identity = text_of(response, "id")
        if not self._over.first(identity):
            return []
        known = identity in self._responses
        self._responses.pop(identity, None)
        aside = identity in self._asides or (_is_aside(response) and not known)
        details = map_of(response, "status_details")
        error = map_of(details, "error")
        code = text_of(error, "code") or text_of(error, "type") or text_of(details, "reason")
        ended = ResponseEnded(
            identity,
            text_of(response, "status"),
            code,
            text_of(error, "message"),
            map_of(response, "usage") or None,
            not aside,
        )
        return [*self._items.response_done(response, aside), ended]


def _is_aside(response: Mapping[str, Any]) -> bool:
    """Whether the response is outside the conversation and may run beside another."""
    return "conversation_id" in response and response["conversation_id"] is None

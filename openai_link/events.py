"""What the server's events mean: a reducer from Realtime server events to a few facts.

Pure, and tolerant: unknown types are counted, unknown and missing fields ignored, and nothing
depends on an order that the service does not promise. State is kept by item and response id,
never as "the current item". "Speaking" is the time between ``output_audio_buffer.started`` and
``stopped`` or ``cleared``, because generation runs far ahead of the sound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mixer_core.bus.errors import UpstreamError

from .captions import CaptionBook
from .facts import (
    Assistant,
    AssistantChanged,
    Fact,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ServerError,
    SessionConfirmed,
    SpeechStarted,
)
from .session import TAG

THINK_LIMIT_NS = 15_000_000_000
"""A turn to which no response comes is not waited for any longer."""
MAX_SENT = 64
"""Client events whose type is remembered, to name the cause of an ``error``."""
MAX_UNKNOWN = 32
"""Distinct unknown event types that are counted by name."""

BENIGN_CODES = frozenset(
    {
        "response_cancel_not_active",
        "conversation_already_has_active_response",
        "input_audio_buffer_commit_empty",
        "item_retrieve_invalid_item_id",
        "item_delete_invalid_item_id",
        "item_truncate_invalid_item_id",
    }
)
"""Errors that are the ordinary result of two sides acting at once."""
FATAL_CODES = UpstreamError.FATAL_CODES | {"session_expired", "beta_api_shape_disabled"}
"""Errors after which the session does not live on."""

_IGNORED = frozenset(
    {
        "conversation.created",
        "conversation.item.created",
        "conversation.item.added",
        "conversation.item.deleted",
        "conversation.item.retrieved",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.cleared",
        "input_audio_buffer.dtmf_event_received",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "rate_limits.updated",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_item.added",
        "response.output_item.done",
    }
)


class Reducer:
    """State of one call. ``feed`` server events, ``sent`` client events, ``tick`` on time-out."""

    def __init__(self) -> None:
        self.assistant: Assistant = "idle"
        self.events = 0
        """Server events so far."""
        self.unknown: dict[str, int] = {}
        """Unknown event types and how often they came."""
        self._playing: str | None = None
        self._responses: set[str] = set()
        self._hearing = False
        self._thinking_until_ns: int | None = None
        self._captions = CaptionBook()
        self._sent: dict[str, str] = {}
        self._handlers: dict[str, Callable[[Mapping[str, Any], int], list[Fact]]] = {
            "session.created": self._session,
            "session.updated": self._session,
            "error": self._error,
            "input_audio_buffer.speech_started": self._speech_started,
            "input_audio_buffer.speech_stopped": self._speech_stopped,
            "input_audio_buffer.timeout_triggered": self._speech_stopped,
            "input_audio_buffer.committed": self._speech_stopped,
            "output_audio_buffer.started": self._playback_started,
            "output_audio_buffer.stopped": self._playback_ended,
            "output_audio_buffer.cleared": self._playback_ended,
            "response.created": self._response_created,
            "response.done": self._response_done,
            "response.output_audio_transcript.delta": self._assistant_delta,
            "response.output_audio_transcript.done": self._assistant_done,
            "response.output_text.delta": self._assistant_delta,
            "response.output_text.done": self._assistant_done,
            "conversation.item.done": self._item_done,
            "conversation.item.truncated": self._item_closed,
            "conversation.item.input_audio_transcription.delta": self._user_delta,
            "conversation.item.input_audio_transcription.completed": self._user_done,
            "conversation.item.input_audio_transcription.failed": self._item_closed,
        }

    @property
    def playing(self) -> str | None:
        """The response that is being played, if any."""
        return self._playing

    def feed(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """Take one server event (any JSON object) and return what it means, in order."""
        self.events += 1
        kind = _text(event, "type")
        handler = self._handlers.get(kind)
        if handler is None:
            if kind not in _IGNORED:
                self._count_unknown(kind)
            return []
        facts = handler(event, now_ns)
        return facts + self._assistant_facts()

    def sent(self, event: Mapping[str, Any]) -> None:
        """Remember a client event, so that an error can be traced to it."""
        self._sent[_text(event, "event_id")] = _text(event, "type")
        if len(self._sent) > MAX_SENT:
            del self._sent[next(iter(self._sent))]

    def tick(self, now_ns: int) -> list[Fact]:
        """The time-out was reached: captions that were held back, a response that never came."""
        facts: list[Fact] = list(self._captions.tick(now_ns))
        if self._thinking_until_ns is not None and now_ns >= self._thinking_until_ns:
            self._thinking_until_ns = None
        return facts + self._assistant_facts()

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        waiting = (self._thinking_until_ns, self._captions.next_timeout_ns())
        return min((time_ns for time_ns in waiting if time_ns is not None), default=None)

    def close(self) -> list[Fact]:
        """The call is over: end what is open."""
        self._playing, self._hearing, self._thinking_until_ns = None, False, None
        self._responses.clear()
        return [*self._captions.clear(), *self._assistant_facts()]

    def _count_unknown(self, kind: str) -> None:
        if kind in self.unknown or len(self.unknown) < MAX_UNKNOWN:
            self.unknown[kind] = self.unknown.get(kind, 0) + 1

    def _assistant_facts(self) -> list[Fact]:
        state: Assistant = "idle"
        if self._playing is not None:
            state = "speaking"
        elif self._hearing:
            state = "listening"
        elif self._responses or self._thinking_until_ns is not None:
            state = "thinking"
        if state == self.assistant:
            return []
        self.assistant = state
        return [AssistantChanged(state)]

    def _session(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        session = _text(_map(event, "session"), "id")
        return [SessionConfirmed(session, event["type"] == "session.updated")]

    def _error(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        error = _map(event, "error")
        code = _text(error, "code") or _text(error, "type") or "unknown"
        event_id, message = _text(error, "event_id"), _text(error, "message")
        benign = code in BENIGN_CODES or "is already shorter than" in message
        cause = self._sent.get(event_id, "")
        return [ServerError(code, message, event_id, cause, benign, code in FATAL_CODES)]

    def _speech_started(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        self._hearing = True
        self._thinking_until_ns = None
        return [SpeechStarted(_text(event, "item_id"))]

    def _speech_stopped(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        self._hearing = False
        if not self._responses:
            self._thinking_until_ns = now_ns + THINK_LIMIT_NS
        return []

    def _playback_started(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        self._playing = _text(event, "response_id")
        return [PlaybackStarted(self._playing)]

    def _playback_ended(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        response = _text(event, "response_id")
        if self._playing is not None and response in ("", self._playing):
            self._playing = None
        return [PlaybackEnded(response, event["type"] == "output_audio_buffer.cleared")]

    def _response_created(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        response = _map(event, "response")
        if _is_out_of_band(response):
            return []
        self._thinking_until_ns = None
        identity = _text(response, "id")
        self._responses.add(identity)
        return [ResponseStarted(identity, _text(_map(response, "metadata"), TAG))]

    def _response_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        response = _map(event, "response")
        identity = _text(response, "id")
        if _is_out_of_band(response) and identity not in self._responses:
            return []
        self._responses.discard(identity)
        error = _map(_map(response, "status_details"), "error")
        code = _text(error, "code") or _text(error, "type")
        status = _text(response, "status")
        return [ResponseEnded(identity, status, code, _text(error, "message"))]

    def _assistant_delta(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        return self._delta("assistant", event, now_ns)

    def _assistant_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        text = event.get("transcript", event.get("text"))
        whole = text if isinstance(text, str) else None
        return list(self._captions.done("assistant", _text(event, "item_id"), whole))

    def _user_delta(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        return self._delta("user", event, now_ns)

    def _user_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        text = _text(event, "transcript").strip()
        item = _text(event, "item_id")
        captions = self._captions.done("user", item, text)
        return list(captions) if text else []

    def _delta(self, speaker: str, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        delta = _text(event, "delta")
        if not delta:
            return []
        return list(self._captions.delta(speaker, _text(event, "item_id"), delta, now_ns))

    def _item_done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """An assistant item that was cut off never gets its transcript's ``done``."""
        item = _map(event, "item")
        if _text(item, "role") != "assistant":
            return []
        return list(self._captions.done("assistant", _text(item, "id"), None))

    def _item_closed(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item = _text(event, "item_id")
        speaker = "assistant" if event["type"].endswith("truncated") else "user"
        return list(self._captions.done(speaker, item, None))


def _is_out_of_band(response: Mapping[str, Any]) -> bool:
    """Whether the response is outside the conversation and may run beside another."""
    return "conversation_id" in response and response["conversation_id"] is None


def _text(event: Mapping[str, Any], key: str) -> str:
    value = event.get(key)
    return value if isinstance(value, str) else ""


def _map(event: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = event.get(key)
    return value if isinstance(value, Mapping) else {}

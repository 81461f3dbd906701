"""Starts replies after turns, plays them, and stops them. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from .assumed_playback import AssumedPlayback
from .brain import Reply
from .conversation import Conversation
from .ids import RandomSource
from .options import EngineOptions, happens
from .output_audio import OutputAudio, PlaybackStarted
from .requests import ResponseRequest, parse_response_request
from .response import ResponseRun
from .responses import Responses
from .server_events import Action, EventMaker
from .session_config import LiveSession


@dataclass(frozen=True, slots=True)
class _Pending:
    """A reply that begins after the running response."""

    request: ResponseRequest | None = None
    """None: the session's parameters at that time."""
    reply: Reply | None = None
    """A reply made before; None: the brain is asked at that time."""


_ANSWER = _Pending()
"""The answer to the newest turn."""


class ReplyControl:
    """Replies without ``response.create``, the output buffer's clock, and interruptions."""

    def __init__(
        self,
        responses: Responses,
        output: OutputAudio,
        conversation: Conversation,
        events: EventMaker,
        random: RandomSource,
        options: EngineOptions,
        session: LiveSession,
    ) -> None:
        self._responses = responses
        self._output = output
        self._conversation = conversation
        self._events = events
        self._random = random
        self._options = options
        self._session = session
        self._playback = AssumedPlayback(session)
        self._pending: list[_Pending] = []

    def is_busy(self, now_ns: int) -> bool:
        """Whether the model thinks or speaks, as far as the server can tell."""
        return (
            self._responses.any_running
            or bool(self._output.playing)
            or bool(self._pending)
            or self._playback.is_playing(now_ns)
        )

    def advance(self, now_ns: int) -> tuple[bytes | None, list[Action]]:
        """Advance by one 20 ms slot: the frame to send (None: silence), and the actions."""
        actions = self._responses.advance(now_ns)
        if self._options.transport == "websocket":
            self._playback.follow(actions, now_ns)
        if self._pending and self._responses.active() is None:
            actions += self._start(self._pending.pop(0), now_ns)
        pcm, events = self._output.next_frame()
        for event in events:
            kind = "started" if isinstance(event, PlaybackStarted) else "stopped"
            actions.append(self._events.output_buffer(kind, event.response_id))
        return pcm, actions

    def answer_turn(self, now_ns: int) -> list[Action]:
        """Answer the latest turn, now or after the running response."""
        if self._session.fields["type"] == "transcription":
            return []
        self._pending = [pending for pending in self._pending if pending != _ANSWER]
        return self._when_free(_ANSWER, now_ns)

    def resume(self, reply: Reply, now_ns: int) -> list[Action]:
        """Give a reply that waited for approval, now or after the running response."""
        request = parse_response_request(None, self._session.fields)
        return self._when_free(_Pending(request, reply), now_ns)

    def interrupt(self) -> list[Action]:
        """Stop the reply because the user speaks, and truncate its item to what was sent."""
        self._pending.clear()
        self._playback.stop()
        return self._clear(self._responses.active())

    def clear_output(self) -> list[Action]:
        """Drop what is queued for playback; a response that is being generated goes on."""
        return self._clear(None)

    def _when_free(self, pending: _Pending, now_ns: int) -> list[Action]:
        if self._responses.active() is None:
            return self._start(pending, now_ns)
        self._pending.append(pending)
        return []

    def _start(self, pending: _Pending, now_ns: int) -> list[Action]:
        request = pending.request or parse_response_request(None, self._session.fields)
        return self._responses.start(request, pending.reply, now_ns)

    def _clear(self, cancelled: ResponseRun | None) -> list[Action]:
        """Clear the output buffer, end ``cancelled``, truncate the items to what was sent."""
        truncated_first = happens(self._options.truncated_first, self._random)
        playing, cut = self._output.playing, self._output.clear()
        cleared = [self._events.output_buffer("cleared", playing)] if playing else []
        ended = self._responses.finish(cancelled, "turn_detected") if cancelled else []
        truncated: list[Action] = []
        for entry in cut:
            item = self._conversation.get(entry.item_id)
            if item is not None:
                end_ms = min(entry.played_ms, item.audio_ms)
                if item.had_audio:
                    self._conversation.truncate(item.id, end_ms)
                truncated.append(self._events.truncated(item.id, end_ms))
        return cleared + truncated + ended if truncated_first else cleared + ended + truncated

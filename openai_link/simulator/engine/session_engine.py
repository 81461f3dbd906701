"""One Realtime session: client events and audio in, server events and audio out. Sans-I/O.

The shell feeds ``client_event`` and ``audio``, and calls ``slot`` every 20 ms: it generates, takes
the next frame of the output buffer and says what to send. All methods return actions in order.
Client events may come from several channels (data channel and sideband): whoever carries the
engine sends what it says to all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import refusals, session_config
from .assumed_playback import AssumedPlayback
from .brain import Brain, Reply
from .conversation import Conversation
from .ids import IdMint, RandomSource
from .input_audio import InputAudio
from .interruptions import clear_output
from .items import parse_item
from .listening import Listening
from .mcp import McpServers
from .options import EngineOptions, happens
from .output_audio import OutputAudio, PlaybackStarted
from .refusals import Refusal
from .requests import (
    ResponseRequest,
    parse_event,
    parse_response_request,
)
from .response import ResponseRun
from .responses import Responses
from .server_events import Action, EndCall, EventMaker
from .session_config import LiveSession
from .transcription import Transcriber

Json = dict[str, Any]
Handler = Callable[[Json, int], list[Action]]


@dataclass(frozen=True, slots=True)
class _Pending:
    """A response that begins when the one before it is over."""

    request: ResponseRequest | None = None
    """None: what the session says when the response begins."""
    reply: Reply | None = None
    """What the brain has decided already; None: it is asked when the response begins."""


_ANSWER = _Pending()
"""The answer to the newest turn."""


class SessionEngine:
    """All decisions of one session. ``copy.deepcopy`` gives a second one that goes its own way."""

    def __init__(
        self,
        session: Json,
        brain: Brain,
        random: RandomSource,
        now_ns: int,
        options: EngineOptions | None = None,
    ) -> None:
        """``session``: as ``session_config.create_session`` returns it. ``now_ns``: its start."""
        self._session = LiveSession(session)
        self._options = options or EngineOptions()
        self._random = random
        self._mint = IdMint(random)
        self._events = EventMaker(self._mint)
        self._expires_ns = now_ns + int(self._options.session_limit_s * 1e9)
        self._expired = False
        self._now_ns = now_ns
        self._pending: list[_Pending] = []
        self.conversation = Conversation(self._mint.make("conv"))
        self.output = OutputAudio()
        self._playback = AssumedPlayback(self._session)
        self._transcriber = Transcriber(
            self._events, random, self._session, self._options.transcription_delay_ms
        )
        self._listening = Listening(self, self.conversation, self._events, self._transcriber, brain)
        self._mcp = McpServers(self.conversation, self._events, brain)
        self._responses = Responses(
            self.conversation,
            self.output,
            brain,
            self._mcp,
            self._events,
            random,
            self._options,
            self._session,
        )
        self._handlers = self._make_handlers()
        self._listening.configure(session["audio"]["input"])

    @property
    def session(self) -> Json:
        """The session object as it is now."""
        return self._session.fields

    @property
    def input(self) -> InputAudio:
        """What was heard and not committed yet."""
        return self._listening.input

    def _make_handlers(self) -> dict[str, Handler]:
        handlers: dict[str, Handler] = {
            "session.update": self._session_update,
            "input_audio_buffer.append": self._input_append,
            "input_audio_buffer.commit": self._input_commit,
            "input_audio_buffer.clear": self._input_clear,
            "conversation.item.retrieve": self._item_retrieve,
            "conversation.item.delete": self._item_delete,
        }
        if self.session["type"] == "transcription":
            return handlers
        handlers |= {
            "conversation.item.create": self._item_create,
            "conversation.item.truncate": self._item_truncate,
            "response.create": self._response_create,
            "response.cancel": self._response_cancel,
        }
        if self._options.transport == "webrtc":
            handlers["output_audio_buffer.clear"] = self._output_clear
        return handlers

    # --- what the shell calls ----------------------------------------------------------------

    def open(self) -> list[Action]:
        """The client's channel is open: introduce the session."""
        actions = [self._events.make("session.created", session=session_config.echo(self.session))]
        return actions + self._mcp.declare(self.session.get("tools", ()), self._now_ns)

    def client_event(self, text: str, now_ns: int) -> list[Action]:
        """Handle one message of the client; what is wrong with it becomes one ``error`` event."""
        self._now_ns = now_ns
        event: Json = {}
        try:
            event = parse_event(text, list(self._handlers))
            return self._handlers[event["type"]](event, now_ns)
        except Refusal as refusal:
            return [self._events.error(refusal, event.get("event_id") or refusal.event_id)]

    def audio(self, pcm: bytes, now_ns: int) -> list[Action]:
        """Hear one frame (960 bytes) of the gapless input."""
        self._now_ns = now_ns
        return self._listening.hear(pcm, now_ns)

    def slot(self, now_ns: int) -> tuple[bytes | None, list[Action]]:
        """Advance by one 20 ms slot: the frame to send (None: silence), and the actions."""
        self._now_ns = now_ns
        actions = self._responses.advance(now_ns)
        if self._options.transport == "websocket":
            self._playback.follow(actions, now_ns)
        if self._pending and self._responses.active() is None:
            actions += self._start(self._pending.pop(0), now_ns)
        pcm, events = self.output.next_frame()
        for event in events:
            kind = "started" if isinstance(event, PlaybackStarted) else "stopped"
            actions.append(self._events.output_buffer(kind, event.response_id))
        actions += self._transcriber.advance(now_ns)
        actions += self._mcp.advance(now_ns)
        actions += self._listening.wait(self._is_busy(now_ns), now_ns)
        if now_ns >= self._expires_ns and not self._expired:
            self._expired = True
            refusal = refusals.session_expired(self._options.session_limit_s / 60)
            actions += [self._events.error(refusal, None), EndCall("session_expired")]
        return pcm, actions

    def _is_busy(self, now_ns: int) -> bool:
        """Whether the model thinks or speaks, as far as the server knows."""
        return (
            self._responses.any_running
            or self.output.playing
            or bool(self._pending)
            or self._playback.is_playing(now_ns)
        )

    # --- session and items -------------------------------------------------------------------

    def _session_update(self, event: Json, now_ns: int) -> list[Action]:
        self._session.fields = session_config.update_session(
            self.session,
            event.get("session"),
            voice_locked=self.conversation.has_assistant_audio(),
            speed_locked=self._responses.active() is not None,
        )
        self._listening.configure(self.session["audio"]["input"])
        updated = self._events.make("session.updated", session=session_config.echo(self.session))
        return [updated, *self._mcp.declare(self.session.get("tools", ()), now_ns)]

    def _item_create(self, event: Json, now_ns: int) -> list[Action]:
        item = parse_item(event.get("item"), self._mint, self.conversation.items)
        previous_id = self.conversation.insert(item, event.get("previous_item_id"))
        created = self._events.item_created(item, previous_id)
        is_approval = item.kind == "mcp_approval_response"
        return created + self._go_on(item.fields, now_ns) if is_approval else created

    def _go_on(self, approval: Json, now_ns: int) -> list[Action]:
        """The client has answered an approval request: the model goes on by itself."""
        reply = self._mcp.answered(approval["approval_request_id"], approval["approve"])
        if reply is None:
            return []
        request = parse_response_request(None, self.session)
        return self._when_free(_Pending(request, reply), now_ns)

    def _item_truncate(self, event: Json, now_ns: int) -> list[Action]:
        item_id, end_ms = event.get("item_id"), event.get("audio_end_ms")
        self.conversation.truncate(item_id, end_ms, event.get("content_index", 0))
        return [self._events.truncated(item_id, end_ms)]

    def _item_delete(self, event: Json, now_ns: int) -> list[Action]:
        self.conversation.delete(event.get("item_id"))
        return [self._events.make("conversation.item.deleted", item_id=event["item_id"])]

    def _item_retrieve(self, event: Json, now_ns: int) -> list[Action]:
        item = self.conversation.find(event.get("item_id"), "retrieve", "retrieving")
        return [
            self._events.make("conversation.item.retrieved", item=item.as_event(with_audio=True))
        ]

    def _input_append(self, event: Json, now_ns: int) -> list[Action]:
        return self._listening.append(event.get("audio"), now_ns)

    def _input_clear(self, event: Json, now_ns: int) -> list[Action]:
        return self._listening.clear()

    def _input_commit(self, event: Json, now_ns: int) -> list[Action]:
        return self._listening.commit(now_ns)

    # --- responses ---------------------------------------------------------------------------

    def _response_create(self, event: Json, now_ns: int) -> list[Action]:
        request = parse_response_request(event.get("response"), self.session)
        return self._responses.start(request, None, now_ns)

    def _response_cancel(self, event: Json, now_ns: int) -> list[Action]:
        return self._responses.cancel(event.get("response_id"))

    def answer_turn(self, now_ns: int) -> list[Action]:
        """Respond to a turn without being asked, at once or after the running response."""
        if self.session["type"] == "transcription":
            return []
        self._pending = [pending for pending in self._pending if pending != _ANSWER]
        return self._when_free(_ANSWER, now_ns)

    def _when_free(self, pending: _Pending, now_ns: int) -> list[Action]:
        if self._responses.active() is None:
            return self._start(pending, now_ns)
        self._pending.append(pending)
        return []

    def _start(self, pending: _Pending, now_ns: int) -> list[Action]:
        request = pending.request or parse_response_request(None, self.session)
        return self._responses.start(request, pending.reply, now_ns)

    # --- output ------------------------------------------------------------------------------

    def _output_clear(self, event: Json, now_ns: int) -> list[Action]:
        return self._clear_output(None)

    def interrupt(self) -> list[Action]:
        """Somebody speaks over the reply: stop it, and cut the item to what was sent."""
        self._pending.clear()
        self._playback.stop()
        return self._clear_output(self._responses.active())

    def _clear_output(self, cancelled: ResponseRun | None) -> list[Action]:
        def end() -> list[Action]:
            return self._responses.finish(cancelled, "turn_detected") if cancelled else []

        truncated_first = happens(self._options.truncated_first, self._random)
        return clear_output(self.output, self.conversation, self._events, end, truncated_first)

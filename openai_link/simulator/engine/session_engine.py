"""One Realtime session: client events and audio in, server events and audio out. Sans-I/O.

The shell calls ``client_event`` and ``audio`` with what arrives, and ``slot`` every 20 ms, which
generates replies and returns the next frame of the output buffer. All methods return actions in
order. Client events may come from several channels (data channel and sideband); server events go
to all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mixer_core.runtime.units import S_NS

from . import refusals, session_config, strict_checks
from .brain import Brain
from .conversation import Conversation
from .ids import IdMint, RandomSource
from .input_audio import InputAudio
from .items import parse_item
from .listening import Listening
from .mcp import McpServers
from .options import EngineOptions
from .output_audio import OutputAudio
from .refusals import Refusal
from .reply_control import ReplyControl
from .requests import parse_event, parse_response_request
from .responses import Responses
from .server_events import Action, EndCall, EventMaker
from .session_config import LiveSession
from .transcription import Transcriber

Json = dict[str, Any]
Handler = Callable[[Json, int], list[Action]]


class SessionEngine:
    """One session. ``copy.deepcopy`` forks it: the copy goes on independently."""

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
        self._mint = IdMint(random)
        self._events = EventMaker(self._mint)
        self._expires_ns = now_ns + int(self._options.session_limit_s * S_NS)
        self._expired = False
        self._now_ns = now_ns
        self.conversation = Conversation(self._mint.make("conv"))
        self.output = OutputAudio()
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
        self._replies = ReplyControl(
            self._responses,
            self.output,
            self.conversation,
            self._events,
            random,
            self._options,
            self._session,
        )
        self._transcriber = Transcriber(
            self._events, random, self._session, self._options.transcription_delay_ms
        )
        self._listening = Listening(
            self._replies,
            self.conversation,
            self._events,
            self._transcriber,
            brain,
            self._options.answers_every_turn,
        )
        self._handlers = self._make_handlers()
        self._listening.configure(session["audio"]["input"])

    @property
    def session(self) -> Json:
        """The session object as it is now."""
        return self._session.fields

    @property
    def input(self) -> InputAudio:
        """The input audio buffer."""
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

    def open(self) -> list[Action]:
        """Return the first events of a session: its channel is open."""
        actions = [self._events.make("session.created", session=session_config.echo(self.session))]
        return actions + self._mcp.declare(self.session.get("tools", ()), self._now_ns)

    def client_event(self, text: str, now_ns: int) -> list[Action]:
        """Handle one client message; if it is invalid, the result is one ``error`` event."""
        self._now_ns = now_ns
        event: Json = {}
        try:
            event = parse_event(text, list(self._handlers))
            if not self._options.lenient:
                strict_checks.check_event(event)
            return self._handlers[event["type"]](event, now_ns)
        except Refusal as refusal:
            return [self._events.error(refusal, event.get("event_id") or refusal.event_id)]

    def audio(self, pcm: bytes, now_ns: int) -> list[Action]:
        """Take one frame (960 bytes) of the gapless input."""
        self._now_ns = now_ns
        return self._listening.hear(pcm, now_ns)

    def slot(self, now_ns: int) -> tuple[bytes | None, list[Action]]:
        """Advance by one 20 ms slot: the frame to send (None: silence), and the actions."""
        self._now_ns = now_ns
        pcm, actions = self._replies.advance(now_ns)
        actions += self._transcriber.advance(now_ns)
        actions += self._mcp.advance(now_ns)
        actions += self._listening.wait(self._replies.is_busy(now_ns), now_ns)
        if now_ns >= self._expires_ns and not self._expired:
            self._expired = True
            refusal = refusals.session_expired(self._options.session_limit_s / 60)
            actions += [self._events.error(refusal, None), EndCall("session_expired")]
        return pcm, actions

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
        known, takes_images = self.conversation.items, self._options.takes_images
        item = parse_item(event.get("item"), self._mint, known, takes_images)
        after = event.get("previous_item_id")
        if not self._options.lenient:
            self.conversation.check_place(after)
            strict_checks.check_order(item, after, known)
        previous_id = self.conversation.insert(item, after)
        created = self._events.item_created(item, previous_id)
        is_approval = item.kind == "mcp_approval_response"
        return created + self._go_on(item.fields, now_ns) if is_approval else created

    def _go_on(self, approval: Json, now_ns: int) -> list[Action]:
        """Continue after the client has answered an approval request."""
        reply = self._mcp.answered(approval["approval_request_id"], approval["approve"])
        return [] if reply is None else self._replies.resume(reply, now_ns)

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

    # --- responses and output ----------------------------------------------------------------

    def _response_create(self, event: Json, now_ns: int) -> list[Action]:
        request = parse_response_request(event.get("response"), self.session)
        return self._responses.start(request, None, now_ns)

    def _response_cancel(self, event: Json, now_ns: int) -> list[Action]:
        return self._responses.cancel(event.get("response_id"))

    def _output_clear(self, event: Json, now_ns: int) -> list[Action]:
        return self._replies.clear_output()

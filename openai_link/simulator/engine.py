"""One Realtime session: client events and heard audio in, server events and spoken audio out. Pure.

The shell feeds ``client_event`` and ``audio``, and calls ``slot`` every 20 ms: it generates, takes
the next frame of the output buffer and says what to send. All methods return actions in order.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from mixer_core.bus.pcm import FrameCutter
from openai_link.simulator import refusals, session_config
from openai_link.simulator.brains import Brain
from openai_link.simulator.conversation import Conversation, Item, parse_item
from openai_link.simulator.ids import IdMint, RandomSource
from openai_link.simulator.input_audio import InputAudio
from openai_link.simulator.output_audio import OutputAudio, PlaybackStarted
from openai_link.simulator.refusals import Refusal
from openai_link.simulator.requests import parse_event, parse_response_request
from openai_link.simulator.response import ResponseRun
from openai_link.simulator.responses import EngineOptions, Responses
from openai_link.simulator.server_events import Action, EndCall, EventMaker
from openai_link.simulator.voice_activity import (
    SpeechStarted,
    SpeechStopped,
    VadSettings,
    VoiceActivity,
)

Json = dict[str, Any]

_LEAST_COMMIT_MS = 100
_TRAILING_SILENCE_MS = 100
_IDLE_HISTORY_MS = 2_000
_MAX_APPEND_BYTES = 15 << 20
_SEMANTIC_SILENCE_MS = {"low": 1_500, "medium": 800, "auto": 800, "high": 400}


class SessionEngine:
    """All decisions of one session."""

    def __init__(
        self,
        session: Json,
        brain: Brain,
        random: RandomSource,
        now_ns: int,
        options: EngineOptions | None = None,
    ) -> None:
        """``session``: as ``session_config.create_session`` returns it. ``now_ns``: its start."""
        self.session = session
        self._options = options or EngineOptions()
        self._mint = IdMint(random)
        self._events = EventMaker(self._mint)
        self._expires_ns = now_ns + int(self._options.session_limit_s * 1e9)
        self._expired = False
        self.conversation = Conversation(self._mint.make("conv"))
        self.input = InputAudio()
        self.output = OutputAudio()
        self._cutter = FrameCutter(max_bytes=_MAX_APPEND_BYTES)
        self._vad: VoiceActivity | None = None
        self._speech_start_ms = 0
        self._speech_item_id: str | None = None
        self._response_owed = False
        self._responses = Responses(
            self.conversation,
            self.output,
            brain,
            self._events,
            self._options,
            lambda: str(self.session["instructions"]),
        )
        self._handlers: dict[str, Callable[[Json, int], list[Action]]] = {
            "session.update": self._session_update,
            "input_audio_buffer.append": self._input_append,
            "input_audio_buffer.commit": self._input_commit,
            "input_audio_buffer.clear": self._input_clear,
            "output_audio_buffer.clear": self._output_clear,
            "conversation.item.create": self._item_create,
            "conversation.item.truncate": self._item_truncate,
            "conversation.item.delete": self._item_delete,
            "conversation.item.retrieve": self._item_retrieve,
            "response.create": self._response_create,
            "response.cancel": self._response_cancel,
        }
        self._configure_vad()

    # --- what the shell calls ----------------------------------------------------------------

    def open(self) -> list[Action]:
        """The client's channel is open: introduce the session."""
        return [self._events.make("session.created", session=session_config.echo(self.session))]

    def client_event(self, text: str, now_ns: int) -> list[Action]:
        """Handle one message of the client; what is wrong with it becomes one ``error`` event."""
        event: Json = {}
        try:
            event = parse_event(text, list(self._handlers))
            return self._handlers[event["type"]](event, now_ns)
        except Refusal as refusal:
            return [self._events.error(refusal, event.get("event_id") or refusal.event_id)]

    def audio(self, pcm: bytes, now_ns: int) -> list[Action]:
        """Hear one frame (960 bytes) of the gapless input."""
        self.input.append(pcm)
        if self._vad is None:
            return []
        heard = self._vad.push(pcm)
        if isinstance(heard, SpeechStarted):
            return self._speech_started(heard, now_ns)
        if isinstance(heard, SpeechStopped):
            return self._speech_stopped(heard, now_ns)
        if not self._vad.speaking:
            kept_ms = self._vad.settings.prefix_padding_ms + _IDLE_HISTORY_MS
            if self.input.buffered_ms > 2 * kept_ms:  # Each cut copies what is kept.
                self.input.forget_before(self.input.end_ms - kept_ms)
        return []

    def slot(self, now_ns: int) -> tuple[bytes | None, list[Action]]:
        """Advance by one 20 ms slot: the frame to send (None: silence), and the actions."""
        actions = self._responses.advance(now_ns)
        if self._response_owed and self._responses.active() is None:
            self._response_owed = False
            actions += self._answer_turn(now_ns)
        pcm, events = self.output.next_frame()
        for event in events:
            kind = "started" if isinstance(event, PlaybackStarted) else "stopped"
            actions.append(self._events.output_buffer(kind, event.response_id))
        if now_ns >= self._expires_ns and not self._expired:
            self._expired = True
            refusal = refusals.session_expired(self._options.session_limit_s / 60)
            actions += [self._events.error(refusal, None), EndCall("session_expired")]
        return pcm, actions

    # --- session and items -------------------------------------------------------------------

    def _session_update(self, event: Json, now_ns: int) -> list[Action]:
        locked = self.conversation.has_assistant_audio()
        self.session = session_config.update_session(self.session, event.get("session"), locked)
        self._configure_vad()
        return [self._events.make("session.updated", session=session_config.echo(self.session))]

    def _configure_vad(self) -> None:
        detection = self.session["audio"]["input"]["turn_detection"]
        if detection is None:
            self._vad = None
            self._speech_item_id = None
            return
        if detection["type"] == "semantic_vad":
            silence_ms = _SEMANTIC_SILENCE_MS.get(detection["eagerness"], 800)
            settings = VadSettings(silence_duration_ms=silence_ms)
        else:
            settings = VadSettings(
                detection["threshold"],
                detection["prefix_padding_ms"],
                detection["silence_duration_ms"],
            )
        if self._vad is None:
            self._vad = VoiceActivity(settings, self.input.end_ms)
        self._vad.settings = settings

    def _item_create(self, event: Json, now_ns: int) -> list[Action]:
        item = parse_item(event.get("item"), self._mint, self.conversation)
        previous_id = self.conversation.insert(item, event.get("previous_item_id"))
        return self._events.item_created(item, previous_id)

    def _item_truncate(self, event: Json, now_ns: int) -> list[Action]:
        item_id, end_ms = event.get("item_id"), event.get("audio_end_ms")
        self.conversation.truncate(item_id, end_ms)
        return [self._events.truncated(item_id, end_ms)]

    def _item_delete(self, event: Json, now_ns: int) -> list[Action]:
        self.conversation.delete(event.get("item_id"))
        return [self._events.make("conversation.item.deleted", item_id=event["item_id"])]

    def _item_retrieve(self, event: Json, now_ns: int) -> list[Action]:
        item = self.conversation.find(event.get("item_id"), "retrieve", "retrieving")
        return [
            self._events.make("conversation.item.retrieved", item=item.as_event(with_audio=True))
        ]

    # --- input -------------------------------------------------------------------------------

    def _input_append(self, event: Json, now_ns: int) -> list[Action]:
        try:
            pcm = base64.b64decode(event["audio"], validate=True)
            frames = self._cutter.push(pcm)
        except KeyError:
            raise refusals.missing_parameter("audio") from None
        except (binascii.Error, TypeError, ValueError) as error:
            raise refusals.invalid_value("audio", "…", f"Expected base64 PCM16: {error}") from error
        return [action for frame in frames for action in self.audio(frame, now_ns)]

    def _input_clear(self, event: Json, now_ns: int) -> list[Action]:
        self._forget_speech()
        return [self._events.make("input_audio_buffer.cleared")]

    def _input_commit(self, event: Json, now_ns: int) -> list[Action]:
        if self.input.buffered_ms < _LEAST_COMMIT_MS:
            raise refusals.commit_empty(self.input.buffered_ms)
        item_id = self._speech_item_id or self._mint.make("item")
        return self._commit(item_id, self.input.start_ms, self.input.end_ms)

    def _speech_started(self, heard: SpeechStarted, now_ns: int) -> list[Action]:
        self._speech_start_ms = heard.audio_start_ms
        self._speech_item_id = self._mint.make("item")
        actions: list[Action] = [
            self._events.make(
                "input_audio_buffer.speech_started",
                audio_start_ms=heard.audio_start_ms,
                item_id=self._speech_item_id,
            )
        ]
        if self._detection("interrupt_response"):
            actions += self._interrupt()
        return actions

    def _speech_stopped(self, heard: SpeechStopped, now_ns: int) -> list[Action]:
        item_id = self._speech_item_id or self._mint.make("item")
        end_ms = min(heard.speech_end_ms + _TRAILING_SILENCE_MS, heard.audio_end_ms)
        actions: list[Action] = [
            self._events.make(
                "input_audio_buffer.speech_stopped",
                audio_end_ms=heard.audio_end_ms,
                item_id=item_id,
            )
        ]
        actions += self._commit(item_id, self._speech_start_ms, end_ms)
        if self._detection("create_response"):
            if self._responses.active() is not None:
                self._response_owed = True
            else:
                actions += self._answer_turn(now_ns)
        return actions

    def _commit(self, item_id: str, from_ms: int, to_ms: int) -> list[Action]:
        """Make a user message of the audio between two points."""
        content = [{"type": "input_audio", "transcript": None}]
        item = Item(item_id, "message", {"role": "user", "content": content})
        item.add_audio(self.input.cut(from_ms, to_ms))
        previous_id = self.conversation.insert(item)
        self._forget_speech()
        ids = {"item_id": item_id, "previous_item_id": previous_id}
        actions: list[Action] = [self._events.make("input_audio_buffer.committed", **ids)]
        actions += self._events.item_created(item, previous_id)
        return actions + self._transcription(item)

    def _transcription(self, item: Item) -> list[Action]:
        """The simulator cannot read speech: it writes down how long it was."""
        if self.session["audio"]["input"]["transcription"] is None:
            return []
        words = f"[simulator] {item.audio_ms / 1000:.1f} s of speech"
        place = {"item_id": item.id, "content_index": 0}
        kind = "conversation.item.input_audio_transcription"
        padding = self._mint.obfuscation()
        usage = {"type": "duration", "seconds": item.audio_ms / 1000}
        return [
            self._events.make(f"{kind}.delta", **place, delta=words, obfuscation=padding),
            self._events.make(f"{kind}.completed", **place, transcript=words, usage=usage),
        ]

    def _forget_speech(self) -> None:
        self._speech_item_id = None
        self.input.clear()
        if self._vad is not None and self._vad.speaking:
            self._vad = VoiceActivity(self._vad.settings, self.input.end_ms)

    def _detection(self, key: str) -> bool:
        detection = self.session["audio"]["input"]["turn_detection"]
        return bool(detection and detection.get(key))

    # --- responses ---------------------------------------------------------------------------

    def _response_create(self, event: Json, now_ns: int) -> list[Action]:
        request = parse_response_request(event.get("response"), self.session)
        return self._responses.start(request, now_ns)

    def _response_cancel(self, event: Json, now_ns: int) -> list[Action]:
        return self._responses.cancel(event.get("response_id"))

    def _answer_turn(self, now_ns: int) -> list[Action]:
        """Respond to a spoken turn without being asked."""
        return self._responses.start(parse_response_request(None, self.session), now_ns)

    # --- output ------------------------------------------------------------------------------

    def _output_clear(self, event: Json, now_ns: int) -> list[Action]:
        return self._clear_output(None)

    def _interrupt(self) -> list[Action]:
        """Somebody speaks over the reply: stop it, and cut the item to what was sent."""
        self._response_owed = False
        return self._clear_output(self._responses.active())

    def _clear_output(self, cancelled: ResponseRun | None) -> list[Action]:
        cut = self.output.clear()
        actions = [self._events.output_buffer("cleared", c.response_id) for c in cut if c.started]
        if cancelled is not None:
            actions += self._responses.finish(cancelled, "turn_detected")
        for entry in cut:
            item = next((i for i in self.conversation.items if i.id == entry.item_id), None)
            if item is not None:
                end_ms = min(entry.played_ms, item.audio_ms)
                if item.audio_ms:
                    self.conversation.truncate(item.id, end_ms)
                actions.append(self._events.truncated(item.id, end_ms))
        return actions

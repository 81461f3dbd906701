"""Input audio becomes turns: by voice activity, after a long silence, or on commit. Sans-I/O."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from mixer_core.bus.pcm import FrameCutter
from mixer_core.runtime.units import MS_NS

from . import refusals
from .brain import Brain, Recognition
from .conversation import Conversation
from .g711 import decoder_for
from .input_audio import InputAudio
from .items import Item
from .reply_control import ReplyControl
from .server_events import Action, EventMaker
from .transcription import Transcriber
from .voice_activity import (
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


@dataclass(slots=True)
class _Speech:
    """A turn that is being spoken."""

    item_id: str
    start_ms: int
    recognition: Recognition | None


class Listening:
    """The input audio buffer and its turn detection."""

    def __init__(
        self,
        replies: ReplyControl,
        conversation: Conversation,
        events: EventMaker,
        transcriber: Transcriber,
        brain: Brain,
        answers_every_turn: bool = False,
    ) -> None:
        """``answers_every_turn``: also where the turn detection says otherwise."""
        self._answers_every_turn = answers_every_turn
        self.input = InputAudio()
        self._replies = replies
        self._conversation = conversation
        self._events = events
        self._transcriber = transcriber
        self._brain = brain
        self._cutter = FrameCutter(max_bytes=_MAX_APPEND_BYTES)
        self._detection: Json | None = None
        self._format = "audio/pcm"
        self._vad: VoiceActivity | None = None
        self._speech: _Speech | None = None
        self._spoken_turns = 0
        self._idle_since_ns: int | None = None
        self._idle_from_ms = 0

    def configure(self, audio_input: Json) -> None:
        """Apply the session's ``audio.input``."""
        detection = audio_input["turn_detection"]
        self._detection = detection
        self._format = str(audio_input["format"]["type"])
        if detection is None:
            self._vad = None
            self._speech = None
            return
        if detection["type"] == "semantic_vad":
            silence_ms = _SEMANTIC_SILENCE_MS[detection["eagerness"]]
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

    # --- sound -------------------------------------------------------------------------------

    def hear(self, pcm: bytes, now_ns: int) -> list[Action]:
        """Take one frame (960 bytes) of the gapless input."""
        self.input.append(pcm)
        if self._vad is None:
            return []
        change = self._vad.push(pcm)
        if isinstance(change, SpeechStarted):
            return self._speech_started(change, now_ns)
        if isinstance(change, SpeechStopped):
            return self._speech_stopped(change, now_ns)
        if not self._vad.speaking:
            kept_ms = self._vad.settings.prefix_padding_ms + _IDLE_HISTORY_MS
            if self.input.buffered_ms > 2 * kept_ms:  # Each cut copies what is kept.
                self.input.forget_before(self.input.end_ms - kept_ms)
        return []

    def append(self, audio: object, now_ns: int) -> list[Action]:
        """Take audio in base64 in the session's input format. Raises Refusal."""
        if audio is None:
            raise refusals.missing_parameter("audio")
        try:
            data = base64.b64decode(audio, validate=True)  # type: ignore[arg-type]
            frames = list(self._cutter.push(decoder_for(self._format)(data)))
        except (binascii.Error, TypeError, ValueError) as error:
            raise refusals.invalid_value("audio", "…", f"Expected base64 PCM16: {error}") from error
        return [action for frame in frames for action in self.hear(frame, now_ns)]

    def clear(self) -> list[Action]:
        """Empty the buffer."""
        if self._speech is not None:
            self._transcriber.forget(self._speech.item_id)
        self._forget_speech()
        return [self._events.make("input_audio_buffer.cleared")]

    def commit(self, now_ns: int) -> list[Action]:
        """Make a turn of the buffer. Raises Refusal when it holds less than 100 ms."""
        if self.input.buffered_ms < _LEAST_COMMIT_MS:
            raise refusals.commit_empty(self.input.buffered_ms)
        speech = self._speech or self._new_speech(self.input.start_ms)
        return self._commit(speech, self.input.start_ms, self.input.end_ms, now_ns)

    # --- silence -----------------------------------------------------------------------------

    def wait(self, assistant_is_busy: bool, now_ns: int) -> list[Action]:
        """Let the model speak after ``idle_timeout_ms`` without speech since its last answer.

        Called in every slot; the first call with a busy assistant arms the timeout.
        """
        if assistant_is_busy or (self._vad is not None and self._vad.speaking):
            self._idle_since_ns = now_ns
            self._idle_from_ms = self.input.end_ms
            return []
        timeout_ms = (self._detection or {}).get("idle_timeout_ms")
        if not timeout_ms or self._idle_since_ns is None:
            return []
        if now_ns - self._idle_since_ns < timeout_ms * MS_NS:
            return []
        self._idle_since_ns = None
        return self._idle(now_ns)

    def _idle(self, now_ns: int) -> list[Action]:
        """Commit the silence with a prompt to go on, and answer it."""
        item_id = self._events.mint.make("item")
        start_ms, end_ms = self._idle_from_ms, self.input.end_ms
        times = {"audio_start_ms": start_ms, "audio_end_ms": end_ms}
        actions: list[Action] = [
            self._events.make("input_audio_buffer.timeout_triggered", **times, item_id=item_id)
        ]
        prompt = Item(self._events.mint.make("item"), "message", _idle_prompt())
        actions += self._events.item_created(prompt, self._conversation.insert(prompt))
        item = Item(item_id, "message", _spoken_message())
        actions += self._add(item)
        actions += self._transcriber.committed(item, Recognition("", "empty"), now_ns)
        return actions + self._replies.answer_turn(now_ns)

    # --- turns -------------------------------------------------------------------------------

    def _speech_started(self, change: SpeechStarted, now_ns: int) -> list[Action]:
        speech = self._speech = self._new_speech(change.audio_start_ms)
        times = {"audio_start_ms": change.audio_start_ms, "item_id": speech.item_id}
        self._transcriber.speech_started(speech.item_id, speech.recognition, now_ns)
        actions = [self._events.make("input_audio_buffer.speech_started", **times)]
        if self._wants("interrupt_response"):
            actions += self._replies.interrupt()
        return actions

    def _speech_stopped(self, change: SpeechStopped, now_ns: int) -> list[Action]:
        speech = self._speech or self._new_speech(self.input.start_ms)
        end_ms = min(change.speech_end_ms + _TRAILING_SILENCE_MS, change.audio_end_ms)
        times = {"audio_end_ms": change.audio_end_ms, "item_id": speech.item_id}
        actions = [self._events.make("input_audio_buffer.speech_stopped", **times)]
        actions += self._commit(speech, speech.start_ms, end_ms, now_ns)
        if self._answers_every_turn or self._wants("create_response"):
            actions += self._replies.answer_turn(now_ns)
        return actions

    def _new_speech(self, start_ms: int) -> _Speech:
        recognition = self._brain.recognize(self._spoken_turns + 1)
        return _Speech(self._events.mint.make("item"), start_ms, recognition)

    def _commit(self, speech: _Speech, from_ms: int, to_ms: int, now_ns: int) -> list[Action]:
        """Make a user message of the audio between two positions."""
        self._spoken_turns += 1
        item = Item(speech.item_id, "message", _spoken_message(), spoken_turn=self._spoken_turns)
        item.recognized = speech.recognition.text if speech.recognition else None
        item.add_audio(self.input.cut(from_ms, to_ms))
        actions = self._add(item)
        self._forget_speech()
        return actions + self._transcriber.committed(item, speech.recognition, now_ns)

    def _add(self, item: Item) -> list[Action]:
        previous_id = self._conversation.insert(item)
        ids = {"item_id": item.id, "previous_item_id": previous_id}
        committed = self._events.make("input_audio_buffer.committed", **ids)
        return [committed, *self._events.item_created(item, previous_id)]

    def _forget_speech(self) -> None:
        self._speech = None
        self.input.clear()
        if self._vad is not None and self._vad.speaking:
            self._vad = VoiceActivity(self._vad.settings, self.input.end_ms)

    def _wants(self, key: str) -> bool:
        return bool(self._detection and self._detection.get(key))


def _idle_prompt() -> Json:
    """The service inserts a message like this one; the words are ours."""
    text = "Nobody has spoken for a while. If somebody did, answer; otherwise go on by yourself."
    return {"role": "system", "content": [{"type": "input_text", "text": text}]}


def _spoken_message() -> Json:
    return {"role": "user", "content": [{"type": "input_audio", "transcript": None}]}

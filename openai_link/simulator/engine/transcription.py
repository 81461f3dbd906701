"""Transcripts of what the user says: in time, late, early, empty or failed. Sans-I/O."""

from __future__ import annotations

import heapq
from typing import Any

from mixer_core.runtime.units import MS_NS

from . import pieces
from .brain import Recognition
from .ids import RandomSource
from .items import Item
from .server_events import Action, EventMaker
from .session_checks import LOGPROBS
from .session_config import LiveSession
from .usage import text_tokens

Json = dict[str, Any]

_KIND = "conversation.item.input_audio_transcription"
_LATE_MS = 3_000
_SPACING_MS = 40
_EARLY_MS = 120


class Transcriber:
    """Transcribes what was said: a heap of events, by the time at which they are due."""

    def __init__(
        self,
        events: EventMaker,
        random: RandomSource,
        session: LiveSession,
        delay_ms: int,
    ) -> None:
        """``delay_ms``: from the end of a turn to its transcript, where the brain says nothing."""
        self._events = events
        self._random = random
        self._session = session
        self._delay_ms = delay_ms
        self._due: list[tuple[int, int, Item | None, Json]] = []
        self._count = 0
        self._sent_early: dict[str, str] = {}

    def speech_started(self, item_id: str, recognition: Recognition | None, now_ns: int) -> None:
        """The user begins to speak: an early transcription begins as well."""
        if recognition is None or recognition.kind != "early" or self._config() is None:
            return
        words = pieces.of_words(recognition.text, self._random)[:-1]
        for number, piece in enumerate(words, 1):
            self._add(now_ns + number * _EARLY_MS * MS_NS, None, self._delta(item_id, piece))
            self._sent_early[item_id] = self._sent_early.get(item_id, "") + piece

    def committed(self, item: Item, recognition: Recognition | None, now_ns: int) -> list[Action]:
        """A turn is over: schedule its transcript, and return what is due at once."""
        config = self._config()
        if config is None:
            return []
        recognition = recognition or Recognition(
            f"[simulator] {item.audio_ms / 1000:.1f} s of speech"
        )
        delay_ms = recognition.delay_ms
        if delay_ms is None:
            delay_ms = _LATE_MS if recognition.kind == "late" else self._delay_ms
        due_ns = now_ns + delay_ms * MS_NS
        if recognition.kind == "failed":
            self._add(due_ns, None, self._failure(item.id))
            return self.advance(now_ns)
        text = "" if recognition.kind == "empty" else recognition.text
        due_ns = self._bring_forward(item.id, due_ns)
        rest = text[len(self._sent_early.pop(item.id, "")) :]
        for piece in self._cut(rest, str(config["model"])):
            self._add(due_ns, None, self._delta(item.id, piece))
            due_ns += _SPACING_MS * MS_NS if delay_ms else 0
        if "diarize" in str(config["model"]) and text:
            self._add(due_ns, None, self._segment(item, text))
        self._add(due_ns, item, self._completed(item, text, str(config["model"])))
        return self.advance(now_ns)

    def forget(self, item_id: str | None) -> None:
        """Drop the rest of the transcript of a turn that was thrown away."""
        self._due = [entry for entry in self._due if entry[3]["item_id"] != item_id]
        heapq.heapify(self._due)
        self._sent_early.pop(str(item_id), None)

    def advance(self, now_ns: int) -> list[Action]:
        """Return what is due."""
        actions: list[Action] = []
        while self._due and self._due[0][0] <= now_ns:
            _, _, item, event = heapq.heappop(self._due)
            if item is not None:
                item.fields["content"][0]["transcript"] = event["transcript"]
            actions += self._events.stamped([event])
        return actions

    def _config(self) -> Json | None:
        config: Json | None = self._session.fields["audio"]["input"]["transcription"]
        return config

    def _add(self, due_ns: int, item: Item | None, event: Json) -> None:
        self._count += 1
        heapq.heappush(self._due, (due_ns, self._count, item, event))

    def _bring_forward(self, item_id: str, due_ns: int) -> int:
        """Return the earliest time for the other words: after early ones that are still pending."""
        pending = [entry[0] for entry in self._due if entry[3]["item_id"] == item_id]
        return max([due_ns, *pending])

    def _cut(self, text: str, model: str) -> list[str]:
        if not text:
            return []
        return [text] if model == "whisper-1" else pieces.of_words(text, self._random)

    def _delta(self, item_id: str, piece: str) -> Json:
        padding = self._events.mint.obfuscation()
        place = {"item_id": item_id, "content_index": 0}
        event = {"type": f"{_KIND}.delta", **place, "delta": piece, "obfuscation": padding}
        return self._with_logprobs(event, [piece])

    def _completed(self, item: Item, text: str, model: str) -> Json:
        place = {"item_id": item.id, "content_index": 0}
        usage: Json = {"type": "duration", "seconds": item.audio_ms / 1000}
        if not model.startswith("whisper"):
            heard, written = item.audio_ms // 100, text_tokens(text)
            usage = {
                "type": "tokens",
                "total_tokens": heard + written,
                "input_tokens": heard,
                "output_tokens": written,
                "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
            }
        event = {"type": f"{_KIND}.completed", **place, "transcript": text, "usage": usage}
        return self._with_logprobs(event, text.split())

    def _with_logprobs(self, event: Json, tokens: list[str]) -> Json:
        if LOGPROBS in (self._session.fields["include"] or []):
            event["logprobs"] = [
                {"token": token, "logprob": -0.01, "bytes": list(token.encode())}
                for token in tokens
            ]
        return event

    def _segment(self, item: Item, text: str) -> Json:
        place = {"item_id": item.id, "content_index": 0}
        times = {"start": 0.0, "end": item.audio_ms / 1000}
        segment_id = self._events.mint.make("seg")
        return {
            "type": f"{_KIND}.segment",
            **{"id": segment_id, **place, "text": text, "speaker": "A", **times},
        }

    def _failure(self, item_id: str) -> Json:
        error = {
            "type": "transcription_error",
            "code": "audio_unintelligible",
            "message": "The audio could not be transcribed.",
            "param": None,
        }
        place = {"item_id": item_id, "content_index": 0}
        return {"type": f"{_KIND}.failed", **place, "error": error}

"""One response from ``response.created`` to ``response.done``, generated over time. Pure.

The words run ahead of the sound: both are generated several times faster than real time, and the
sound then waits in the output buffer. The order of events is that of recorded sessions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from openai_link.simulator.brains import Reply
from openai_link.simulator.conversation import Conversation, Item
from openai_link.simulator.ids import IdMint
from openai_link.simulator.input_audio import BYTES_PER_MS
from openai_link.simulator.output_audio import OutputAudio

Json = dict[str, Any]

_NS_PER_MS = 1_000_000
_LEAST_DELTA_MS = 10.0


@dataclass(frozen=True, slots=True)
class ResponsePlan:
    """What a response is made of."""

    response_id: str
    reply: Reply
    modality: str
    """audio or text."""
    in_conversation: bool
    """False: the answer stays outside of the default conversation."""
    voice: str
    metadata: Json | None
    max_output_tokens: int | str
    think_ms: int
    """Time until the first words."""
    speed: float
    """How much faster than real time the sound is generated."""


class ResponseRun:
    """The state of one response. ``events`` are returned without ``event_id``."""

    def __init__(
        self,
        plan: ResponsePlan,
        conversation: Conversation,
        output: OutputAudio,
        mint: IdMint,
    ) -> None:
        self.plan = plan
        self.status = "in_progress"
        self.item = Item(mint.make("item"), "message", {"role": "assistant", "content": []})
        self.item.status = "in_progress"
        self._conversation = conversation
        self._output = output
        self._mint = mint
        self._words = re.findall(r"\s*\S+", plan.reply.transcript)
        self._next_word = 0
        self._opened = False
        self._due_ns = 0
        self._details: Json | None = None
        self.usage: Json | None = None

    @property
    def id(self) -> str:
        """The response's id."""
        return self.plan.response_id

    @property
    def opened(self) -> bool:
        """Whether the answer's item exists in the conversation."""
        return self._opened

    @property
    def finished_generating(self) -> bool:
        """Whether all words are out, so that only the closing events are missing."""
        return self._opened and self._next_word >= len(self._words)

    def due_ns(self) -> int:
        """When ``advance`` has something to do."""
        return self._due_ns

    def as_event(self) -> Json:
        """Return the response object as events carry it."""
        output = [self.item.as_event()] if self.status != "in_progress" and self._opened else []
        audio_format = {"type": "audio/pcm", "rate": 24_000}
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self.status,
            "status_details": self._details,
            "output": output,
            "conversation_id": self._conversation.id if self.plan.in_conversation else None,
            "output_modalities": [self.plan.modality],
            "max_output_tokens": self.plan.max_output_tokens,
            "audio": {"output": {"format": audio_format, "voice": self.plan.voice}},
            "usage": self.usage,
            "metadata": self.plan.metadata,
        }

    def begin(self, now_ns: int) -> list[Json]:
        """Create the response."""
        self._due_ns = now_ns + self.plan.think_ms * _NS_PER_MS
        return [{"type": "response.created", "response": self.as_event()}]

    def advance(self, now_ns: int) -> list[Json]:
        """Generate what is due by now. The caller closes it when ``finished_generating``."""
        events: list[Json] = []
        while now_ns >= self._due_ns and not self.finished_generating:
            if not self._opened:
                events += self._open()
            events += self._next_delta()
            self._due_ns += int(self._delta_ms() * _NS_PER_MS)
        return events

    def close(self, reason: str | None = None) -> list[Json]:
        """End the response: completed, or cancelled for ``reason`` (turn_detected …).

        Returns the closing events up to ``conversation.item.done`` and ``output_item.done``; the
        caller fills in ``usage`` and sends ``done_event``.
        """
        self.status = "cancelled" if reason else "completed"
        self._details = {"type": "cancelled", "reason": reason} if reason else None
        if not self._opened:
            return []
        self.item.status = "incomplete" if reason else "completed"
        if self.plan.modality == "audio":
            self._output.finish(self.item.id)
        return self._closing_events()

    def done_event(self) -> Json:
        """Return ``response.done``."""
        return {"type": "response.done", "response": self.as_event()}

    @property
    def _text(self) -> str:
        return "".join(self._words[: self._next_word])

    def _delta_ms(self) -> float:
        audio_ms = len(self.plan.reply.pcm) / BYTES_PER_MS
        return max(_LEAST_DELTA_MS, audio_ms / self.plan.speed / len(self._words))

    def _open(self) -> list[Json]:
        self._opened = True
        previous_id = self._conversation.last_id
        if self.plan.in_conversation:
            previous_id = self._conversation.insert(self.item)
        shown = self.item.as_event()
        part_key = "transcript" if self.plan.modality == "audio" else "text"
        content_type = f"output_{self.plan.modality}"
        self.item.fields["content"] = [{"type": content_type, part_key: ""}]
        if self.plan.modality == "audio":
            self._output.begin(self.id, self.item.id)
        added = {"response_id": self.id, "output_index": 0, "item": shown}
        events: list[Json] = [{"type": "response.output_item.added", **added}]
        if self.plan.in_conversation:
            item_added = {"previous_item_id": previous_id, "item": shown}
            events.append({"type": "conversation.item.added", **item_added})
        part = {"type": self.plan.modality, part_key: ""}
        events.append({"type": "response.content_part.added", **self._place(), "part": part})
        return events

    def _next_delta(self) -> list[Json]:
        """One word, and its share of the sound."""
        index, count, pcm = self._next_word, len(self._words), self.plan.reply.pcm
        self._next_word += 1
        delta = {"delta": self._words[index], "obfuscation": self._mint.obfuscation()}
        self._set_text(self._text)
        if self.plan.modality == "text":
            return [{"type": "response.output_text.delta", **self._place(), **delta}]
        samples = len(pcm) // 2
        piece = pcm[2 * (samples * index // count) : 2 * (samples * (index + 1) // count)]
        self.item.add_audio(piece)
        self._output.append(self.item.id, piece)
        return [{"type": "response.output_audio_transcript.delta", **self._place(), **delta}]

    def _set_text(self, text: str) -> None:
        part = self.item.fields["content"][0]
        part["transcript" if self.plan.modality == "audio" else "text"] = text

    def _closing_events(self) -> list[Json]:
        place, text = self._place(), self._text
        if self.plan.modality == "audio":
            events = [
                {"type": "response.output_audio.done", **place},
                {"type": "response.output_audio_transcript.done", **place, "transcript": text},
            ]
            part = {"type": "audio", "transcript": text}
        else:
            events = [{"type": "response.output_text.done", **place, "text": text}]
            part = {"type": "text", "text": text}
        events.append({"type": "response.content_part.done", **place, "part": part})
        shown = self.item.as_event()
        if self.plan.in_conversation:
            done = {"previous_item_id": self._predecessor(), "item": shown}
            events.append({"type": "conversation.item.done", **done})
        output_done = {"response_id": self.id, "output_index": 0, "item": shown}
        events.append({"type": "response.output_item.done", **output_done})
        return events

    def _predecessor(self) -> str | None:
        items = self._conversation.items
        position = next((i for i, item in enumerate(items) if item is self.item), 0)
        return items[position - 1].id if position else None

    def _place(self) -> Json:
        return {
            "response_id": self.id,
            "item_id": self.item.id,
            "output_index": 0,
            "content_index": 0,
        }

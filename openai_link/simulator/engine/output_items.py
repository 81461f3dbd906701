"""The output items of a response, each from its first event to its last. Sans-I/O.

An item is a list of timed steps. ``response`` puts the steps of its items in order, one item after
the other or interleaved.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import pieces
from .brain import FunctionCall
from .conversation import Conversation
from .g711 import encoder_for
from .ids import IdMint, RandomSource
from .input_audio import BYTES_PER_MS
from .items import Item
from .options import EngineOptions, happens
from .output_audio import OutputAudio

Json = dict[str, Any]

LEAST_DELTA_MS = 10.0
"""Shortest time between two deltas."""
_UNIT_BYTES = 6  # Three samples at 24 kHz are one at 8 kHz.
_AUDIO_DELTA_BYTES = 200 * BYTES_PER_MS
_ITEM_ID = {"mcp_approval_request": "mcpr"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step in the generation of an item."""

    wait_ms: float
    """Time after the step before."""
    run: Callable[[], list[Json]]
    """Returns events without ``event_id``."""


@dataclass(frozen=True, slots=True)
class ResponseSetup:
    """What all items of a response share."""

    response_id: str
    in_conversation: bool
    conversation: Conversation
    output: OutputAudio
    mint: IdMint
    random: RandomSource
    options: EngineOptions
    modality: str
    """audio or text."""
    audio_format: str
    """audio/pcm, audio/pcmu or audio/pcma: the format of audio in events."""

    @property
    def over_websocket(self) -> bool:
        """Whether audio is sent in events."""
        return self.options.transport == "websocket"


class OutputItem:
    """One item; subclasses define its content."""

    def __init__(
        self, setup: ResponseSetup, index: int, kind: str, fields: Json, has_status: bool
    ) -> None:
        self.setup = setup
        self.index = index
        """``output_index``."""
        item_id = setup.mint.make(_ITEM_ID.get(kind, "item"))
        self.item = Item(item_id, kind, fields, "in_progress" if has_status else None)
        self.opened = False
        self.closed = False

    def content(self) -> list[Step]:
        """Return the steps between ``open`` and ``close``."""
        return []

    def opening(self) -> list[Json]:
        """Return the events after those that announce the item."""
        return []

    def closing(self, is_complete: bool) -> list[Json]:
        """Return the events before those that end the item."""
        return []

    def open(self) -> list[Json]:
        """Announce the item."""
        self.opened = True
        shown = self.item.as_event()
        added = {"response_id": self.setup.response_id, "output_index": self.index, "item": shown}
        events: list[Json] = [{"type": "response.output_item.added", **added}]
        if self.setup.in_conversation:
            previous_id = self.setup.conversation.insert(self.item)
            fields = {"previous_item_id": previous_id, "item": shown}
            events.append({"type": "conversation.item.added", **fields})
        return events + self.opening()

    def close(self, is_complete: bool = True) -> list[Json]:
        """End the item, complete or not."""
        self.closed = True
        if self.item.status is not None:
            self.item.status = "completed" if is_complete else "incomplete"
        events = self.closing(is_complete)
        shown = self.item.as_event()
        if self.setup.in_conversation:
            previous_id = self.setup.conversation.predecessor(self.item)
            if happens(self.setup.options.null_previous_in_done, self.setup.random):
                previous_id = None
            done = {"previous_item_id": previous_id, "item": shown}
            events.append({"type": "conversation.item.done", **done})
        fields = {"response_id": self.setup.response_id, "output_index": self.index, "item": shown}
        events.append({"type": "response.output_item.done", **fields})
        return events

    def place(self) -> Json:
        """Return the keys that tell where a delta belongs."""
        return {
            "response_id": self.setup.response_id,
            "item_id": self.item.id,
            "output_index": self.index,
        }

    def delta(self, kind: str, piece: str, **more: Any) -> Json:
        """Return a text delta."""
        padding = self.setup.mint.obfuscation()
        return {"type": kind, **self.place(), **more, "delta": piece, "obfuscation": padding}


class MessageOutput(OutputItem):
    """A message: text and, in an audio response, its sound, which lags behind."""

    def __init__(self, setup: ResponseSetup, index: int, text: str, pcm: bytes) -> None:
        super().__init__(setup, index, "message", {"role": "assistant", "content": []}, True)
        self._is_audio = setup.modality == "audio"
        self._key = "transcript" if self._is_audio else "text"
        self._pcm = pcm
        self._pieces = pieces.of_words(text, setup.random)
        self._text = ""

    def content(self) -> list[Step]:
        """Return one step per piece of text, with its share of the sound."""
        audio_ms = len(self._pcm) / BYTES_PER_MS if self._is_audio else 0.0
        pace_ms = audio_ms / self.setup.options.generation_speed / len(self._pieces)
        wait_ms = max(LEAST_DELTA_MS, pace_ms)
        return [
            Step(wait_ms if number else 0.0, partial(self._say, number))
            for number in range(len(self._pieces))
        ]

    def opening(self) -> list[Json]:
        """Return ``response.content_part.added``."""
        self.item.fields["content"] = [{"type": f"output_{self.setup.modality}", self._key: ""}]
        if self._is_audio and not self.setup.over_websocket:
            self.setup.output.begin(self.setup.response_id, self.item.id)
        part = {"type": self.setup.modality, self._key: ""}
        place = {**self.place(), "content_index": 0}
        return [{"type": "response.content_part.added", **place, "part": part}]

    def closing(self, is_complete: bool) -> list[Json]:
        """Return the ``done`` events of all deltas and of the content part."""
        place = {**self.place(), "content_index": 0}
        text = {self._key: self._text}
        if self._is_audio:
            self.setup.output.finish(self.item.id)
            events: list[Json] = [
                {"type": "response.output_audio.done", **place},
                {"type": "response.output_audio_transcript.done", **place, **text},
            ]
        else:
            events = [{"type": "response.output_text.done", **place, **text}]
        part = {"type": self.setup.modality, **text}
        return [*events, {"type": "response.content_part.done", **place, "part": part}]

    def _say(self, number: int) -> list[Json]:
        piece = self._pieces[number]
        self._text += piece
        self.item.fields["content"][0][self._key] = self._text
        if not self._is_audio:
            return [self.delta("response.output_text.delta", piece, content_index=0)]
        kind = "response.output_audio_transcript.delta"
        return [self.delta(kind, piece, content_index=0), *self._sound(number)]

    def _sound(self, number: int) -> list[Json]:
        units, count = -(-len(self._pcm) // _UNIT_BYTES), len(self._pieces)
        first, last = units * number // count, units * (number + 1) // count
        pcm = self._pcm[first * _UNIT_BYTES : last * _UNIT_BYTES]
        self.item.add_audio(pcm)
        if not self.setup.over_websocket:
            self.setup.output.append(self.item.id, pcm)
            return []
        encode = encoder_for(self.setup.audio_format)
        place = {**self.place(), "content_index": 0}
        return [
            {
                "type": "response.output_audio.delta",
                **place,
                "delta": base64.b64encode(encode(pcm[at : at + _AUDIO_DELTA_BYTES])).decode(),
            }
            for at in range(0, len(pcm), _AUDIO_DELTA_BYTES)
        ]


class CallOutput(OutputItem):
    """A function call."""

    def __init__(self, setup: ResponseSetup, index: int, call: FunctionCall) -> None:
        self._call_id = setup.mint.make("call", 16)
        fields = {"name": call.name, "call_id": self._call_id, "arguments": ""}
        super().__init__(setup, index, "function_call", fields, True)
        arguments = call.arguments
        if happens(setup.options.padded_arguments, setup.random):
            arguments = pieces.padded(arguments, setup.random)
        self._pieces = pieces.of_characters(arguments, setup.random)

    def content(self) -> list[Step]:
        """Return one step per piece of the arguments."""
        return [Step(LEAST_DELTA_MS, partial(self._add, piece)) for piece in self._pieces]

    def closing(self, is_complete: bool) -> list[Json]:
        """Return ``response.function_call_arguments.done``."""
        call = {key: self.item.fields[key] for key in ("call_id", "name", "arguments")}
        return [{"type": "response.function_call_arguments.done", **self.place(), **call}]

    def _add(self, piece: str) -> list[Json]:
        self.item.fields["arguments"] += piece
        kind = "response.function_call_arguments.delta"
        return [self.delta(kind, piece, call_id=self._call_id)]

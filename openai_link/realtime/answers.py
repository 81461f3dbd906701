"""Which messages a response brought, and whether they can be heard. Sans-I/O.

Part of the reducer: it completes the end of a response by what its events told, whichever of them
came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..facts import Fact, ResponseEnded
from .event_fields import map_of, maps_of, text_of

MAX_ANSWERS = 32
"""Responses that are kept; of more the oldest is forgotten."""
MAX_MESSAGES = 64
"""Messages of one response that are kept."""

_WRITTEN = ("text", "output_text")
_SPOKEN = ("audio", "output_audio")
"""Types of parts, in parts and in items."""


@dataclass(slots=True)
class _Answer:
    messages: dict[str, None] = field(default_factory=dict)
    has_text: bool = False
    has_sound: bool = False


class AnswerBook:
    """The responses of one session."""

    def __init__(self) -> None:
        self._answers: dict[str, _Answer] = {}

    def note(self, event: Mapping[str, Any]) -> None:
        """Take any server event."""
        kind = text_of(event, "type")
        if not kind.startswith("response."):
            return
        if kind == "response.done":
            ended = map_of(event, "response")
            for made in maps_of(ended, "output"):
                self._message(text_of(ended, "id"), made)
            return
        response, item = text_of(event, "response_id"), text_of(event, "item_id")
        if kind.startswith("response.output_item."):
            self._message(response, map_of(event, "item"))
        elif kind.startswith("response.content_part."):
            self._part(response, item, text_of(map_of(event, "part"), "type"))
        elif kind.startswith("response.output_text."):
            self._part(response, item, "text")
        elif kind.startswith("response.output_audio"):  # The sound, or its transcript.
            self._part(response, item, "audio")

    def completed(self, facts: Sequence[Fact]) -> list[Fact]:
        """``facts``, with what is known of the responses that ended."""
        return [
            self._completed(fact) if isinstance(fact, ResponseEnded) else fact for fact in facts
        ]

    def _completed(self, ended: ResponseEnded) -> ResponseEnded:
        answer = self._answers.get(ended.response)
        if answer is None:
            return ended
        is_written = answer.has_text and not answer.has_sound
        return replace(ended, items=tuple(answer.messages), is_written=is_written)

    def _message(self, response: str, item: Mapping[str, Any]) -> None:
        if text_of(item, "type") != "message":
            return
        self._answer(response, text_of(item, "id"))
        for part in maps_of(item, "content"):
            self._part(response, text_of(item, "id"), text_of(part, "type"))

    def _part(self, response: str, item: str, kind: str) -> None:
        answer = self._answer(response, item)
        if answer is not None:
            answer.has_text = answer.has_text or kind in _WRITTEN
            answer.has_sound = answer.has_sound or kind in _SPOKEN

    def _answer(self, response: str, item: str) -> _Answer | None:
        if not response or not item:
            return None
        answer = self._answers.setdefault(response, _Answer())
        if len(answer.messages) < MAX_MESSAGES:
            answer.messages[item] = None
        if len(self._answers) > MAX_ANSWERS:
            del self._answers[next(iter(self._answers))]
        return answer

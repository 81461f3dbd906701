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
    has_other: bool = False
    """Something else than messages is in it, such as a call."""
    is_listed: bool = False
    """Its end lists what is in it."""

    @property
    def is_empty(self) -> bool:
        """The server says that there is nothing in it, and nothing came."""
        return self.is_listed and not (self.has_text or self.has_sound or self.has_other)


class AnswerBook:
    """The responses of one session."""

    def __init__(self) -> None:
        self._answers: dict[str, _Answer] = {}
        self._has_strays = False
        """Something came of which the server does not say to which response it belongs."""

    def note(self, event: Mapping[str, Any]) -> None:
        """Take any server event."""
        kind = text_of(event, "type")
        response, item = text_of(event, "response_id"), text_of(event, "item_id")
        if not kind.startswith("response."):
            self._aside(kind, response, map_of(event, "item"))
            return
        if kind == "response.done":
            self._ended(map_of(event, "response"))
            return
        if kind.startswith(("response.function_call", "response.mcp_call")):
            self._other(response)
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
        is_true = ended.status == "completed" and ended.in_conversation and not ended.inferred
        is_empty = is_true and answer.is_empty and not self._has_strays
        self._has_strays = self._has_strays and not is_true
        items = tuple(answer.messages)
        return replace(
            ended,
            items=items,
            is_written=is_written,
            is_empty=is_empty,
            has_other=answer.has_other,
        )

    def _ended(self, response: Mapping[str, Any]) -> None:
        identity, output = text_of(response, "id"), response.get("output")
        for made in maps_of(response, "output"):
            self._message(identity, made)
        if identity and isinstance(output, list):
            self._known(identity).is_listed = True

    def _aside(self, kind: str, response: str, item: Mapping[str, Any]) -> None:
        """An event that is not one of a response."""
        if kind.startswith("output_audio_buffer."):
            self._other(response)
        elif kind.startswith("conversation.item.") and item:
            self._has_strays = self._has_strays or text_of(item, "role") not in ("user", "system")

    def _other(self, response: str) -> None:
        if response:
            self._known(response).has_other = True
        else:
            self._has_strays = True

    def _message(self, response: str, item: Mapping[str, Any]) -> None:
        if text_of(item, "type") != "message":
            if item:
                self._other(response)
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
        answer = self._known(response)
        if len(answer.messages) < MAX_MESSAGES:
            answer.messages[item] = None
        return answer

    def _known(self, response: str) -> _Answer:
        answer = self._answers.setdefault(response, _Answer())
        if len(self._answers) > MAX_ANSWERS:
            del self._answers[next(iter(self._answers))]
        return answer

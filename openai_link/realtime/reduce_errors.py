"""Which of our events a server's ``error`` is about, and how bad it is. Part of the reducer.

Servers take the service's words and leave its codes out, and name events that are none of ours: the
words tell the ordinary refusals then, and an id that we have not given says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mixer_core.runtime.errors import UpstreamError

from ..facts import Fact, ServerError
from .event_fields import map_of, text_of
from .refusal_body import MAX_CODE, RefusalBody, read_value

MAX_MATCHED = 300
"""Characters of a message in which the words are looked for."""
MAX_SENT = 512
"""Client events whose type is remembered: a long history is sent at once."""
BENIGN_CODES = frozenset(
    {
        "response_cancel_not_active",
        "conversation_already_has_active_response",
        "input_audio_buffer_commit_empty",
        "item_retrieve_invalid_item_id",
        "item_delete_invalid_item_id",
        "item_truncate_invalid_item_id",
    }
)
"""Errors that are the ordinary result of two sides acting at once."""
RACING = frozenset({"conversation.item.truncate", "response.cancel", "output_audio_buffer.clear"})
"""Events of ours that stop what the server may have ended already: a refusal of them says so."""
RACE_WORDS = ("is already shorter than", "Only model output audio messages can be truncated")
"""Words of such refusals, from servers that do not say which event they are about."""
_WORDS = (
    ("response_cancel_not_active", re.compile(r"\bno active response\b")),
    ("conversation_already_has_active_response", re.compile(r"already has an active response")),
    ("input_audio_buffer_commit_empty", re.compile(r"committing input audio buffer: .*buffer")),
    ("item_retrieve_invalid_item_id", re.compile(r"retrieving item: .*does not exist")),
    ("item_delete_invalid_item_id", re.compile(r"deleting item: .*does not exist")),
    ("item_truncate_invalid_item_id", re.compile(r"truncating item: .*does not exist")),
)
"""The service's words of ordinary refusals, in lower case, and their codes."""
_OURS = "mm"
"""Begins every id that the link makes."""
FATAL_CODES = UpstreamError.FATAL_CODES | {"session_expired", "beta_api_shape_disabled"}
"""Errors after which the session does not live on."""


class ErrorBook:
    """What was sent in one call, by event id."""

    def __init__(self) -> None:
        self._sent: dict[str, str] = {}

    def sent(self, event: Mapping[str, Any]) -> None:
        """Remember a client event; sound is too frequent for that and never at fault."""
        kind = text_of(event, "type")
        if kind == "input_audio_buffer.append":
            return
        self._sent[text_of(event, "event_id")] = kind
        if len(self._sent) > MAX_SENT:
            del self._sent[next(iter(self._sent))]

    def error(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """The event ``error``."""
        error = map_of(event, "error")
        own, message = text_of(error, "code"), text_of(error, "message")
        code = own or text_of(error, "type")
        said = RefusalBody() if code and message else _said(event)
        code, message = (code or said.code or "unknown")[:MAX_CODE], message or said.words
        code = code if own else _known_by_words(message) or code
        event_id = self._named(error)
        cause = self._sent.get(event_id, "")
        fatal, param = code in FATAL_CODES, text_of(error, "param")
        is_race = cause in RACING or any(words in message for words in RACE_WORDS)
        benign = (code in BENIGN_CODES or is_race) and not fatal
        return [ServerError(code, message, event_id, cause, benign, fatal, param)]

    def _named(self, error: Mapping[str, Any]) -> str:
        """The event of ours that an error names, or empty."""
        event_id = text_of(error, "event_id")
        return event_id if event_id in self._sent or event_id.startswith(_OURS) else ""


def _known_by_words(message: str) -> str:
    """The code of an ordinary refusal that comes without one; empty: it is another."""
    words = message[:MAX_MATCHED].lower()
    return next((code for code, pattern in _WORDS if pattern.search(words)), "")


def _said(event: Mapping[str, Any]) -> RefusalBody:
    """What the event says, whatever its shape: an object, plain words, or fields of its own."""
    if event.get("error"):
        return read_value(event["error"])
    return read_value({k: v for k, v in event.items() if k not in ("type", "event_id")})

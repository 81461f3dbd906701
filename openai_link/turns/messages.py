"""What people see of messages to the assistant: words that somebody types, pictures. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..pictures import Picture
from ..realtime.item_content import words_of
from ..realtime.session_object import MAX_SAY_CHARS
from .actions import Tell, TypedText, problem


def refusal(event: Mapping[str, Any]) -> Tell | None:
    """Why a browser's ``say`` cannot be sent; None: it can."""
    text = event.get("text")
    if not isinstance(text, str) or not text.strip():
        return problem(event, "bad_say", "say needs a text that is not empty")
    if len(text) > MAX_SAY_CHARS:
        message = f"say takes at most {MAX_SAY_CHARS} characters, got {len(text)}"
        return problem(event, "bad_say", message)
    return None


def typed(event: Mapping[str, Any], create: Mapping[str, Any]) -> TypedText:
    """A browser's ``say`` that is sent with the client event ``create``."""
    item, text = str(create["item"]["id"]), str(event["text"])
    participant, name = str(event.get("participant", "user")), str(event.get("name", ""))
    caption = {"type": "caption", "speaker": participant, "item": item, "text": text, "final": True}
    return TypedText(caption, 0, item, participant, name, text)


def shown(picture: Picture, create: Mapping[str, Any]) -> TypedText:
    """A picture that is shown with the client event ``create``."""
    item = str(create["item"]["id"])
    caption = {
        "type": "caption",
        "speaker": picture.participant,
        "item": item,
        "text": picture.shown,
        "final": True,
        "picture": picture.as_event(),
    }
    words = words_of(create["item"]) or ""
    return TypedText(caption, 0, item, picture.participant, picture.name, words, picture)

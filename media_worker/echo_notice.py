"""What a person is told of a microphone that hears another device. Sans-I/O.

The mixer says it with every roster, so that whoever missed one hears it with the next.
"""

from __future__ import annotations

from typing import Any

from .protocol import gateway_messages

CODE = "echo"
ASSISTANT = "assistant"


class EchoNotice:
    """The notice of one participant: given once per finding, and taken back when it is over."""

    def __init__(self) -> None:
        self._told = ""

    def follow(self, roster: dict[str, Any], participant: str) -> str | None:
        """Take an event ``participants``; the notice to send, if anything has changed."""
        entries = [e for e in roster.get("participants", ()) if isinstance(e, dict)]
        own = next((e for e in entries if e.get("participant") == participant), None)
        if own is None:
            return None
        words = _words(str(own.get("hears", "")), entries)
        if words == self._told:
            return None
        self._told = words
        return gateway_messages.notice(CODE, words, 0)


def _words(hears: str, entries: list[dict[str, Any]]) -> str:
    if not hears:
        return ""
    if len(entries) == 1:
        return (
            "this device hears the assistant from its own loudspeaker: use headphones, or switch "
            "on the browser's echo cancellation"
        )
    names = (str(e.get("name", "")) for e in entries if e.get("participant") == hears)
    who = "the assistant" if hears == ASSISTANT else next(names, "") or "somebody"
    return (
        f"this device hears {who} from another loudspeaker: choose the same place for both "
        "devices, or use headphones; until then its microphone is off while that sounds"
    )

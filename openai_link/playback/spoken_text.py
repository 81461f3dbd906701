"""Which words of a reply fit into the time that was heard. Sans-I/O.

The server does not say when a word sounds. If the text is complete and the duration of all its
audio is known, words are spread evenly over it; otherwise the rate of speech decides, which is
learnt from replies that were heard to the end. The text ends at a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..facts import Caption
from ..realtime.bounds import MAX_TEXT_CHARS
from ..realtime.captions import MAX_SHOWN_CHARS
from ..realtime.event_fields import maps_of, text_of

CHARS_PER_S = 15.0
"""Typical speech in languages with an alphabet; replaced by what is learnt."""
MIN_LEARN_MS = 1_000
"""Shorter replies teach nothing: the silence around them weighs too much."""
MAX_ITEMS = 16
"""Items whose text is kept; the oldest is forgotten."""


class SpokenText:
    """The texts of the newest items, and the rate at which they are spoken."""

    def __init__(self, speed: float = 1.0) -> None:
        """``speed``: of the session's voice, 1.0 is normal."""
        self._chars_per_ms = CHARS_PER_S * speed / 1000
        self._learnt = False
        self._texts: dict[str, str] = {}

    def caption(self, caption: Caption) -> None:
        """Text so far, or all of it. Only the beginning of the text matters."""
        if caption.speaker == "assistant" and len(caption.text) < MAX_SHOWN_CHARS:
            self._keep(caption.item, caption.text)

    def done(self, item: str, content: Mapping[str, Any]) -> None:
        """An item in its final form."""
        if text_of(content, "role") == "assistant":
            parts = maps_of(content, "content")
            words = "".join(text_of(part, "transcript") for part in parts)
            self._keep(item, words[:MAX_TEXT_CHARS])

    def learn(self, item: str, heard_ms: int) -> None:
        """The item was heard to the end, and took ``heard_ms``."""
        text = self._texts.get(item, "")
        if heard_ms < MIN_LEARN_MS or not text:
            return
        rate = len(text) / heard_ms
        self._chars_per_ms = (self._chars_per_ms + rate) / 2 if self._learnt else rate
        self._learnt = True

    def length_ms(self, item: str) -> int:
        """How long the item takes to say, at the rate of speech."""
        return int(len(self._texts.get(item, "")) / self._chars_per_ms)

    def until(self, item: str, heard_ms: int, whole_ms: int | None = None) -> str:
        """The words in the first ``heard_ms``; ``whole_ms``: duration of all of them, if known."""
        text = self._texts.get(item, "")
        if whole_ms:
            return cut_at_word(text, len(text) * heard_ms // whole_ms)
        return cut_at_word(text, int(heard_ms * self._chars_per_ms))

    def _keep(self, item: str, text: str) -> None:
        if len(text) > len(self._texts.get(item, "")):
            self._texts[item] = text
            if len(self._texts) > MAX_ITEMS:
                del self._texts[next(iter(self._texts))]


def cut_at_word(text: str, chars: int) -> str:
    """At most ``chars`` characters of ``text``, without a part of a word at the end.

    Scripts without spaces are cut at the character.
    """
    if chars >= len(text):
        return text
    head = text[: max(0, chars)]
    if not text[len(head)].isspace() and any(map(str.isspace, text)):
        spaces = [index for index, char in enumerate(head) if char.isspace()]
        head = head[: spaces[-1]] if spaces else ""
    return head.rstrip()

"""Token counts of a response, by the published rules. Sans-I/O.

User audio: 1 token per 100 ms; assistant audio: 1 per 50 ms; text: about 4 characters each. The
whole conversation is billed again with every response; from the second one on, the part that was
sent before is cached, in steps of 64 tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .items import Item

_CACHE_STEP = 64
_IMAGE_TOKENS = 255
TOKEN_LIMIT_PER_MINUTE = 40_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """A count by modality."""

    text: int = 0
    audio: int = 0
    image: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.text + self.audio + self.image

    def plus(self, other: Tokens) -> Tokens:
        """Return the sum."""
        return Tokens(self.text + other.text, self.audio + other.audio, self.image + other.image)

    def cached(self, before: Tokens) -> Tokens:
        """Return the part of this that is cached when ``before`` was sent last time."""
        pairs = zip(
            (self.text, self.audio, self.image),
            (before.text, before.audio, before.image),
            strict=True,
        )
        return Tokens(*(min(now, then) // _CACHE_STEP * _CACHE_STEP for now, then in pairs))

    def as_event(self) -> dict[str, Any]:
        """Return the counts as events carry them."""
        return {
            "text_tokens": self.text,
            "audio_tokens": self.audio,
            "image_tokens": self.image,
        }


def text_tokens(text: str) -> int:
    """Return the tokens of written text, rounded up."""
    return -(-len(text) // 4)


def audio_tokens(item: Item) -> int:
    """Return the tokens of an item's sound."""
    return item.audio_ms // (50 if item.role == "assistant" else 100)


def item_tokens(item: Item) -> Tokens:
    """Return the tokens of an item; the transcript of the user's speech does not count."""
    parts = item.fields.get("content", [])
    written = item.text if item.role == "assistant" or not item.audio_ms else ""
    for key in ("name", "arguments", "output"):
        written += str(item.fields.get(key) or "")
    images = sum(part.get("type") == "input_image" for part in parts)
    return Tokens(text_tokens(written), audio_tokens(item), images * _IMAGE_TOKENS)


def total(items: Iterable[Item], instructions: str = "") -> Tokens:
    """Return the tokens of items and instructions."""
    tokens = Tokens(text=text_tokens(instructions))
    for item in items:
        tokens = tokens.plus(item_tokens(item))
    return tokens


def within(items: Sequence[Item], limit: int, keep_share: float) -> list[Item]:
    """Return the newest items that fit into a context of ``limit`` tokens.

    When they do not all fit, the oldest are dropped until ``keep_share`` of the limit is left.
    """
    kept = list(items)
    left = total(kept).total
    if left <= limit:
        return kept
    while len(kept) > 1 and left > limit * keep_share:
        left -= item_tokens(kept.pop(0)).total
    return kept


def usage_event(given: Tokens, before: Tokens, made: Tokens) -> dict[str, Any]:
    """Return ``response.usage`` for an input, the previous input, and an output."""
    cached = given.cached(before)
    return {
        "total_tokens": given.total + made.total,
        "input_tokens": given.total,
        "output_tokens": made.total,
        "input_token_details": {
            **given.as_event(),
            "cached_tokens": cached.total,
            "cached_tokens_details": cached.as_event(),
        },
        "output_token_details": {"text_tokens": made.text, "audio_tokens": made.audio},
    }

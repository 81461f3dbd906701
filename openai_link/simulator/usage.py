"""Token counts of a response, by the published rules. Pure.

User audio: 1 token per 100 ms; assistant audio: 1 per 50 ms; text: about 4 characters each. The
whole conversation is billed again with every response; from the second one on a part of it, in
steps of 64 tokens, comes from the cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openai_link.simulator.conversation import Item

_CACHE_STEP = 64
TOKEN_LIMIT_PER_MINUTE = 40_000


def text_tokens(text: str) -> int:
    """Return the tokens of written text, rounded up."""
    return -(-len(text) // 4)


def response_usage(
    history: Iterable[Item], instructions: str, answer: Item | None, is_first: bool
) -> dict[str, Any]:
    """Return ``response.usage``. ``history``: what was the input; ``answer``: what was made."""
    items = list(history)
    text_in = text_tokens(instructions) + sum(text_tokens(_written(item)) for item in items)
    audio_in = sum(_audio_tokens(item) for item in items)
    cached_text = 0 if is_first else text_in // _CACHE_STEP * _CACHE_STEP
    cached_audio = 0 if is_first else audio_in // _CACHE_STEP * _CACHE_STEP
    text_out = text_tokens(answer.text) if answer else 0
    audio_out = _audio_tokens(answer) if answer else 0
    return {
        "total_tokens": text_in + audio_in + text_out + audio_out,
        "input_tokens": text_in + audio_in,
        "output_tokens": text_out + audio_out,
        "input_token_details": {
            "text_tokens": text_in,
            "audio_tokens": audio_in,
            "image_tokens": 0,
            "cached_tokens": cached_text + cached_audio,
            "cached_tokens_details": {
                "text_tokens": cached_text,
                "audio_tokens": cached_audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    }


def _written(item: Item) -> str:
    return item.text + str(item.fields.get("arguments", "")) + str(item.fields.get("output", ""))


def _audio_tokens(item: Item) -> int:
    return item.audio_ms // (50 if item.role == "assistant" else 100)

"""What models cost: the shape of a price, and the list prices that are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

Dollars = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


@dataclass(frozen=True, slots=True)
class Price:
    """List price of one model in US dollars per million tokens, or per minute of sound."""

    text_in: Dollars
    text_cached: Dollars
    text_out: Dollars
    audio_in: Dollars
    audio_cached: Dollars
    audio_out: Dollars
    image_in: Dollars = 0.0
    image_cached: Dollars = 0.0
    minute: Dollars = 0.0
    """Per minute of sound in, where a model is billed by time; the audio prices are not used."""


LIST_PRICES: Mapping[str, Price] = {
    "gpt-realtime-2.1": Price(4, 0.4, 24, 32, 0.4, 64, 5, 0.5),
    "gpt-realtime-2.1-mini": Price(0.6, 0.06, 2.4, 10, 0.3, 20, 0.8, 0.08),
    "gpt-realtime-2": Price(4, 0.4, 24, 32, 0.4, 64, 5, 0.5),
    "gpt-realtime-1.5": Price(4, 0.4, 16, 32, 0.4, 64, 5, 0.5),
    "gpt-4o-transcribe": Price(2.5, 2.5, 10, 2.5, 2.5, 0),
    "gpt-4o-mini-transcribe": Price(1.25, 1.25, 5, 1.25, 1.25, 0),
    "gpt-transcribe": Price(0, 0, 0, 0, 0, 0, minute=0.0045),
    "gpt-live-transcribe": Price(0, 0, 0, 0, 0, 0, minute=0.017),
    "gpt-realtime-whisper": Price(0, 0, 0, 0, 0, 0, minute=0.017),
    "whisper-1": Price(0, 0, 0, 0, 0, 0, minute=0.006),
}
"""Published at https://developers.openai.com/api/docs/models/NAME, one page a model. The models
that transcribe by tokens have one price for all input, and none for what was cached."""

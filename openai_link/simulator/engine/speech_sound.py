"""Sound for words that nobody spoke: a babble of tones, one for each character. Sans-I/O.

It is loud enough for any voice activity detection, sounds different for different words, and has
a known length: what is heard of it tells how far playback came.
"""

from __future__ import annotations

from functools import cache

from mixer_core.bus.pcm import FRAME_MS
from openai_link.simulator.engine.brains import tone

MS_PER_CHARACTER = 60
_LOWEST_HZ, _STEP_HZ, _PITCHES = 200.0, 50.0, 12
_PEAK, _PAUSE_PEAK = 7_000, 600


def speech(text: str, length_ms: int | None = None, ms_per_character: int = 60) -> bytes:
    """Return PCM16, 24 kHz, in whole frames: ``length_ms``, or what the characters take."""
    wanted_ms = len(text) * ms_per_character if length_ms is None else length_ms
    frames = max(1, round(wanted_ms / FRAME_MS))
    if not text:
        text = " "
    return b"".join(_frame(text[frame * len(text) // frames]) for frame in range(frames))


@cache
def _frame(character: str) -> bytes:
    if character.isspace():
        return tone(FRAME_MS, _LOWEST_HZ, _PAUSE_PEAK)
    return tone(FRAME_MS, _LOWEST_HZ + ord(character) % _PITCHES * _STEP_HZ, _PEAK)

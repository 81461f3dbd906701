"""Sounds of the brains: tones, a chime, and babble in place of speech. Sans-I/O."""

from __future__ import annotations

import math
from array import array
from functools import cache

from mixer_core.bus.pcm import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ, SILENCE

TAG = "[simulator]"
"""Marks replies of the echo and tone brains as simulated."""
TONE_HZ = 400.0  # Whole periods in a frame, so that frames join without a click.
_TONE_PEAK = 8_000
_FADE_SAMPLES = 240
MS_PER_CHARACTER = 60
_LOWEST_HZ, _STEP_HZ, _PITCHES = 200.0, 50.0, 12
_PEAK, _PAUSE_PEAK = 7_000, 600


def tone(length_ms: int, frequency_hz: float = TONE_HZ, peak: int = _TONE_PEAK) -> bytes:
    """Return PCM16: one frame of a sine with ``peak`` (of 32767), repeated for ``length_ms``."""
    step = 2 * math.pi * frequency_hz / SAMPLE_RATE_HZ
    frame = array("h", (round(peak * math.sin(step * i)) for i in range(FRAME_SAMPLES)))
    return frame.tobytes() * (length_ms // FRAME_MS)


def chime() -> bytes:
    """Return PCM16: two rising notes of 160 ms each and a short silence."""
    return _note(600.0) + _note(800.0) + SILENCE * 5


def speech(
    text: str, length_ms: int | None = None, ms_per_character: int = MS_PER_CHARACTER
) -> bytes:
    """Return a babble of tones, one for each character: PCM16, 24 kHz, in whole frames.

    It is loud enough for any voice activity detection, and differs from word to word, so that a
    recording shows how far a reply was played.
    """
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


def _note(frequency_hz: float) -> bytes:
    samples = array("h", tone(160, frequency_hz, 6_000))
    for i in range(_FADE_SAMPLES):
        samples[i] = samples[i] * i // _FADE_SAMPLES
        samples[-1 - i] = samples[-1 - i] * i // _FADE_SAMPLES
    return samples.tobytes()

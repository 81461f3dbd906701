"""Who answers: a brain turns what the user said or wrote into words and sound. Pure.

Every transcript begins with "[simulator]", so that nobody takes it for the real service.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from typing import Protocol

from mixer_core.bus.pcm import FRAME_SAMPLES, SAMPLE_RATE_HZ, SILENCE
from openai_link.simulator.input_audio import BYTES_PER_MS

_TAG = "[simulator]"
_TONE_HZ = 400.0  # A whole number of periods per frame: frames join without a click.
_TONE_PEAK = 8_000
_FADE_SAMPLES = 240


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be answered."""

    audio: bytes | None = None
    """The last user turn as heard: PCM16, 24 kHz mono; None if it was not spoken."""
    text: str | None = None
    """The last user turn as written; None if it was not written. Neither: nobody said anything."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    transcript: str
    """The words; for a text response, all there is."""
    pcm: bytes
    """The sound: PCM16, 24 kHz mono, any length."""


class Brain(Protocol):
    """Answers turns."""

    def reply(self, turn: Turn) -> Reply:
        """Return the answer to ``turn``."""


class EchoTest:
    """Greets, then repeats what it heard, sample for sample: a test of microphone and speaker."""

    def __init__(self, greeting_pcm: bytes, greeting_text: str, greets: bool = True) -> None:
        """``greeting_pcm``, ``greeting_text``: what is said when nobody has said anything yet."""
        self._greeting = Reply(f"{_TAG} {greeting_text}", greeting_pcm)
        self._greets = greets

    def reply(self, turn: Turn) -> Reply:
        """Repeat audio; quote text with a chime; greet where there is neither."""
        if turn.audio:
            seconds = len(turn.audio) / (1_000 * BYTES_PER_MS)
            words = f"{_TAG} I heard {seconds:.1f} s of speech; here it is again."
            return Reply(words, turn.audio)
        if turn.text is not None:
            return Reply(f'{_TAG} You wrote: "{turn.text}"', chime())
        if self._greets:
            return self._greeting
        return Reply(f"{_TAG} There is nothing to repeat yet.", chime())


class Tone:
    """Answers everything with a long tone: something to interrupt, and to measure."""

    def __init__(self, length_ms: int) -> None:
        """``length_ms``: length of the tone."""
        self._reply = Reply(
            f"{_TAG} This is a tone of {length_ms / 1000:.1f} s at {_TONE_HZ:.0f} Hz.",
            tone(length_ms),
        )

    def reply(self, turn: Turn) -> Reply:
        """Return the tone, whatever was said."""
        return self._reply


def tone(length_ms: int, frequency_hz: float = _TONE_HZ, peak: int = _TONE_PEAK) -> bytes:
    """Return a sine of ``length_ms`` (whole frames) at ``peak`` (of 32767); made of one frame."""
    step = 2 * math.pi * frequency_hz / SAMPLE_RATE_HZ
    frame = array("h", (round(peak * math.sin(step * i)) for i in range(FRAME_SAMPLES)))
    return frame.tobytes() * (length_ms // 20)


def chime() -> bytes:
    """Return two rising notes of 160 ms each and a short silence, as an answer to text."""
    return _note(600.0) + _note(800.0) + SILENCE * 5


def _note(frequency_hz: float) -> bytes:
    samples = array("h", tone(160, frequency_hz, 6_000))
    for i in range(_FADE_SAMPLES):
        samples[i] = samples[i] * i // _FADE_SAMPLES
        samples[-1 - i] = samples[-1 - i] * i // _FADE_SAMPLES
    return samples.tobytes()

"""Voice activity detection by energy, relative to the noise floor. Sans-I/O.

A turn begins after 60 ms above the threshold and ends after ``silence_duration_ms`` below it. The
threshold is -45 dBFS at the API's default of 0.5 and moves 6 dB per 0.1; it follows louder
background noise, so that a fan does not count as speech for long.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from mixer_core.bus.pcm import FRAME_MS, SILENCE

_SILENT_DB = -120.0
_FULL_SCALE = 32_768
_DEFAULT_THRESHOLD_DB = -45.0
_DB_PER_UNIT = 60.0
_ABOVE_NOISE_DB = 9.0
_LOUDEST_NOISE_DB = -35.0  # Louder steady sound is speech, or a test tone.
_HYSTERESIS_DB = 6.0
_ATTACK_FRAMES = 3
_NOISE_BLOCK_FRAMES = 50  # The floor is the quietest frame of the last eight whole seconds.
_NOISE_BLOCKS = 8


@dataclass(frozen=True, slots=True)
class VadSettings:
    """The numbers in the session's ``turn_detection``."""

    threshold: float = 0.5
    """0 (most sensitive) to 1."""
    prefix_padding_ms: int = 300
    """Audio before the first loud frame that belongs to the turn."""
    silence_duration_ms: int = 500
    """Silence that ends a turn."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began."""

    audio_start_ms: int
    """Start of the turn in the session's audio, prefix padding included."""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The turn is over."""

    audio_end_ms: int
    """End of the turn in the session's audio, the final silence included."""
    speech_end_ms: int
    """End of the last loud frame."""


VadEvent = SpeechStarted | SpeechStopped


def level_db(pcm: bytes) -> float:
    """Return the RMS level of PCM16 (not empty) in dBFS; -120 for digital silence."""
    if pcm == SILENCE:
        return _SILENT_DB
    samples = memoryview(pcm).cast("h")
    norm = math.hypot(*samples)  # The root of the sum of squares, three times as fast as a loop.
    return 20 * math.log10(norm / (_FULL_SCALE * math.sqrt(len(samples)))) if norm else _SILENT_DB


class VoiceActivity:
    """Takes the gapless input, one 20 ms frame after the other."""

    def __init__(self, settings: VadSettings | None = None, at_ms: int = 0) -> None:
        """``at_ms``: position in the session's audio of the first frame."""
        self.settings = settings or VadSettings()
        self.speaking = False
        self._now_ms = at_ms
        self._earliest_start_ms = at_ms
        self._loud_frames = 0
        self._speech_end_ms = at_ms
        self._block_min_db = 0.0
        self._block_frames = 0
        self._block_minima: deque[float] = deque(maxlen=_NOISE_BLOCKS)

    @property
    def threshold_db(self) -> float:
        """Level from which a frame counts as speech now."""
        base_db = _DEFAULT_THRESHOLD_DB + (self.settings.threshold - 0.5) * _DB_PER_UNIT
        if len(self._block_minima) < _NOISE_BLOCKS:
            return base_db
        noise_db = min(min(self._block_minima), _LOUDEST_NOISE_DB)
        return max(base_db, noise_db + _ABOVE_NOISE_DB)

    def push(self, pcm: bytes) -> VadEvent | None:
        """Take one frame (960 bytes); return the change it causes."""
        level = level_db(pcm)
        start_ms = self._now_ms
        self._now_ms += FRAME_MS
        self._follow_noise(level)
        if self.speaking:
            return self._while_speaking(level)
        return self._while_silent(level, start_ms)

    def _while_silent(self, level: float, start_ms: int) -> SpeechStarted | None:
        self._loud_frames = self._loud_frames + 1 if level >= self.threshold_db else 0
        if self._loud_frames < _ATTACK_FRAMES:
            return None
        self.speaking = True
        self._loud_frames = 0
        self._speech_end_ms = self._now_ms
        first_loud_ms = start_ms - (_ATTACK_FRAMES - 1) * FRAME_MS
        padded_ms = first_loud_ms - self.settings.prefix_padding_ms
        return SpeechStarted(max(padded_ms, self._earliest_start_ms))

    def _while_speaking(self, level: float) -> SpeechStopped | None:
        if level >= self.threshold_db - _HYSTERESIS_DB:
            self._speech_end_ms = self._now_ms
            return None
        if self._now_ms - self._speech_end_ms < self.settings.silence_duration_ms:
            return None
        self.speaking = False
        self._earliest_start_ms = self._now_ms
        return SpeechStopped(self._now_ms, self._speech_end_ms)

    def _follow_noise(self, level: float) -> None:
        self._block_min_db = min(self._block_min_db, level)
        self._block_frames += 1
        if self._block_frames == _NOISE_BLOCK_FRAMES:
            self._block_minima.append(self._block_min_db)
            self._block_min_db = 0.0
            self._block_frames = 0

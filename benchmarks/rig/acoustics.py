"""A room of the house, in numbers: from a loudspeaker through the air into a microphone."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from mixer_core.bus.pcm import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ

Samples = NDArray[np.float64]
"""Full scale is ±1."""
RESPONSE_S = 0.3
_FULL_SCALE = 32_768


class AirPath:
    """What one microphone hears of one small loudspeaker, frame by frame."""

    def __init__(self, rng: np.random.Generator, lag_ms: float, gain_db: float) -> None:
        """``lag_ms``: from the mixer and back to it, network and buffers included.

        ``gain_db``: level at the microphone, less the level of what is played.
        """
        response = _response(rng) * 10 ** (gain_db / 20)
        self._size = 1 << (len(response) + FRAME_SAMPLES - 1).bit_length()
        self._spectrum = np.fft.rfft(response, self._size)
        self._tail = np.zeros(self._size)
        self._offset = int(lag_ms % FRAME_MS * SAMPLE_RATE_HZ / 1000)
        self._waiting: deque[Samples] = deque(
            np.zeros(FRAME_SAMPLES) for _ in range(int(lag_ms // FRAME_MS))
        )
        self._last = np.zeros(FRAME_SAMPLES)

    def pass_on(self, played: Samples) -> Samples:
        """The loudspeaker plays a frame; what the microphone hears at that time."""
        self._waiting.append(played)
        late = self._waiting.popleft()
        both = np.concatenate([self._last, late])
        self._last = late
        shifted = both[FRAME_SAMPLES - self._offset : 2 * FRAME_SAMPLES - self._offset]
        heard = np.fft.irfft(np.fft.rfft(shifted, self._size) * self._spectrum, self._size)
        self._tail += heard
        out = self._tail[:FRAME_SAMPLES].copy()
        self._tail = np.concatenate([self._tail[FRAME_SAMPLES:], np.zeros(FRAME_SAMPLES)])
        return out


def _response(rng: np.random.Generator) -> Samples:
    """A loudspeaker of 200 … 500 Hz to 4.5 … 8 kHz in a room with 0.2 … 0.6 s of reverberation."""
    size = int(RESPONSE_S * SAMPLE_RATE_HZ)
    time_s = np.arange(size) / SAMPLE_RATE_HZ
    diffuse = rng.standard_normal(size) * 10 ** (-3 * time_s / rng.uniform(0.2, 0.6))
    diffuse[:24] = 0
    diffuse *= rng.uniform(0.5, 1.2) / np.linalg.norm(diffuse)
    diffuse[int(rng.integers(24, 200))] += 1
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    low, high = rng.uniform(200, 500), rng.uniform(4_500, 8_000)
    shape = 1 / np.sqrt((1 + (low / np.maximum(hz, 1)) ** 6) * (1 + (hz / high) ** 6))
    bumps_db = np.interp(hz, np.linspace(0, 12_000, 12), rng.normal(0, 4, 12))
    made = np.fft.irfft(np.fft.rfft(diffuse) * shape * 10 ** (bumps_db / 20), size)
    # Speech is loudest where loudspeakers are even: so the gain is one for its middle.
    band = (hz > 300) & (hz < 3_000)
    even: Samples = made / np.sqrt(np.mean(np.abs(np.fft.rfft(made)[band]) ** 2))
    return even


def noise(rng: np.random.Generator, level_dbfs: float) -> Samples:
    """A frame of a quiet room."""
    return rng.standard_normal(FRAME_SAMPLES) * 10 ** (level_dbfs / 20)


def at_level(speech: Samples, level_dbfs: float) -> Samples:
    """``speech`` with its louder parts at that level (RMS)."""
    return speech * 10 ** ((level_dbfs - speech_dbfs(speech)) / 20)


def speech_dbfs(speech: Samples) -> float:
    """RMS level of the frames that are within 26 dB of the loudest."""
    levels = frame_rms(speech)
    loud = levels[levels > levels.max() * 0.05]
    return float(20 * np.log10(np.sqrt(np.mean(loud**2))))


def frame_rms(speech: Samples) -> Samples:
    """RMS of each frame."""
    frames = speech[: len(speech) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    levels: Samples = np.sqrt(np.mean(frames**2, axis=1))
    return levels


def to_pcm(samples: Samples) -> bytes:
    """One frame as PCM16, clipped."""
    scaled = np.round(samples * _FULL_SCALE)
    return np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()


def from_pcm(pcm: bytes) -> Samples:
    """PCM16 to ±1."""
    return np.frombuffer(pcm, "<i2").astype(np.float64) / _FULL_SCALE

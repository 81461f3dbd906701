"""Listening by measurement: correlation, gaps, levels of tones."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 24_000
SENTENCE = Path(__file__).parents[1] / "data" / "sentence.wav"

LOUD_DBFS = -35.0
"""Level of 10 ms or more that is inside a word."""
ALIKE = 0.9
"""Likeness of speech to itself after two generations of Opus, with some room below."""

Samples = NDArray[np.float64]
"""One-dimensional, full scale is ±1."""


def read_wav(path: Path) -> Samples:
    """Samples of a mono 16-bit WAV at 24 kHz."""
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2)
        return from_pcm(file.readframes(file.getnframes()))


def write_wav(path: Path, samples: Samples) -> None:
    """Write ``samples`` as mono 16-bit WAV at 24 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(to_pcm(samples))


def from_pcm(pcm: bytes) -> Samples:
    """PCM16 little-endian to ±1."""
    return np.frombuffer(pcm, "<i2").astype(np.float64) / 32768


def to_pcm(samples: Samples) -> bytes:
    """±1 to PCM16 little-endian, clipped."""
    return np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2").tobytes()


def tone(frequency_hz: float, seconds: float, level_dbfs: float) -> Samples:
    """A sine whose peak is ``level_dbfs``."""
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * frequency_hz * time_s)


def tone_level_dbfs(samples: Samples, frequency_hz: float) -> float:
    """Peak level of the sine at ``frequency_hz`` in ``samples``, by a Hann-windowed projection."""
    window = np.hanning(len(samples))
    phase = np.exp(-2j * np.pi * frequency_hz * np.arange(len(samples)) / RATE_HZ)
    amplitude = 2 * abs(np.sum(samples * window * phase)) / np.sum(window)
    return float(20 * np.log10(max(amplitude, 1e-9)))


def usual_level_dbfs(samples: Samples, frequency_hz: float) -> float:
    """Median of ``tone_level_dbfs`` over pieces of 100 ms: a lost frame does not count."""
    size = RATE_HZ // 10
    pieces = [samples[start : start + size] for start in range(0, len(samples) - size + 1, size)]
    return float(np.median([tone_level_dbfs(piece, frequency_hz) for piece in pieces]))


def align(recording: Samples, original: Samples) -> tuple[Samples, float]:
    """The piece of ``recording`` that is most like ``original``, and how like it is.

    The piece is as long as ``original``; what lies outside the recording counts as silence.
    """
    start, likeness = find(recording, original)
    size = len(original)
    padded = np.concatenate([np.zeros(size), recording, np.zeros(size)])
    return padded[start + size : start + 2 * size], likeness


def find(recording: Samples, original: Samples) -> tuple[int, float]:
    """Where ``original`` begins in ``recording`` (it may reach over both ends), and how alike.

    Likeness is the normalised cross-correlation, -1 … 1.
    """
    size = len(original)
    padded = np.concatenate([np.zeros(size), recording, np.zeros(size)])
    room = 1 << (len(padded) + size).bit_length()
    spectrum = np.fft.rfft(padded, room) * np.conj(np.fft.rfft(original, room))
    dots = np.fft.irfft(spectrum, room)[: len(padded) - size + 1]
    energy = np.concatenate(([0.0], np.cumsum(padded**2)))
    norms = np.sqrt(np.maximum(energy[size:] - energy[:-size], 1e-6)) * np.linalg.norm(original)
    scores = dots / norms
    start = int(np.argmax(scores))
    return start - size, float(scores[start])


def share_found(recording: Samples, original: Samples, piece_s: float = 0.4) -> float:
    """How much of what is loud in ``original`` is in ``recording``, in its order; 0 … 1.

    A piece that was lost on the way costs its own length, where one figure for the whole would
    fall for all that follows it.
    """
    size, loud, found, place = int(piece_s * RATE_HZ), 0, 0, 0
    for start in range(0, len(original) - size + 1, size):
        piece = original[start : start + size]
        if np.sqrt(np.mean(piece**2)) < 10 ** (LOUD_DBFS / 20):
            continue
        loud += 1
        at, likeness = find(recording[place:], piece)
        if likeness >= ALIKE:
            found += 1
            place += max(0, at + size // 2)
    assert loud, "the original is silent"
    return found / loud


def longest_gap_ms(recording: Samples, original: Samples, loud_dbfs: float = LOUD_DBFS) -> float:
    """Longest run of near silence in ``recording`` where ``original`` is inside a word.

    Both are aligned and equally long. "Inside a word" means that the original's 10 ms envelope
    stays above ``loud_dbfs``; near silence is 30 dB below that.
    """
    kernel = np.ones(RATE_HZ // 100) / (RATE_HZ // 100)
    loud = np.sqrt(np.convolve(original**2, kernel, "same")) > 10 ** (loud_dbfs / 20)
    quiet = np.abs(recording) < 10 ** ((loud_dbfs - 30) / 20)
    longest = current = 0
    for gap in loud & quiet:
        current = current + 1 if gap else 0
        longest = max(longest, current)
    return 1000 * longest / RATE_HZ


def resample(samples: Samples, rate_hz: int) -> Samples:
    """``samples`` of ``rate_hz`` at 24 kHz, by truncation of the spectrum."""
    step = rate_hz // int(np.gcd(rate_hz, RATE_HZ))
    samples = samples[: len(samples) // step * step]
    size = len(samples) * RATE_HZ // rate_hz
    return np.fft.irfft(np.fft.rfft(samples)[: size // 2 + 1], size) * (size / len(samples))

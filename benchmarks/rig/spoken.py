"""Sounds of known loudness: sentences by eSpeak NG, noise, and what is taken for speech."""

from __future__ import annotations

import math
import shutil
import subprocess
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mixer_core.bus.pcm import FRAME_SAMPLES, SAMPLE_RATE_HZ

from ..report.errors import BenchmarkError

Sound = NDArray[np.float64]
"""Samples at 24 kHz; full scale is ±1."""

VOICES = ("en-us", "en-gb-scotland", "en-us+f3", "de", "fr")
WHISPER = "en-us+whisper"
TEXT = (
    "Good morning everybody. I would like to ask something about the weather in the mountains. "
    "Yesterday it was raining, and we had to stay at home all day. Does anybody know, whether it "
    "gets better? Then we could take the train at nine."
)
ACTIVE = 0.01
"""A frame with this part of the power of the loudest ones (-20 dB) is speech, not a pause."""
_WAV_HEADER = 44
_ESPEAK_HZ = 22_050


@cache
def say(voice: str, words_per_minute: int = 150) -> Sound:
    """``TEXT`` in a voice of eSpeak NG. Raises BenchmarkError where that is not installed."""
    if shutil.which("espeak-ng") is None:
        raise BenchmarkError("levels are measured with spoken sentences: install espeak-ng")
    command = ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "--stdout", TEXT]
    wav = subprocess.run(command, capture_output=True, check=True).stdout
    samples: Sound = np.frombuffer(wav[_WAV_HEADER:], "<i2") / 32_768
    length = round(len(samples) * SAMPLE_RATE_HZ / _ESPEAK_HZ)
    return np.asarray(np.fft.irfft(np.fft.rfft(samples), length) * (length / len(samples)))


def speech(voice: str, dbfs: float, words_per_minute: int = 150) -> Sound:
    """The same with this RMS, pauses apart."""
    said = say(voice, words_per_minute)
    return said * 10 ** ((dbfs - active_dbfs(said)) / 20)


def noise(seconds: float, dbfs: float, seed: int = 1) -> Sound:
    """Noise like that of a room or a fan: pink above 60 Hz."""
    count = round(seconds * SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ), 60))
    sound = np.fft.irfft(spectrum, count)
    return sound * 10 ** ((dbfs - rms_dbfs(sound)) / 20)


def tone(seconds: float, dbfs: float, hz: float = 440.0) -> Sound:
    """A sine with this RMS."""
    time_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return math.sqrt(2) * 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * time_s)


def chords(seconds: float, dbfs: float) -> Sound:
    """Held chords of six partials, a new one every two seconds."""
    held = [
        np.sum([tone(2, dbfs, hz * part) / part for hz in chord for part in (1, 2)], axis=0)
        for chord in ((220, 277, 330), (196, 247, 294), (247, 311, 370))
    ]
    return np.tile(np.concatenate(held), int(seconds // 6) + 1)[: round(seconds * SAMPLE_RATE_HZ)]


def notes(seconds: float, dbfs: float) -> Sound:
    """Single notes like a piano's, two a second."""
    sound = np.zeros(round(seconds * SAMPLE_RATE_HZ))
    for number, start in enumerate(range(0, len(sound), SAMPLE_RATE_HZ // 2)):
        left_s = (len(sound) - start) / SAMPLE_RATE_HZ
        note = tone(left_s, 0.0, 220 * 2 ** (number * 7 % 12 / 12))
        sound[start:] += note[: len(sound) - start] * np.exp(-6 * np.linspace(0, left_s, len(note)))
    return sound * 10 ** ((dbfs - rms_dbfs(sound)) / 20)


def cough(dbfs: float, seed: int = 1) -> Sound:
    """A quarter of a second of noise that dies away."""
    burst = np.random.default_rng(seed).normal(0, 10 ** (dbfs / 20), SAMPLE_RATE_HZ // 4)
    return burst * np.exp(-np.arange(len(burst)) / 2_000)


def after(seconds: float, sound: Sound, before: Sound | None = None) -> Sound:
    """``sound`` that begins after so long, added to ``before``."""
    start = round(seconds * SAMPLE_RATE_HZ)
    mixed = np.zeros(max(start + len(sound), 0 if before is None else len(before)))
    mixed[start : start + len(sound)] = sound
    if before is not None:
        mixed[: len(before)] += before
    return mixed


def in_frames(sound: Sound) -> Sound:
    """Shape (frames, 480)."""
    count = len(sound) // FRAME_SAMPLES
    return sound[: count * FRAME_SAMPLES].reshape(count, FRAME_SAMPLES)


def power(sound: Sound) -> Sound:
    """Mean square of every frame."""
    return np.asarray(np.mean(in_frames(sound) ** 2, axis=1))


def is_active(sound: Sound) -> NDArray[np.bool_]:
    """Which frames of clean speech are speech."""
    squares = power(sound)
    return np.asarray(squares > ACTIVE * np.quantile(squares, 0.95))


def active_dbfs(sound: Sound) -> float:
    """RMS of clean speech without its pauses."""
    return dbfs(float(power(sound)[is_active(sound)].mean()))


def rms_dbfs(sound: Sound) -> float:
    """RMS of all of it."""
    return dbfs(float(np.mean(sound**2)))


def dbfs(mean_square: float) -> float:
    """Level of a mean square; -120 at least."""
    return float(10 * np.log10(mean_square + 1e-12))

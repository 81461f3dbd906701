"""People who talk: recorded voices where Debian's packages have them, and made-up ones elsewhere.

The packages ``asterisk-core-sounds-LANGUAGE-g722`` hold prompts spoken by a professional each. A
made-up voice has the pitch, formants, syllables and pauses of speech, and says nothing.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from mixer_core.bus.pcm import SAMPLE_RATE_HZ

Samples = NDArray[np.float64]
"""Full scale is ±1."""

RECORDINGS = Path("/usr/share/asterisk/sounds")
LEAST_BYTES = 30_000
"""Of a prompt: shorter ones are single words."""
PROMPTS = 40
RATE_HZ = SAMPLE_RATE_HZ
_MADE_UP_S = 120
# First three formants of English vowels (after Peterson and Barney, 1952).
_VOWELS_HZ = (
    (730, 1090, 2440),
    (270, 2290, 3010),
    (530, 1840, 2480),
    (570, 840, 2410),
    (300, 870, 2240),
    (660, 1720, 2410),
    (490, 1350, 1690),
)


def recorded() -> list[str]:
    """Names of the recorded voices on this machine."""
    if not RECORDINGS.is_dir():
        return []
    return sorted(folder.name for folder in RECORDINGS.iterdir() if folder.is_dir())


def voices(count: int) -> list[Samples]:
    """``count`` different people, of a minute or more each."""
    known = [_recording(name) for name in recorded()[:count]]
    return known + [made_up(index) for index in range(count - len(known))]


@cache
def _recording(name: str) -> Samples:
    files = sorted(f for f in (RECORDINGS / name).rglob("*.g722") if f.is_file())
    long = [file for file in files if file.stat().st_size >= LEAST_BYTES][:PROMPTS]
    return np.concatenate([_decoded(file) for file in long])


def _decoded(file: Path) -> Samples:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    with av.open(str(file), format="g722") as container:
        parts = [
            part.to_ndarray()[0]
            for frame in (*container.decode(audio=0), None)
            for part in resampler.resample(frame)
        ]
    sound: Samples = np.concatenate(parts).astype(np.float64) / 32_768
    return sound


@cache
def made_up(index: int) -> Samples:
    """Two minutes of syllables in phrases; each index has a pitch and a rhythm of its own."""
    rng = np.random.default_rng(700 + index)
    pitch_hz = rng.uniform(95, 220)
    parts: list[Samples] = []
    total = 0
    while total < _MADE_UP_S * RATE_HZ:
        length = int(rng.integers(4, 14))
        phrase = [_syllable(rng, pitch_hz * rng.uniform(0.85, 1.2)) for _ in range(length)]
        pause = np.zeros(int(rng.uniform(0.15, 0.6) * RATE_HZ))
        parts += [*phrase, pause]
        total += sum(map(len, phrase)) + len(pause)
    sound = np.concatenate(parts)
    loudest: float = np.max(np.abs(sound))
    return 0.5 / loudest * sound


def _syllable(rng: np.random.Generator, pitch_hz: float) -> Samples:
    """A consonant of noise and a vowel of harmonics under three formants."""
    vowel_s, consonant_s = rng.uniform(0.08, 0.25), rng.uniform(0.03, 0.1)
    time_s = np.arange(int(vowel_s * RATE_HZ)) / RATE_HZ
    glide = pitch_hz * (1 + rng.uniform(-0.15, 0.1) * time_s / vowel_s)
    phase = 2 * np.pi * np.cumsum(glide) / RATE_HZ
    formants = np.array(_VOWELS_HZ[rng.integers(len(_VOWELS_HZ))]) * rng.uniform(0.9, 1.15)
    vowel = np.zeros_like(time_s)
    for overtone in range(1, int(4_500 / pitch_hz)):
        hz = overtone * pitch_hz
        weight = float(np.exp(-(((hz - formants) / 110) ** 2)) @ (1, 0.5, 0.25))
        vowel += (weight + 0.02) / np.sqrt(overtone) * np.sin(overtone * phase)
    vowel *= np.sin(np.pi * np.arange(len(vowel)) / len(vowel)) ** 0.5 * rng.uniform(0.4, 1.0)
    hiss = np.diff(rng.standard_normal(int(consonant_s * RATE_HZ) + 1))
    hiss *= np.hanning(len(hiss)) * rng.uniform(0.02, 0.25)
    return np.concatenate([hiss, vowel])

"""Listening by measurement: speech to lose frames of, and how good what is heard is."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_core.bus.pcm import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE_HZ

from . import signals

Samples = NDArray[np.float64]
"""One-dimensional; full scale is ±32768."""

PESQ_HZ = 16_000
VOICES = ("en-us", "en-gb+f3", "de")
"""Of espeak-ng: a man's, a woman's, another language."""
SENTENCES = (
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. "
    "It is easy to tell the depth of a well. These days a chicken leg is a rare dish."
)
"""The first of the IEEE's Harvard sentences (1969), as listening tests use them."""
LEVEL_RMS = 2_600.0
"""-22 dBFS."""
HEARD_RMS = 100.0
"""A frame below this (-50 dBFS) is a pause: its loss is not heard."""
WORST_DB, BEST_DB = -10.0, 35.0
"""Bounds of the signal to error ratio of one frame, as segmental SNR has them."""


def source() -> str:
    """Whose speech it is."""
    if shutil.which("espeak-ng") is None:
        return "synthetic syllables: espeak-ng is not installed"
    return f"speech of espeak-ng, voices {', '.join(VOICES)}"


def speech(voices: int) -> list[list[bytes]]:
    """Frames (960 bytes) of so many voices: espeak-ng's, or synthetic syllables without it."""
    if shutil.which("espeak-ng") is None:
        return [list(signals.speech(voice)) for voice in range(voices)]
    return [_frames(_spoken(voice)) for voice in VOICES[:voices]]


def lost_frames(frames: int, share: float, burst: int, seed: int) -> set[int]:
    """Numbers of lost frames: ``share`` of all, in bursts; none among the first and last five."""
    chance, lost = random.Random(seed), set[int]()
    while len(lost) < share * frames:
        first = chance.randrange(5, frames - 5 - burst)
        if not lost & set(range(first - 2, first + burst + 2)):
            lost.update(range(first, first + burst))
    return lost


def snr_db(truth: Samples, heard: Samples, frames: Collection[int]) -> float:
    """Mean signal to error ratio of those frames that are no pause, dB; silence has 0."""
    found = []
    for number in frames:
        part = slice(number * FRAME_SAMPLES, (number + 1) * FRAME_SAMPLES)
        signal, error = truth[part], truth[part] - heard[part]
        if np.sqrt(np.mean(signal**2)) >= HEARD_RMS:
            ratio = np.sum(signal**2) / max(float(np.sum(error**2)), 1e-9)
            found.append(np.clip(10 * np.log10(ratio), WORST_DB, BEST_DB))
    return float(np.mean(found)) if found else 0.0


def pesq_scorer() -> Callable[[Samples, Samples], float] | None:
    """Wideband PESQ (ITU-T P.862.2; 1.0 bad … 4.6 the same) by ``pesq``, where it is installed."""
    try:
        from pesq import pesq
    except ImportError:
        return None

    def score(truth: Samples, heard: Samples) -> float:
        first, second = (_at_16_khz(sound) / 32_768 for sound in (truth, heard))
        return float(pesq(PESQ_HZ, first, second, "wb"))

    return score


def to_samples(pcm: bytes) -> Samples:
    """PCM16 as samples."""
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def _frames(sound: Samples) -> list[bytes]:
    scaled = sound * LEVEL_RMS / max(1.0, float(np.sqrt(np.mean(sound**2))))
    pcm = np.clip(np.round(scaled), -32_768, 32_767).astype("<i2").tobytes()
    return [pcm[i : i + FRAME_BYTES] for i in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]


def _spoken(voice: str) -> Samples:
    with tempfile.TemporaryDirectory(prefix="mmb-") as folder:
        path = Path(folder) / "speech.wav"
        command = ["espeak-ng", "-v", voice, "-s", "150", "-w", str(path), SENTENCES]
        subprocess.run(command, check=True, timeout=60)
        with wave.open(str(path), "rb") as file:
            rate_hz = file.getframerate()
            sound = to_samples(file.readframes(file.getnframes()))
    at = np.arange(int(len(sound) * SAMPLE_RATE_HZ / rate_hz)) * rate_hz / SAMPLE_RATE_HZ
    return np.interp(at, np.arange(len(sound)), sound)


def _at_16_khz(sound: Samples) -> Samples:
    """Two thirds of the rate, by a windowed sinc at twice the rate."""
    taps = np.arange(-96, 97)
    kernel = np.sinc(taps / 3 * 0.92) * np.kaiser(len(taps), 9) * 0.92 * 2 / 3
    doubled = np.zeros(2 * len(sound))
    doubled[::2] = sound
    return np.convolve(doubled, kernel, "same")[::3]

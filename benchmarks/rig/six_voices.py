"""Six people who talk, take over from each other, and talk at once: the script and its sound.

Everything follows from a seed. A turn is what lies between two silences of more than half a second;
its talkers, and the frames in which each of them speaks, are the truth that others are measured by.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mixer_core.bus.pcm import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ

NAMES = ("Ada", "Ben", "Cem", "Dora", "Edo", "Fay")
LEVELS_DBFS = (-20.0, -24.0, -28.0, -22.0, -32.0, -26.0)
"""How loud each of them speaks: RMS of a syllable."""
NOISE_DBFS = -66.0
"""Of each microphone, all the time."""
LEAD_FRAMES = 1_500 // FRAME_MS
"""Silence before the first turn."""
Sound = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Span:
    """Somebody speaks: from a frame to the one after the last."""

    who: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What is said between two silences."""

    spans: tuple[Span, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of its talkers."""
        return tuple(sorted({NAMES[span.who] for span in self.spans}))

    @property
    def end(self) -> int:
        """The frame after its last."""
        return max(span.end for span in self.spans)


@dataclass
class Script:
    """All turns, and the sound of everybody."""

    turns: list[Turn]
    frames: int
    sounds: list[Sound] = field(default_factory=list)
    """Per talker, of ``frames`` frames."""

    def speaks(self, who: int) -> NDArray[np.bool_]:
        """In which frames somebody speaks."""
        truth = np.zeros(self.frames, np.bool_)
        for turn in self.turns:
            for span in turn.spans:
                if span.who == who:
                    truth[span.begin : span.end] = True
        return truth


def script(turns: int, seed: int = 7) -> Script:
    """``turns`` turns: six in ten are one person's, two in ten are taken over, two overlap."""
    dice = random.Random(seed)
    found: list[Turn] = []
    at = LEAD_FRAMES
    for number in range(turns):
        found.append(_turn(number, at, dice))
        at = found[-1].end + dice.randrange(900, 1_600) // FRAME_MS
    made = Script(found, at + LEAD_FRAMES)
    made.sounds = [_sound(who, made) for who in range(len(NAMES))]
    return made


def _turn(number: int, at: int, dice: random.Random) -> Turn:
    first, second = dice.sample(range(len(NAMES)), 2)
    length = dice.randrange(1_200, 3_000) // FRAME_MS
    alone = Span(first, at, at + length)
    other = dice.randrange(1_200, 2_400) // FRAME_MS
    match number % 10:
        case 3 | 7:  # The second begins in the middle, and goes on alone.
            begin = at + length // 2
            return Turn((alone, Span(second, begin, begin + max(other, length))))
        case 5 | 9:  # The second takes over after a breath.
            begin = at + length + dice.randrange(100, 300) // FRAME_MS
            return Turn((alone, Span(second, begin, begin + other)))
        case _:
            return Turn((alone,))


def _sound(who: int, made: Script) -> Sound:
    """Somebody's microphone: its noise, and syllables where they speak."""
    dice = np.random.default_rng(100 + who)
    count = made.frames * FRAME_SAMPLES
    sound = dice.normal(0.0, 32_768 * 10 ** (NOISE_DBFS / 20), count)
    for turn in made.turns:
        for span in turn.spans:
            if span.who == who:
                begin, end = span.begin * FRAME_SAMPLES, span.end * FRAME_SAMPLES
                sound[begin:end] += _utterance(who, end - begin, dice)
    return np.clip(np.rint(sound), -32_768, 32_767).astype(np.int16)


def voice_loop(who: int, frames: int) -> Sound:
    """Somebody who speaks all the time, for so many frames."""
    dice = np.random.default_rng(200 + who)
    samples = frames * FRAME_SAMPLES
    noise = dice.normal(0.0, 32_768 * 10 ** (NOISE_DBFS / 20), samples)
    sound = noise + _utterance(who, samples, dice)
    return np.clip(np.rint(sound), -32_768, 32_767).astype(np.int16)


def _utterance(who: int, samples: int, dice: np.random.Generator) -> NDArray[np.float64]:
    """Syllables of 120 to 240 ms, with closures of 40 to 80 ms between them."""
    voice = _voice(who, samples, dice)
    envelope = np.zeros(samples)
    at = 0
    while at < samples:
        length = min(int(dice.uniform(0.12, 0.24) * SAMPLE_RATE_HZ), samples - at)
        ramp = np.sin(np.linspace(0.0, np.pi, length)) ** 0.4
        envelope[at : at + length] = ramp * dice.uniform(0.6, 1.0)
        at += length + int(dice.uniform(0.04, 0.08) * SAMPLE_RATE_HZ)
    return voice * envelope


def _voice(who: int, samples: int, dice: np.random.Generator) -> NDArray[np.float64]:
    """Harmonics of a pitch that wanders, with some breath."""
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    pitch_hz = (105.0 + 20.0 * who) * (1 + 0.06 * np.sin(2 * np.pi * 1.7 * time_s + who))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    voice = dice.normal(0.0, 0.15, samples)
    for harmonic in range(1, 16):
        weight = 1.0 / harmonic + 0.5 * np.exp(-(((harmonic - 4 - who) / 2.0) ** 2))
        voice += weight * np.sin(harmonic * phase + dice.uniform(0, 6.28))
    rms = float(np.sqrt(np.mean(voice**2)))
    result: NDArray[np.float64] = voice * (32_768 * 10 ** (LEVELS_DBFS[who] / 20) / rms)
    return result

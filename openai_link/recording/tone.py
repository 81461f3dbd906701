"""The tone by which everybody hears that a room is recorded. Sans-I/O.

It is added to the assistant's voice; where the assistant is silent, it is sent by itself.
"""

from __future__ import annotations

import math
from array import array
from collections import deque

from mixer_core.bus.frames import FLAG_PAUSE
from mixer_core.bus.pcm import FRAME_NS, FRAME_SAMPLES, SAMPLE_RATE_HZ
from mixer_core.runtime.units import MS_NS

PITCHES_HZ = (660.0, 880.0)
"""Upwards: it begins or runs; downwards: it has ended."""
LASTS_MS, LOUD = 200, 3_000
"""Of each pitch; LOUD: the peak, -21 dBFS."""
ALONE_NS = 60 * MS_NS
"""The assistant is silent if no frame of it came for so long."""


def tone(rises: bool) -> list[bytes]:
    """The frames."""
    count = SAMPLE_RATE_HZ * LASTS_MS // 1000
    loud = [LOUD * min(1.0, min(at, count - 1 - at) / FRAME_SAMPLES) for at in range(count)]
    pitches = PITCHES_HZ if rises else PITCHES_HZ[::-1]
    waves = [
        math.sin(2 * math.pi * hz * (at / SAMPLE_RATE_HZ)) for hz in pitches for at in range(count)
    ]
    sound = [int(peak * wave) for peak, wave in zip(2 * loud, waves, strict=True)]
    data = array("h", sound).tobytes()
    size = 2 * FRAME_SAMPLES
    return [data[at : at + size] for at in range(0, len(data), size)]


class Tone:
    """What is left to be heard."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._voice_ns = -ALONE_NS
        self._due_ns: int | None = None

    def begin(self, rises: bool, now_ns: int) -> None:
        """Play it; one that is still heard is cut off."""
        self._frames = deque(tone(rises))
        self._due_ns = max(now_ns, self._voice_ns + ALONE_NS)

    def mixed(self, pcm: bytes, now_ns: int) -> bytes:
        """A frame of the assistant's voice, with what is due of the tone."""
        self._voice_ns = now_ns
        if not self._frames:
            return pcm
        self._due_ns = now_ns + ALONE_NS
        both = zip(array("h", pcm), array("h", self._frames.popleft()), strict=True)
        return array("h", [max(-32_768, min(32_767, x + y)) for x, y in both]).tobytes()

    def due(self, now_ns: int) -> tuple[bytes, int] | None:
        """The frame that is sent by itself now, with its flags; None: there is none."""
        if not self._frames:
            self._due_ns = None
            return None
        if self._due_ns is None or now_ns < self._due_ns:
            return None
        self._due_ns += FRAME_NS
        frame = self._frames.popleft()
        return frame, 0 if self._frames else FLAG_PAUSE

    def next_timeout_ns(self) -> int | None:
        """When to call ``due``."""
        return self._due_ns if self._frames else None

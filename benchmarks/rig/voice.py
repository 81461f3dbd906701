"""What a client sends next: speech, marks, silence, or nothing."""

from __future__ import annotations

import random
from typing import Literal

from mixer_core.bus.frames import FLAG_PAUSE
from mixer_core.bus.pcm import FRAME_MS, FRAME_NS, SILENCE

from . import signals

Style = Literal["continuous", "conversation", "muted", "quiet"]
"""Speaks all the time, speaks in turns, is muted, or says nothing."""

SPEAK_FRAMES = 3_000 // FRAME_MS
"""Length of a turn."""
CYCLE_FRAMES = 8_000 // FRAME_MS
"""From the beginning of a turn to the next; the reply is in between."""
HANGOVER_FRAMES = 400 // FRAME_MS
"""Silent frames that are still sent after speech, as the page does."""
STAGGER_FRAMES = 7
"""Between the beginnings of two clients' turns in a room."""
ONSET_FRAME = 8
"""Where in the speech a turn on demand begins: a loud place."""


class Voice:
    """One client's; ``index`` of ``talkers`` in its room decides which marks are its turn."""

    def __init__(self, room: str, index: int, talkers: int) -> None:
        self.index = index
        self.phase_ns = random.Random(f"{room}/{index}").randrange(FRAME_NS)
        """Where in the 20 ms grid this client sends, ns."""
        self.style: Style = "quiet"
        self._speech = signals.speech(index)
        self._position = 0
        self._silent_frames = HANGOVER_FRAMES
        self._turn_left: int | None = None
        self.marks = signals.MarkTurns(index, talkers)

    @property
    def in_turn(self) -> bool:
        """A turn on demand is being spoken."""
        return self._turn_left is not None

    @property
    def wants_ticks(self) -> bool:
        """Whether there is something to send in the next slots."""
        talks = self.style in ("continuous", "conversation")
        return talks or self.in_turn or self._silent_frames < HANGOVER_FRAMES

    def behave(self, style: Style) -> None:
        """Speak in this style from now on."""
        self.style, self._position = style, self.index * STAGGER_FRAMES

    def take_turn(self, frames: int) -> None:
        """Say ``frames`` frames of speech, beginning loudly (for ``quiet`` clients)."""
        self._turn_left, self._position = frames, ONSET_FRAME

    def skip(self, frames: int) -> None:
        """``frames`` slots were missed."""
        self._position += frames

    def next(self, now_ns: int) -> tuple[bytes, int]:
        """The next frame (960 bytes) and its flags; empty where nothing is to be sent."""
        speaking = self.style == "continuous"
        if self._turn_left is not None:
            speaking = self._turn_left > 0
            self._turn_left -= 1
            if self._turn_left <= -HANGOVER_FRAMES:
                self._turn_left = None
        elif self.style == "conversation":
            speaking = self._position % CYCLE_FRAMES < SPEAK_FRAMES
        position, self._position = self._position, self._position + 1
        if speaking:
            self._silent_frames = 0
            return self.marks.frame(now_ns) or self._speech[position % len(self._speech)], 0
        if self._silent_frames >= HANGOVER_FRAMES:
            return b"", 0
        self._silent_frames += 1
        return SILENCE, FLAG_PAUSE if self._silent_frames == HANGOVER_FRAMES else 0

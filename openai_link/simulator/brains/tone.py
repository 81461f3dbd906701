"""The tone brain: one long tone, whatever was said. Sans-I/O."""

from __future__ import annotations

from ..engine.brain import Reply, Turn, Unscripted
from .sounds import TAG, TONE_HZ, tone


class ToneBrain(Unscripted):
    """Answers everything with a long tone, to be interrupted or measured."""

    def __init__(self, length_ms: int) -> None:
        """``length_ms``: length of the tone."""
        self._reply = Reply(
            f"{TAG} This is a tone of {length_ms / 1000:.1f} s at {TONE_HZ:.0f} Hz.",
            tone(length_ms),
        )

    def reply(self, turn: Turn) -> Reply:
        """Return the tone."""
        return self._reply

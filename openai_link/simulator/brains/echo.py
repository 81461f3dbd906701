"""The echo brain: greets, then repeats what it heard. Sans-I/O."""

from __future__ import annotations

from ..engine.brain import Reply, Turn, Unscripted
from ..engine.input_audio import BYTES_PER_MS
from .sounds import TAG, chime


class EchoBrain(Unscripted):
    """Repeats the input sample for sample: a test of microphone and speaker."""

    def __init__(self, greeting_pcm: bytes, greeting_text: str, greets: bool = True) -> None:
        """``greeting_pcm``, ``greeting_text``: said before there is any user turn."""
        self._greeting = Reply(f"{TAG} {greeting_text}", greeting_pcm)
        self._greets = greets

    def reply(self, turn: Turn) -> Reply:
        """Repeat audio, quote text with a chime, greet if there is neither."""
        if turn.audio:
            seconds = len(turn.audio) / (1_000 * BYTES_PER_MS)
            words = f"{TAG} I heard {seconds:.1f} s of speech; here it is again."
            return Reply(words, turn.audio)
        if turn.text is not None:
            return Reply(f'{TAG} You wrote: "{turn.text}"', chime())
        if self._greets:
            return self._greeting
        return Reply(f"{TAG} There is nothing to repeat yet.", chime())

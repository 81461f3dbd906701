"""The echo brain: greets, then repeats what it heard. Sans-I/O."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from mixer_core.bus.picture_file import read_picture
from mixer_core.runtime.errors import PictureError

from ..engine.brain import Reply, Turn, Unscripted
from ..engine.input_audio import BYTES_PER_MS
from .sounds import TAG, chime


def seen(images: Iterable[str]) -> str:
    """What can be said of pictures (data URLs) without looking at them."""
    return " ".join(_seen(image) for image in images)


def _seen(image: str) -> str:
    data = base64.b64decode(image.partition(",")[2])
    try:
        file = read_picture(data)
    except PictureError:
        return "You showed me a picture that I cannot read."
    size = f"{file.width_px} × {file.height_px} pixels"
    return f"You showed me a {file.kind.upper()} of {size}, {len(data)} bytes."


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
        if turn.images:
            words = f' You wrote: "{turn.text}"' if turn.text else ""
            return Reply(f"{TAG} {seen(turn.images)}{words}", chime())
        if turn.text is not None:
            return Reply(f'{TAG} You wrote: "{turn.text}"', chime())
        if self._greets:
            return self._greeting
        return Reply(f"{TAG} There is nothing to repeat yet.", chime())

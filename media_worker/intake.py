"""Reads what a browser says, within bounds: mistakes and floods are answered. Sans-I/O."""

from __future__ import annotations

from mixer_core.runtime.errors import BrowserMessageError

from .limits import MISTAKES, RATES, Bucket, Repeats
from .protocol import gateway_messages
from .protocol.browser_messages import BrowserMessage, Mute, Ptt, name_of, read_control


class Intake:
    """The control messages of one browser, and its mistakes."""

    def __init__(self) -> None:
        self.bad_total = 0
        """Messages that could not be read."""
        self.too_fast_total = 0
        """Messages that were not carried out because there were too many."""
        self._buckets = {kind: Bucket(rate) for kind, rate in RATES.items()}
        self._answers = Bucket(MISTAKES)
        self._repeats = Repeats()
        self._is_pressed = False

    def control(self, text: str, is_muted: bool, now_ns: int) -> BrowserMessage | str | None:
        """The message to carry out, or the JSON text to answer with, or neither.

        ``is_muted``: the browser's microphone is off.
        """
        try:
            message = read_control(text)
        except BrowserMessageError as error:
            return self._mistake(error, self._answers.allow(now_ns))
        bucket = self._buckets[type(message)]
        if not bucket.allow(now_ns) and not self._is_release(message, is_muted):
            self.too_fast_total += 1
            return _too_fast(message) if bucket.report() else None
        if isinstance(message, Ptt):
            self._is_pressed = message.down
        return message

    def bad_audio(self, error: BrowserMessageError, now_ns: int) -> str | None:
        """The answer to a binary message that could not be read, if there is to be one."""
        return self._mistake(error, self._repeats.allow(error.code, now_ns))

    def _is_release(self, message: BrowserMessage, is_muted: bool) -> bool:
        """Whether it closes an open microphone: never refused, and as rare as the opening."""
        match message:
            case Mute(muted=True):
                return not is_muted
            case Ptt(down=False):
                return self._is_pressed
        return False

    def _mistake(self, error: BrowserMessageError, is_answered: bool) -> str | None:
        self.bad_total += 1
        return gateway_messages.error(error.code, str(error)) if is_answered else None


def _too_fast(message: BrowserMessage) -> str:
    name, words = name_of(message), RATES[type(message)].words
    text = f"too many messages of type {name}: {words}; this one was not carried out"
    return gateway_messages.error("too_fast", text)

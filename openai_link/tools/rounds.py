"""When the model is asked to speak about what its calls returned. Sans-I/O.

The calls of one response are a round. Its answer is asked for once: after ``response.done`` and
after the last output. While somebody speaks it is held back; the answer to their turn may cover it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..realtime.facts import (
    Fact,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
)

REMEMBERED = 64
"""Ended responses, and rounds, that are remembered."""
SPEECH_LIMIT_NS = 30_000_000_000
"""A turn whose end is not told does not hold answers back for longer."""
ANSWER_GRACE_NS = 1_000_000_000
"""So long after a turn the server may begin the answer by itself."""
COVER_NS = 300_000_000
"""A response that begins so soon after an output may not know of it."""


@dataclass(slots=True)
class _Round:
    open: set[str] = field(default_factory=set)
    """Calls without output."""
    done: bool = False
    asked: bool = False
    filled: bool = False
    """Something was said to fill the silence."""
    output_ns: int = 0
    """When the newest output was sent."""


class Rounds:
    """Rounds of one room."""

    def __init__(self) -> None:
        self._rounds: dict[str, _Round] = {}
        self._ended: deque[str] = deque(maxlen=REMEMBERED)
        self._active: set[str] = set()
        self._held_until_ns = 0
        self._playing = False
        self.quiet_since_ns = 0
        """When the last sound of anybody ended."""

    def opened(self, response: str, call: str) -> None:
        """``response`` contains ``call``."""
        known = self._rounds.setdefault(response, _Round())
        known.done = known.done or response in self._ended
        known.asked = False
        known.open.add(call)
        while len(self._rounds) > REMEMBERED:
            del self._rounds[next(iter(self._rounds))]

    def answered(self, response: str, call: str, now_ns: int) -> None:
        """The output of ``call`` is on its way."""
        known = self._rounds.get(response)
        if known is not None:
            known.open.discard(call)
            known.output_ns = now_ns

    def ended(self, response: str) -> None:
        """``response.done`` came. Rounds that were asked before it have had their answer."""
        self._active.discard(response)
        self._ended.append(response)
        for other in [k for k, r in self._rounds.items() if r.asked and k != response]:
            del self._rounds[other]
        if response in self._rounds:
            self._rounds[response].done = True

    def moved(self, is_answering: bool = False) -> None:
        """A new session: an answer that was not given is due.

        ``is_answering``: the old session still says what it was asked for.
        """
        self._held_until_ns, self._playing = 0, False
        self._active.clear()
        for response, known in self._rounds.items():
            self._ended.append(response)
            known.done, known.asked = True, known.asked and is_answering

    def on_fact(self, fact: Fact, now_ns: int) -> None:
        """Learn who makes sound, and which responses begin."""
        match fact:
            case SpeechStarted():
                self._held_until_ns = now_ns + SPEECH_LIMIT_NS
            case SpeechStopped() if self._held_until_ns > now_ns:
                self._held_until_ns = now_ns + ANSWER_GRACE_NS
            case PlaybackStarted() | PlaybackEnded():
                self._playing = isinstance(fact, PlaybackStarted)
            case ResponseStarted(response):
                self._active.add(response)
                self._cover(now_ns)
                return
            case ResponseEnded(response):
                self.ended(response)
                return
            case _:
                return
        self.quiet_since_ns = now_ns

    def due(self, now_ns: int) -> bool:
        """Whether an answer is to be asked for now; true once."""
        if now_ns < self._held_until_ns:
            return False
        ready = self._ready()
        for known in ready:
            known.asked = True
        return bool(ready)

    def due_at_ns(self) -> int | None:
        """When an answer that is held back falls due."""
        return self._held_until_ns if self._ready() else None

    def fills(self, response: str) -> bool:
        """Whether a pause of this round may be filled: nothing else sounds or is being made."""
        known = self._rounds.get(response)
        if known is None or not known.done or known.filled:
            return False
        return not (self._active or self._playing)

    @property
    def held_until_ns(self) -> int:
        """Until then nothing is to be said."""
        return self._held_until_ns

    def filled(self, response: str) -> None:
        """The pause of this round is filled."""
        self._rounds[response].filled = True

    def _cover(self, now_ns: int) -> None:
        """A response began while answers are held back: it speaks about the outputs it knows."""
        for response in [k for k, r in self._rounds.items() if self._is_ready(r)]:
            if now_ns - self._rounds[response].output_ns >= COVER_NS:
                del self._rounds[response]
        self._held_until_ns = min(self._held_until_ns, now_ns)

    def _ready(self) -> list[_Round]:
        return [known for known in self._rounds.values() if self._is_ready(known)]

    @staticmethod
    def _is_ready(known: _Round) -> bool:
        return known.done and not known.asked and not known.open

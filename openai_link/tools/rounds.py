"""When the model is asked to speak about the outputs of its tool calls. Sans-I/O.

The tool calls of one response are a round. An answer to it is requested once, after
``response.done`` and the last output. While somebody speaks the request is held back; the answer to
their turn may cover it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from mixer_core.runtime.units import MS_NS, S_NS

from ..facts import (
    AssistantChanged,
    Fact,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
)

REMEMBERED = 64
"""Ended responses, and rounds, that are kept."""
SPEECH_LIMIT_NS = 30 * S_NS
"""Longest time that a turn without an end holds answers back."""
ANSWER_GRACE_NS = S_NS
"""After a turn, the server may take this long to begin the answer by itself."""
COVER_NS = 300 * MS_NS
"""A response that begins sooner after an output may not know of it."""


@dataclass(slots=True)
class _Round:
    open: set[str] = field(default_factory=set)
    """Tool calls without output."""
    done: bool = False
    """The response that made them has ended."""
    asked: bool = False
    """The answer has been requested."""
    filled: bool = False
    """A filler has been said."""
    output_ns: int = 0
    """When the newest output was sent."""


class Rounds:
    """Rounds of one room."""

    def __init__(self) -> None:
        self._rounds: dict[str, _Round] = {}
        self._ended: deque[str] = deque(maxlen=REMEMBERED)
        self._active: set[str] = set()
        self._stopped: deque[str] = deque(maxlen=REMEMBERED)
        """Responses that were stopped: what they still call makes no round, but for questions."""
        self._held_until_ns = 0
        self._playing = False
        self.quiet_since_ns = 0
        """When somebody was last heard, a person or the assistant."""

    def opened(self, response: str, call: str, *, is_question: bool = False) -> None:
        """``response`` made the tool call ``call``; ``is_question``: people are asked about it."""
        if response in self._stopped and not is_question:
            return
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

    def _end(self, response: str) -> None:
        """A response has ended: rounds whose answer was requested before have had it."""
        self._active.discard(response)
        self._ended.append(response)
        for other in [k for k, r in self._rounds.items() if r.asked and k != response]:
            del self._rounds[other]
        if response in self._rounds:
            self._rounds[response].done = True

    def moved(self, is_answering: bool = False) -> None:
        """Another session: an answer that was not given is due again.

        ``is_answering``: the session before still gives the answer it was asked for.
        """
        self._held_until_ns, self._playing = 0, False
        self._active.clear()
        for response, known in self._rounds.items():
            self._ended.append(response)
            known.done, known.asked = True, known.asked and is_answering

    def stopped(self, kept: Collection[str]) -> None:
        """Nobody wants to hear of outputs any more, but for those of the responses ``kept``."""
        self._rounds = {k: known for k, known in self._rounds.items() if k in kept}
        self._stopped.extend(self._active - set(kept))

    def on_fact(self, fact: Fact, now_ns: int) -> None:
        """Note who can be heard, and which responses begin and end."""
        match fact:
            case SpeechStarted() | AssistantChanged("listening"):  # Or somebody holds the button.
                self._held_until_ns = now_ns + SPEECH_LIMIT_NS
            case SpeechStopped() | AssistantChanged("idle" | "thinking") if (
                self._held_until_ns > now_ns
            ):
                self._held_until_ns = now_ns + ANSWER_GRACE_NS
            case PlaybackStarted() | PlaybackEnded():
                self._playing = isinstance(fact, PlaybackStarted)
            case ResponseStarted(response):
                self._active.add(response)
                self._cover(now_ns)
                return
            case ResponseEnded(response):
                self._end(response)
                return
            case _:
                return
        self.quiet_since_ns = now_ns

    def due(self, now_ns: int) -> bool:
        """Whether to request an answer now; true once per round."""
        if now_ns < self._held_until_ns:
            return False
        ready = self._ready()
        for known in ready:
            known.asked = True
        return bool(ready)

    def due_at_ns(self) -> int | None:
        """When an answer that is held back is to be requested."""
        return self._held_until_ns if self._ready() else None

    @property
    def are_owed(self) -> bool:
        """Whether the answer to any round has not been given."""
        return bool(self._rounds)

    def is_known(self, response: str) -> bool:
        """Whether an answer to the calls of ``response`` is to be given yet."""
        return response in self._rounds

    def fills(self, response: str) -> bool:
        """Whether a filler may be said for this round: nothing else is being said or generated."""
        known = self._rounds.get(response)
        if known is None or not known.done or known.filled:
            return False
        return not (self._active or self._playing)

    @property
    def held_until_ns(self) -> int:
        """Until then nothing may be said."""
        return self._held_until_ns

    def filled(self, response: str) -> None:
        """A filler is said for this round."""
        self._rounds[response].filled = True

    def _cover(self, now_ns: int) -> None:
        """A response begins while answers are held back: it covers the outputs that it knows."""
        for response in [k for k, r in self._rounds.items() if self._is_ready(r)]:
            if now_ns - self._rounds[response].output_ns >= COVER_NS:
                del self._rounds[response]
        self._held_until_ns = min(self._held_until_ns, now_ns)

    def _ready(self) -> list[_Round]:
        return [known for known in self._rounds.values() if self._is_ready(known)]

    @staticmethod
    def _is_ready(known: _Round) -> bool:
        return known.done and not known.asked and not known.open

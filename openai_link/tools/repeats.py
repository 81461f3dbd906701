"""Calls of a request whose answer was lost with its session: they are not made twice. Sans-I/O.

Another session is asked for the lost answer. It knows the calls and their outputs, and is told of
them as history; the model may call the same tool again all the same. What is done by then stays
done: the second call gets the output of the first. Each call stands in for one, so that a model
that wants something twice still gets it twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .outputs import error_output

MAX_CALLS = 32
"""Calls of unanswered requests that are kept; of more the oldest may be made again."""
STILL_RUNS = "the same call was made before a short interruption and still runs: do not repeat it"


@dataclass(slots=True)
class _Made:
    call: str
    key: str
    output: str = ""
    """Empty: there is none yet."""
    is_lost: bool = False
    """The session ended that was to speak about it."""


class Repeats:
    """The calls of one room for which people have not heard an answer."""

    def __init__(self) -> None:
        self._made: list[_Made] = []

    def made(self, call: str, name: str, arguments: Mapping[str, Any]) -> None:
        """A call is carried out, or asked about."""
        self._made.append(_Made(call, _key(name, arguments)))
        del self._made[:-MAX_CALLS]

    def finished(self, call: str, output: str) -> None:
        """A call has its output."""
        for made in self._made:
            if made.call == call:
                made.output = output

    def answered(self) -> None:
        """Nobody waits for an answer."""
        self._made.clear()

    def moved(self) -> None:
        """Another session is to give the answers that are owed."""
        for made in self._made:
            made.is_lost = True

    def take(self, name: str, arguments: Mapping[str, Any]) -> str | None:
        """The output of a call that repeats one from before; None: it does not."""
        key = _key(name, arguments)
        made = next((known for known in self._made if known.is_lost and known.key == key), None)
        if made is None:
            return None
        self._made.remove(made)
        return made.output or error_output(STILL_RUNS)


def _key(name: str, arguments: Mapping[str, Any]) -> str:
    return json.dumps([name, arguments], sort_keys=True, default=str)

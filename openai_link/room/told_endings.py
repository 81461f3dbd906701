"""Answers and words that did not end as they should: what the room is told of them, once. Sans-I/O.

How an ending is read and worded is in ``realtime.endings``; this decides whether it is news.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mixer_core.runtime.errors import UpstreamError

from ..facts import ResponseEnded, Transcribed, Unheard
from ..realtime.endings import Ending, ending_of, transcription_ending, unheard_ending
from ..realtime.event_fields import Once
from .actions import Log
from .signals import Outcome, ProblemFound


class Told(NamedTuple):
    """What to tell, and the lines that end so."""

    outcomes: Sequence[Outcome] = ()
    items: Sequence[str] = ()
    ending: Ending | None = None
    """None: all is as it should be, or known."""


class ToldEndings:
    """Of one room."""

    def __init__(self) -> None:
        self._ended = Once()
        """Responses and speech whose ends were told, and what was exceeded."""

    def response_ended(self, ended: ResponseEnded, speaks: bool) -> Told:
        """An answer is over; ``speaks``: it was to be heard.

        Where nothing more can be had of the server, the room's state says why.
        """
        ending = ending_of(ended, speaks)
        if ending is None or not self._ended.first(ended.response):
            return Told()
        outcomes: list[Outcome] = [Log("warning", f"! < {ending.log}", "ending")]
        if not (ended.status == "failed" and ended.code in UpstreamError.FATAL_CODES):
            outcomes.append(ProblemFound(ending.code, ending.words))
        items = ended.items if ending.cut == "written" else ended.items[-1:]
        return Told(outcomes, items, ending)

    def unheard(self, fact: Unheard) -> Told:
        """An answer that should have been heard came without sound."""
        if not self._ended.first(fact.response):
            return Told()
        return _told(unheard_ending(fact), "unheard", fact.items)

    def transcribed(self, fact: Transcribed, name: str) -> Told:
        """Speech of ``name`` (may be empty) was written down, or could not be."""
        ending = transcription_ending(fact, name)
        if ending is None or not self._ended.first(fact.item):
            return Told()
        return _told(ending, "not transcribed", (fact.item,))

    def exceeded(self, what: str) -> list[Outcome]:
        """The server sends more than is kept: the room is told once."""
        words = f"The assistant's server sends more than is kept ({what}): the rest is left out."
        told = [ProblemFound("too_much", words)] if self._ended.first(("too much", what)) else []
        return [Log("warning", f"! < {words}", f"too much: {what}"), *told]


def _told(ending: Ending, kind: str, items: Sequence[str]) -> Told:
    log = Log("warning", f"! < {ending.log}", kind)
    return Told([log, ProblemFound(ending.code, ending.words)], items, ending)

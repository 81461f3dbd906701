"""Who speaks in which slot: what the mixer tells a room's link, a few slots at a time. Sans-I/O.

A slot has the number of the frame in which the link hears it. A report is the EVENT ``speech``:

``slot``     number of its first slot
``count``    how many slots it covers, at most ``REPORT_SLOTS``; whoever is not named is silent
``voices``   by participant ``[speech, sound, level]``: two bit masks, the lowest bit for the first
             slot, and the loudest of these frames in whole dBFS

``speech`` is the detector's word, which comes some frames late and goes on over short gaps;
``sound`` says in which frames the voice stands out from its noise. With both the link knows the
frame in which somebody began and ended (``openai_link/transcript/speech_timeline.py``). A report
stands for itself: one that is lost leaves a gap, and nothing else. Silence is not reported, but for
the one report in which nobody speaks any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .bus.frames import U32
from .runtime.units import MS_NS
from .slots import Stream

REPORT_SLOTS = 5
"""Most slots of a report."""
REPORT_NS = 100 * MS_NS
"""A report waits for its other slots no longer than this."""
SOUND_DB = 6.0
"""A frame that stands out so far from the noise floor has sound."""
HELD_DB = -12.0
"""A voice that is held back further than this is not heard, and says nothing."""


class SpeechReports:
    """The reports of one room. Call ``slot`` for each slot, then ``voice`` for its voices."""

    __slots__ = ("_began_ns", "_bit", "_first", "_is_open", "_last", "_voices")

    def __init__(self) -> None:
        self._voices: dict[str, list[int]] = {}
        self._first = 0
        self._last = 0
        self._bit = 0
        self._is_open = False  # the newest report ends while somebody speaks
        self._began_ns: int | None = None  # None: there is nothing to report

    def slot(self, number: int, now_ns: int) -> dict[str, Any] | None:
        """The voices of slot ``number`` follow. A report where it cannot be part of the one that
        was begun."""
        report = None
        offset = (number - self._first) & U32
        if self._began_ns is not None and not 0 <= offset < REPORT_SLOTS:
            report = self.take()
        if self._began_ns is None:
            self._first, offset, self._began_ns = number, 0, now_ns
        self._last, self._bit = number, 1 << offset
        return report

    def voice(self, source: Stream) -> None:
        """One frame of somebody in this slot has been listened to."""
        chain = source.chain
        if chain is None:
            return
        speech, level_dbfs = chain.is_speech, chain.level_dbfs
        sound = chain.voice_dbfs > chain.floor_dbfs + SOUND_DB and chain.duck_db > HELD_DB
        if not (speech or sound):
            return
        known = self._voices.get(source.voice)
        if known is None:
            known = self._voices[source.voice] = [0, 0, -100]
        known[0] |= self._bit if speech else 0
        known[1] |= self._bit if sound else 0
        known[2] = max(known[2], int(level_dbfs))

    def due(self, now_ns: int, talking: bool) -> dict[str, Any] | None:
        """The report, if it is complete, has waited, or nobody is ``talking`` any more."""
        began_ns = self._began_ns
        if began_ns is None:
            return None if talking or not self._is_open else self._silence()
        complete = (self._last - self._first) & U32 >= REPORT_SLOTS - 1
        return self.take() if complete or not talking or now_ns >= began_ns + REPORT_NS else None

    def take(self) -> dict[str, Any] | None:
        """What there is to report now."""
        self._began_ns = None
        voices = self._voices
        if not voices and not self._is_open:
            return None
        self._voices = {}
        self._is_open = any(speech & self._bit for speech, _, _ in voices.values())
        return report_of(self._first, ((self._last - self._first) & U32) + 1, voices)

    def next_timeout_ns(self) -> int | None:
        """When a report is due; None: there is nothing to report."""
        if self._began_ns is None or not (self._voices or self._is_open):
            return None
        return self._began_ns + REPORT_NS

    def _silence(self) -> dict[str, Any]:
        self._is_open = False
        return report_of((self._last + 1) & U32, 1, {})


def report_of(slot: int, count: int, voices: Mapping[str, list[int]]) -> dict[str, Any]:
    """The EVENT of a report; see the module."""
    return {"type": "speech", "slot": slot, "count": count, "voices": voices}

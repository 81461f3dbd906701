"""Who spoke when, from the mixer's reports: a mixed microphone has no names. Sans-I/O.

The mixer says for every slot (20 ms) whose voice its detector hears, and in which frames it sounds
(``mixer_core/speech_timeline.py``). Of these come *spells*: from the first frame of an utterance to
its last, by participant, in places of the ``SlotClock``.

Microphones in one room hear the same voice. A voice that is much quieter than another one is taken
for that one's, unless its own microphone is always as quiet: how loud somebody is when nobody is
louder is learned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .slot_clock import SlotClock

NEARLY_DB = 6.0
"""A voice that is so much quieter than another one may be that one's, through the air."""
USUAL_DB = 10.0
"""It is not, if it is no more than this below what is usual for it."""
USUAL_SHARE = 0.1
"""Of a report in what is usual."""
ONSET_SLOTS = 5
"""The detector hears the begin of an utterance at most so late."""
GAP_SLOTS = 15
"""A voice that is back after a loss of as many slots (0.3 s) was never away."""
MAX_SPELLS = 2_000
"""Of one participant; older ones are forgotten."""
MAX_PEOPLE = 256
"""Participants whose spells are kept, the newest."""
REPORT_SLOTS = 32
"""A longer report is no report."""

Shares = list[tuple[str, float]]
"""Participants and their parts of the talk, largest first; the parts sum up to 1."""
Spell = tuple[int, int]
"""Places of the first slot, and of the one after the last."""


@dataclass(slots=True)
class _Voice:
    """What is known of one participant."""

    spells: deque[Spell]
    usual_db: float | None = None
    begin: int | None = None
    """Of the spell that goes on; None: they are silent."""
    last: int = -1
    """The last slot with sound."""
    run: int = -1
    """First slot of the sound that goes on; -1: there is none."""

    def slot(self, place: int, speech: bool, sound: bool) -> None:
        if sound:
            if self.last != place - 1 or self.run < 0:
                self.run = place
            self.last = place
        if speech and sound and self.begin is None:
            before = self.spells[-1][1] if self.spells else 0
            self.begin = max(self.run, place - ONSET_SLOTS, before)
        elif not speech:
            self.end()

    def end(self) -> None:
        """They are silent since their last sound."""
        if self.begin is not None:
            self.spells.append((self.begin, self.last + 1))
            self.begin = None

    def within(self, begin: int, end: int) -> Iterator[Spell]:
        """Their spells between two places, the newest first."""
        if self.begin is not None:
            yield from _cut((self.begin, self.last + 1), begin, end)
        for spell in reversed(self.spells):
            if spell[1] <= begin:
                return
            yield from _cut(spell, begin, end)


class SpeechTimeline:
    """The last minutes of a room."""

    def __init__(self) -> None:
        self._clock = SlotClock()
        self._voices: dict[str, _Voice] = {}
        self._until = 0
        """The place behind the newest report."""

    def heard(self, slot: int, now_ns: int) -> None:
        """The link hears the slot with that number."""
        self._clock.heard(slot, now_ns)

    def report(self, event: Mapping[str, Any]) -> bool:
        """Take the mixer's ``speech`` event. False: it could not be read."""
        slot, count, voices = (event.get(key) for key in ("slot", "count", "voices"))
        if not isinstance(slot, int) or not isinstance(count, int) or not isinstance(voices, dict):
            return False
        first = self._clock.place(slot)
        if first is None or not 0 < count <= REPORT_SLOTS:
            return False
        read = {str(who): found for who, found in voices.items() if _is_voice(found)}
        if first < self._until:
            return False  # It was told before.
        self._absent(read, first)
        for who, (speech, sound, _) in self._own(read).items() if read else ():
            voice = self._voice(who)
            for bit in range(count):
                voice.slot(first + bit, bool(speech >> bit & 1), bool(sound >> bit & 1))
        self._until = min(first + count, self._clock.newest + 1)
        return len(read) == len(voices)

    def who(self, from_ns: int, to_ns: int) -> Shares:
        """Who spoke between two times (monotonic); empty where nobody was heard."""
        begin, end = self._clock.at(from_ns), self._clock.at(to_ns)
        slots = {
            who: sum(last - first for first, last in voice.within(begin, end))
            for who, voice in self._voices.items()
        }
        total = sum(slots.values())
        shares = [(who, count / total) for who, count in slots.items() if count]
        return sorted(shares, key=lambda part: (-part[1], part))

    def spoken_slots(self, from_ns: int, to_ns: int) -> dict[str, int]:
        """For how many slots of 20 ms each of those who spoke did, between two times."""
        begin, end = self._clock.at(from_ns), self._clock.at(to_ns)
        slots = {
            who: sum(last - first for first, last in voice.within(begin, end))
            for who, voice in self._voices.items()
        }
        return {who: count for who, count in slots.items() if count}

    def overlap_slots(self, from_ns: int, to_ns: int) -> int:
        """In how many slots between two times several people spoke at once."""
        begin, end = self._clock.at(from_ns), self._clock.at(to_ns)
        edges: list[tuple[int, int]] = []
        for voice in self._voices.values():
            for first, last in voice.within(begin, end):
                edges += [(first, 1), (last, -1)]
        count = talking = before = 0
        for place, change in sorted(edges):
            count += place - before if talking > 1 else 0
            talking, before = talking + change, place
        return count

    @property
    def talking(self) -> list[str]:
        """Who speaks, as far as it is reported."""
        return [who for who, voice in self._voices.items() if voice.begin is not None]

    def spells(self, participant: str) -> list[Spell]:
        """All that is remembered of somebody, oldest first."""
        voice = self._voices.get(participant)
        return [] if voice is None else list(voice.within(0, self._clock.newest + 1))[::-1]

    def _voice(self, who: str) -> _Voice:
        voice = self._voices.get(who)
        if voice is None:
            voice = self._voices[who] = _Voice(deque(maxlen=MAX_SPELLS))
            if len(self._voices) > MAX_PEOPLE:
                del self._voices[next(iter(self._voices))]
        return voice

    def _absent(self, named: Mapping[str, Any], first: int) -> None:
        """Who is not named in a report is silent; a short loss before it is bridged."""
        is_far = first - self._until > GAP_SLOTS
        for who, voice in self._voices.items():
            if voice.begin is not None and (is_far or who not in named):
                voice.end()

    def _own(self, voices: Mapping[str, list[int]]) -> Mapping[str, list[int]]:
        """The voices that are people's own, and what is usual for them."""
        talking = {
            who: float(level) for who, (speech, sound, level) in voices.items() if speech & sound
        }
        if not talking:
            return voices
        loudest = max(talking, key=lambda who: talking[who])
        rest = max((level for who, level in talking.items() if who != loudest), default=-100.0)
        if talking[loudest] - rest >= NEARLY_DB:
            self._learn(loudest, talking[loudest])
        if len(voices) == 1:
            return voices
        least = talking[loudest] - NEARLY_DB
        return {
            who: found if found[2] >= least or self._is_usual(who, found[2]) else [0, 0, found[2]]
            for who, found in voices.items()
        }

    def _learn(self, who: str, level: float) -> None:
        voice = self._voice(who)
        usual = level if voice.usual_db is None else voice.usual_db
        voice.usual_db = usual + USUAL_SHARE * (level - usual)

    def _is_usual(self, who: str, level: float) -> bool:
        usual = self._voices[who].usual_db if who in self._voices else None
        return usual is not None and level >= usual - USUAL_DB


def _is_voice(found: Any) -> bool:
    return isinstance(found, list) and len(found) == 3 and all(isinstance(n, int) for n in found)


def _cut(spell: Spell, begin: int, end: int) -> Iterator[Spell]:
    first, last = max(spell[0], begin), min(spell[1], end)
    if first < last:
        yield first, last

"""Who speaks, as the model is told: one short text item where that changes. Sans-I/O.

The model hears one mixed microphone. While somebody speaks it is told who it is, as soon as that is
certain, and again where it turns out otherwise: so the item is there before the server, which
answers by itself, begins to, and costs no time. It is told only what it does not know: whoever goes
on speaking is not told again.

A name is what a person chose, and stands in an item of the system: of it only letters, digits and a
few marks are told, in quotes, and not many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CERTAIN_SLOTS = 15
"""Slots (20 ms each) of somebody's voice after which it is certain who speaks."""
SHORT_SLOTS = 6
"""The same where nobody speaks any more: a "yes" is no longer."""
OVERLAP_SLOTS = 15
"""Several people spoke at once for as long."""
LEAST_SHARE = 0.25
"""Whoever has less of a turn is not named."""
MOST_IN_A_TURN = 3
"""Items that a turn may cost."""
MOST_NAMED = 4
MAX_NAME_CHARS = 24
_MARKS = " '-."


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of the turn that somebody speaks, or has just spoken."""

    slots: Mapping[str, int]
    """By participant, for how many slots they spoke."""
    overlap_slots: int
    """In how many of them several did."""
    is_over: bool
    """Nobody speaks now."""


class ToldSpeakers:
    """Of one session."""

    def __init__(self) -> None:
        self._told: tuple[tuple[str, ...], bool] = ((), False)
        self._in_turn = 0

    def turn_began(self) -> None:
        """Somebody begins to speak."""
        self._in_turn = 0

    def news(self, heard: Heard, names: Mapping[str, str]) -> str:
        """What the model is to be told now; empty: nothing.

        ``names``: of those who are or were here, by participant.
        """
        speakers = self._speakers(heard, names)
        if not speakers or self._in_turn >= MOST_IN_A_TURN:
            return ""
        together = len(speakers) > 1 and heard.overlap_slots >= OVERLAP_SLOTS
        if (speakers, together) == self._told:
            return ""
        self._told = speakers, together
        self._in_turn += 1
        return sentence(speakers, together)

    def _speakers(self, heard: Heard, names: Mapping[str, str]) -> tuple[str, ...]:
        """Names of those of whom it is certain, sorted; empty: of nobody."""
        slots = heard.slots
        total, longest = sum(slots.values()), max(slots.values(), default=0)
        if longest < (SHORT_SLOTS if heard.is_over else CERTAIN_SLOTS):
            return ()
        named = {clean(names.get(who, "")) for who, n in slots.items() if n >= LEAST_SHARE * total}
        return tuple(sorted(named - {""}))


def sentence(speakers: Sequence[str], together: bool) -> str:
    """The words of the item."""
    quoted = [f'"{name}"' for name in speakers[:MOST_NAMED]]
    if len(speakers) > MOST_NAMED:
        quoted.append("others")
    if len(quoted) == 1:
        return f"{quoted[0]} is speaking."
    listed = f"{', '.join(quoted[:-1])} and {quoted[-1]}"
    return f"{listed} are speaking{' at once' if together else ''}."


def clean(name: str) -> str:
    """Of a name what the model is told."""
    kept = "".join(c if c.isalnum() or c in _MARKS else " " for c in name)
    return " ".join(kept.split())[:MAX_NAME_CHARS].strip()

"""Who talked when, from the mixer's ``level`` events: a mixed microphone has no names. Sans-I/O.

The mixer reports the loudness of every talking stream ten times a second. Each report stands for
the time up to it. In one room several microphones hear the same voice, so a report belongs to the
loudest one; others share it only where they are nearly as loud.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

TALKING_DB = -50.0
"""Quieter than this is nobody's speech (dBFS)."""
NEARLY_DB = 6.0
"""A microphone so much quieter than the loudest one still counts as a second voice."""
MAX_REPORTS = 3_000
"""Five minutes at ten a second; older ones are forgotten."""
ASSISTANT = "assistant"
"""The key of the reply among the levels; not a person."""

Shares = list[tuple[str, float]]
"""Participants and their parts of the talk, largest first; the parts sum up to 1."""


class SpeechActivity:
    """The last minutes of a room."""

    def __init__(self) -> None:
        self._reports: deque[tuple[int, tuple[str, ...]]] = deque(maxlen=MAX_REPORTS)

    def levels(self, levels: Mapping[str, float], now_ns: int) -> None:
        """Take a report: dBFS by participant, as in the mixer's ``level`` event."""
        voices = {
            who: level
            for who, level in levels.items()
            if who != ASSISTANT and isinstance(level, int | float) and level >= TALKING_DB
        }
        if not voices:
            return
        least_db = max(voices.values()) - NEARLY_DB
        talkers = tuple(sorted(who for who, level in voices.items() if level >= least_db))
        self._reports.append((now_ns, talkers))

    def who(self, from_ns: int, to_ns: int) -> Shares:
        """Who talked between two times (monotonic); empty where nobody was heard."""
        heard: dict[str, float] = {}
        for time_ns, talkers in reversed(self._reports):
            if time_ns < from_ns:
                break
            if time_ns <= to_ns:
                for who in talkers:
                    heard[who] = heard.get(who, 0.0) + 1 / len(talkers)
        total = sum(heard.values())
        return sorted(((w, h / total) for w, h in heard.items()), key=lambda part: (-part[1], part))

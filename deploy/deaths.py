"""Which programs are started again, when, and which no longer. Sans-I/O.

A program that ends is started again: at once the first time, then after pauses that grow. One that
ends in the same way and with the same last words five times in a row will do so a sixth time: it is
given up, and its words are told, until settings are read again or somebody starts it.

Not counted is what says nothing of the program: a signal that somebody sent, such as that of the
watchdog or of the kernel that is out of memory, and ``EXIT_PASSING``, by which a program says that
what is in its way may pass.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from mixer_core.runtime.errors import EXIT_PASSING
from mixer_core.runtime.units import S_NS

MOST_IN_A_ROW = 5
"""Ends at the same place after which a program is given up."""
LONG_LIFE_NS = 300 * S_NS
"""A program that lived this long was not in its way to the place where it ends: it counts anew."""
SHORT_LIFE_NS = 10 * S_NS
"""A program that lived less long waits before it is started again …"""
KILLED_LIFE_NS = S_NS
"""… and where a signal from outside has ended it, less long than this."""
MOST_PAUSE_S = 30
FROM_OUTSIDE = frozenset(
    {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
)
MAX_WORDS = 500
_CHANGING = re.compile(r"[0-9a-f]*\d[0-9a-f.:]*")
"""Numbers, ids and times: they differ from one end to the next."""


@dataclass(frozen=True, slots=True)
class Again:
    """Start it again after ``pause_s``."""

    pause_s: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not start it again. ``words``: why, with the last line that it has written."""

    words: str


Verdict = Again | GiveUp


@dataclass(slots=True)
class _Known:
    started_ns: int = 0
    place: str = ""
    """Where it ended last."""
    in_a_row: int = 0
    """Ends there."""
    hurried: int = 0
    """Ends soon after the start, in a row."""


class Deaths:
    """Feed every start and every end."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._failed: dict[str, str] = {}

    @property
    def failed(self) -> Mapping[str, str]:
        """Programs that were given up, with the reason."""
        return self._failed

    def started(self, program: str, now_ns: int) -> None:
        """It runs."""
        self._known.setdefault(program, _Known()).started_ns = now_ns
        self._failed.pop(program, None)

    def forgive(self, program: str) -> None:
        """What was in its way may be gone: it is started as if it had never ended."""
        self._known.pop(program, None)
        self._failed.pop(program, None)

    def ended(self, program: str, exit_code: int, last_line: str, now_ns: int) -> Verdict:
        """It has ended by itself. ``exit_code``: negative for a signal."""
        known = self._known.setdefault(program, _Known())
        lived_ns = now_ns - known.started_ns
        is_killed = -exit_code in FROM_OUTSIDE
        short_ns = KILLED_LIFE_NS if is_killed else SHORT_LIFE_NS
        known.hurried = known.hurried + 1 if lived_ns < short_ns else 0
        pause_s = min(2 ** (known.hurried - 2), MOST_PAUSE_S) if known.hurried > 1 else 0
        if is_killed or exit_code == EXIT_PASSING:
            return Again(pause_s)
        place = f"{exit_code} {_CHANGING.sub('#', last_line[:MAX_WORDS])}"
        same = place == known.place and lived_ns < LONG_LIFE_NS
        known.place, known.in_a_row = place, known.in_a_row + 1 if same else 1
        if known.in_a_row < MOST_IN_A_ROW:
            return Again(pause_s)
        words = last_line.strip()[:MAX_WORDS] or "it did not say why"
        how = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
        self._failed[program] = f"it ended {known.in_a_row} times in a row ({how}): {words}"
        return GiveUp(self._failed[program])

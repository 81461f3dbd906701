"""Which programs have stopped moving, by the files that they touch every second. Sans-I/O.

A program that was stopped, waits for ever or turns in a circle does not end by itself, and nobody
restarts what has not ended. Each one touches its lock file from the loop that does its work; where
that file does not change for some looks in a row, the program is frozen.

Looks are counted, not seconds: a machine that was asleep, or too busy to look, proves nothing. Nor
does a directory in which nobody has a file: it is gone, and the calls go on without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixer_core.runtime.units import S_NS

LOOK_NS = S_NS
"""Between two looks."""
LATE_NS = 2 * S_NS
"""A look that comes this long after the one before does not count."""
START_LOOKS = 300
"""A program that has not begun to move may compile, or wait for one that does."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What a program's file says."""

    pid: int
    """Who wrote it; 0: nobody could, on a full disk."""
    stamp: int
    """Another value after each touch; 0: there is no file."""
    moves: bool = False
    """It has said that it has begun to move; where it cannot write, a change says so."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A program that has to be ended."""

    program: str
    pid: int
    looks: int
    """For so many seconds it has not moved."""


@dataclass(slots=True)
class _Watched:
    pid: int
    stamp: int = 0
    """Of the last change; 0: none was seen."""
    moves: bool = False
    looks: int = 0
    """Since the last change."""


class Watchdog:
    """``look`` about once a second."""

    def __init__(self, limit_looks: int) -> None:
        """``limit_looks``: a program that moved and does not for so many looks is frozen."""
        self._limit_looks = limit_looks
        self._start_looks = max(START_LOOKS, limit_looks)
        self._watched: dict[str, _Watched] = {}
        self._looked_ns: int | None = None

    def is_due(self, now_ns: int) -> bool:
        """Whether to ``look`` now."""
        return self._looked_ns is None or now_ns - self._looked_ns >= LOOK_NS

    def look(
        self, running: Mapping[str, int], signs: Mapping[str, Sign], now_ns: int
    ) -> list[Frozen]:
        """Judge the programs that run (process numbers by name) by their signs."""
        late = self._looked_ns is not None and now_ns - self._looked_ns >= LATE_NS
        blind = not any(signs[program].stamp for program in running if program in signs)
        self._looked_ns = now_ns
        self._watched = {program: self._known(program, pid) for program, pid in running.items()}
        frozen: list[Frozen] = []
        for program, watched in self._watched.items():
            self._judge(watched, signs.get(program, Sign(0, 0)), late or blind)
            limit = self._limit_looks if watched.moves else self._start_looks
            if watched.looks >= limit:
                frozen.append(Frozen(program, watched.pid, watched.looks))
                watched.looks = 0
        return frozen

    def _known(self, program: str, pid: int) -> _Watched:
        watched = self._watched.get(program)
        return watched if watched is not None and watched.pid == pid else _Watched(pid)

    def _judge(self, watched: _Watched, sign: Sign, proves_nothing: bool) -> None:
        is_its = sign.stamp != 0 and sign.pid in (watched.pid, 0)
        watched.moves |= is_its and (sign.moves or watched.stamp not in (0, sign.stamp))
        if is_its and sign.stamp != watched.stamp:
            watched.stamp, watched.looks = sign.stamp, 0
        elif not proves_nothing:
            watched.looks += 1

"""What a call with sound devices says about echoes and held speech. Sans-I/O.

Levels are in dBFS by 20 ms, times monotonic in ns. What a microphone hears is heard by the
assistant's server some hundred ms later: that time is found by comparing envelopes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mixer_core.bus.pcm import FRAME_MS, FRAME_NS

Levels = NDArray[np.float64]
Timed = Sequence[tuple[int, float]]

SILENT_DBFS = -100.0
FLOOR_DBFS = -60.0
"""Below this all is alike."""
MOST_LAG = 75
"""Frames: 1.5 s."""
LOUD_DB = 10.0
"""Frames of speech that are at most so far below its level count."""
PASSED_DBFS = -45.0
"""What is heard is louder than this: the simulator's threshold of speech."""
WANDERS = 4
"""Frames by which the way of an utterance may differ from the usual one."""
UTTERANCE_GAP = 10
"""Frames without speech between two utterances, at least."""
CASE_FRAMES = 3
"""So many frames in a row that are missing are one case."""
LATE_MS = 300


def on_grid(timed: Timed, begin_ns: int, count: int) -> Levels:
    """The level of each 20 ms from ``begin_ns`` on: the loudest frame of them."""
    grid = np.full(count, SILENT_DBFS)
    for at_ns, level in timed:
        slot = (at_ns - begin_ns) // FRAME_NS
        if 0 <= slot < count:
            grid[slot] = max(grid[slot], level)
    return grid


def lag_frames(said: Levels, heard: Levels, lags: range) -> tuple[int, float]:
    """The lag of ``lags`` at which ``heard`` follows ``said`` best, and how well (-1 … 1)."""
    first = np.maximum(said, FLOOR_DBFS) - FLOOR_DBFS
    second = np.maximum(heard, FLOOR_DBFS) - FLOOR_DBFS
    best, alike = lags.start, -1.0
    for lag in lags:
        size = min(len(first), len(second) - lag)
        here, there = first[:size], second[lag : lag + size]
        if here.std() == 0 or there.std() == 0:
            continue
        correlation = float(np.corrcoef(here, there)[0, 1])
        if correlation > alike:
            best, alike = lag, correlation
    return best, alike


def way_ms(sent: Timed, heard: Timed) -> tuple[float, float]:
    """From the assistant's mouth to its ear, and how sure that is (correlation)."""
    if not sent or not heard:
        return 0.0, 0.0
    begin_ns = sent[0][0]
    count = int((sent[-1][0] - begin_ns) // FRAME_NS) + MOST_LAG
    said, came = on_grid(sent, begin_ns, count), on_grid(heard, begin_ns, count)
    lag, alike = lag_frames(said, came, range(MOST_LAG))
    return float(lag * FRAME_MS), alike


@dataclass
class Held:
    """Speech that did not come through."""

    loud: int = 0
    """Frames of loud speech."""
    missing: int = 0
    """Of them were not heard."""
    cases: int = 0
    """Runs of missing frames."""
    late_ms: list[float] = field(default_factory=list)
    """Per utterance: from its first loud frame to the first that was heard."""
    alike: float = 0.0
    """Correlation of what was said and heard."""
    lag_ms: float = 0.0
    """From the microphone to the server."""

    @property
    def too_late(self) -> int:
        """Utterances of which nothing was heard within 300 ms."""
        return sum(ms > LATE_MS for ms in self.late_ms)


def held(spoken: Timed, heard: Timed, level_dbfs: float) -> Held:
    """Compare what people said into microphones with what the server heard."""
    found = Held()
    if not spoken:
        return found
    begin_ns = spoken[0][0]
    count = int((spoken[-1][0] - begin_ns) // FRAME_NS) + 1 + MOST_LAG
    said, came = on_grid(spoken, begin_ns, count), on_grid(heard, begin_ns, count)
    usual, found.alike = lag_frames(said, came, range(MOST_LAG))
    found.lag_ms = float(usual * FRAME_MS)
    loud = said > level_dbfs - LOUD_DB
    for begin, end in utterances(loud):
        near = range(max(0, usual - WANDERS), min(MOST_LAG, usual + WANDERS + 1))
        lag, alike = lag_frames(said[begin:end], came[begin : end + near.stop], near)
        lag = lag if alike > 0 else usual
        _judge(loud[begin:end], came[begin : end + lag + 2], lag, found)
    return found


def utterances(loud: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First frame, and the one after the last, of what lies between two pauses."""
    at = np.flatnonzero(loud)
    if not len(at):
        return []
    cuts = np.flatnonzero(np.diff(at) > UTTERANCE_GAP)
    begins, ends = [at[0], *at[cuts + 1]], [*at[cuts], at[-1]]
    return [(int(b), int(e) + 1) for b, e in zip(begins, ends, strict=True)]


def _judge(loud: NDArray[np.bool_], came: Levels, lag: int, found: Held) -> None:
    """One utterance; ``came`` begins with it, and is longer by the lag and two frames."""
    run = 0
    first: int | None = None
    for n in np.flatnonzero(loud):
        around = came[max(0, n + lag - 1) : n + lag + 2]
        is_heard = bool(len(around)) and around.max() > PASSED_DBFS
        found.loud += 1
        if is_heard:
            first = int(n) if first is None else first
            run = 0
            continue
        found.missing += 1
        run += 1
        found.cases += run == CASE_FRAMES
    late = len(loud) if first is None else first
    found.late_ms.append(float(late * FRAME_MS))

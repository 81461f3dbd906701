"""How far each listener has played the assistant's audio, from what browsers report. Sans-I/O.

All audio that leaves the link forms one line of samples, counted from the start of the session. A
report names a position on it:

- ``stamp_ns`` and ``offset_samples``: the stamp of the newest frame that has begun to play, and how
  many of its samples were played. This is exact. Stamps are the link's own and pass through mixer
  and worker unchanged. Where the mixer had to mix (a conference, or several people talking) a frame
  carries the oldest stamp of its parts, and the position is early by what that part waited (at most
  about 60 ms). People do not hear themselves, so a single talker's own report stays exact.
- without a stamp: ``played_ms`` of the epoch's audio, counted from where the epoch began or the
  listener joined. Frames that the network lost count as played, as they do in the page.

A listener who never reports anything (a client of the plain protocol) has heard all that was sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Set
from typing import Any

from mixer_core.bus.pcm import FRAME_SAMPLES, SAMPLE_RATE_HZ
from mixer_core.runtime.units import MS_NS, S_NS

MS_SAMPLES = SAMPLE_RATE_HZ // 1000
MAX_FRAMES = 1_024
"""Frames whose stamps are kept: 20 s, far more than may wait in front of a loudspeaker."""
MAX_LISTENERS = 256
MAX_EPOCHS = 4
STALE_NS = S_NS
"""A listener whose last report is older than this is not listening."""
_SEARCH_NS = S_NS
"""Stamps are in order except for reordered packets: a search ends this far before its target."""


class PlaybackPositions:
    """The line of samples, and the listeners' positions on it."""

    def __init__(self) -> None:
        self.samples = 0
        """Length of the line: everything that was sent."""
        self._listeners: dict[str, tuple[int, int]] = {}
        """Position of each browser that reports, and when it reported it."""
        self._people: frozenset[str] | None = None
        self._joined: dict[str, int] = {}
        self._frames: deque[tuple[int, int]] = deque(maxlen=MAX_FRAMES)
        """(stamp, position of the first sample) of the newest frames, in order."""
        self._epochs: dict[int, int] = {}
        """Position where an epoch began."""

    def sent(self, stamp_ns: int, samples: int = FRAME_SAMPLES) -> None:
        """A frame was sent to everybody."""
        self._frames.append((stamp_ns, self.samples))
        self.samples += samples

    def epoch(self, number: int) -> None:
        """Whatever is sent from now on belongs to the epoch ``number``."""
        self._epochs[number] = self.samples
        if len(self._epochs) > MAX_EPOCHS:
            del self._epochs[next(iter(self._epochs))]

    def roster(self, people: Collection[str]) -> None:
        """Exactly these participants are in the room."""
        known, self._people = self._people or frozenset(), frozenset(people)
        for participant in self._people - known:
            self._joined[participant] = self.samples
        for participant in known - self._people:
            self._joined.pop(participant, None)
            self._listeners.pop(participant, None)

    @property
    def all_report(self) -> bool:
        """Whether everybody in the room is known to report."""
        people = self._listeners.keys() if self._people is None else self._people
        return bool(people) and people <= self._listeners.keys()

    @property
    def reporting(self) -> Set[str]:
        """Everybody in the room who has reported at least once."""
        return self._listeners.keys()

    def played(self, participant: str, report: Mapping[str, Any], now_ns: int) -> int | None:
        """Take a report and return its position, at most the end of the line.

        None if it cannot be used, or its sender is not in the room.
        """
        if self._people is not None and participant not in self._people:
            return None
        if participant not in self._listeners and len(self._listeners) >= MAX_LISTENERS:
            return None
        position = self._position(participant, report)
        if position is None:
            return None
        position = max(0, min(position, self.samples))
        self._listeners[participant] = (position, now_ns)
        return position

    def current(self, now_ns: int) -> dict[str, int]:
        """Where each listener is if it has played on since its last report; no stale ones."""
        return {
            participant: min(position + (now_ns - at_ns) * MS_SAMPLES // MS_NS, self.samples)
            for participant, (position, at_ns) in self._listeners.items()
            if 0 <= now_ns - at_ns <= STALE_NS
        }

    def _position(self, participant: str, report: Mapping[str, Any]) -> int | None:
        stamp_ns = _number(report, "stamp_ns")
        if stamp_ns is not None:
            offset = _number(report, "offset_samples") or 0
            return self._find(int(stamp_ns)) + max(0, min(int(offset), FRAME_SAMPLES))
        played_ms, epoch = _number(report, "played_ms"), report.get("epoch")
        if played_ms is None or not isinstance(epoch, int):
            return None
        began = max(self._epochs.get(epoch, 0), self._joined.get(participant, 0))
        return began + int(played_ms * MS_SAMPLES)

    def _find(self, stamp_ns: int) -> int:
        """Position of the frame with this stamp, or of the newest one that is older."""
        older: int | None = None
        for stamp, position in reversed(self._frames):
            if stamp == stamp_ns:
                return position
            if stamp < stamp_ns:
                older = position if older is None else older
                if stamp < stamp_ns - _SEARCH_NS:
                    break
        if older is not None:
            return older
        return self._frames[0][1] - FRAME_SAMPLES if self._frames else 0


def _number(report: Mapping[str, Any], key: str) -> float | None:
    value = report.get(key)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63
    return value if usable else None

"""Where in the assistant's sound each listener is, from what browsers report. Sans-I/O.

All sound that leaves the link is one line of samples, counted from the beginning of the call.
A report names a place on it:

- ``stamp_ns`` and ``offset_samples``: the stamp of the newest frame of which a sample was played,
  and how many of its samples were. Exact. Stamps are the link's own and pass through mixer and
  worker unchanged; where the mixer had to mix (conference, more than one talking) a frame carries
  the oldest stamp of its parts, and the place is early by what that part waited (at most some
  60 ms). The one who talks hears no mix of himself, so that his own report stays exact.
- without a stamp: ``played_ms`` of the epoch's sound, counted from where the epoch began or the
  listener came in. Frames that the network lost count as played, as the page counts them.

A listener who never reports anything (a client of the plain protocol) has heard what was sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Set
from typing import Any

from mixer_core.bus.pcm import FRAME_SAMPLES, SAMPLE_RATE_HZ

MS_SAMPLES = SAMPLE_RATE_HZ // 1000
MAX_FRAMES = 1_024
"""Frames whose stamps are remembered: 20 s, far more than may wait in front of a loudspeaker."""
MAX_LISTENERS = 256
MAX_EPOCHS = 4
STALE_NS = 1_000_000_000
"""Who reported nothing for so long, while others hear a reply, is not listening."""
_SEARCH_NS = 1_000_000_000
"""Stamps are in order but for reordered packets: the search ends so far before its aim."""


class PlaybackPositions:
    """The line of samples, and the listeners along it."""

    def __init__(self) -> None:
        self.samples = 0
        """Length of the line: all that was sent."""
        self._listeners: dict[str, tuple[int, int]] = {}
        """Place of each browser that reports, and when it said so."""
        self._people: frozenset[str] | None = None
        self._joined: dict[str, int] = {}
        self._frames: deque[tuple[int, int]] = deque(maxlen=MAX_FRAMES)
        """(stamp, place of the first sample) of the newest frames, in the order of speaking."""
        self._epochs: dict[int, int] = {}
        """Place where an epoch began."""

    def sent(self, stamp_ns: int, samples: int = FRAME_SAMPLES) -> None:
        """A frame was sent to everybody."""
        self._frames.append((stamp_ns, self.samples))
        self.samples += samples

    def epoch(self, number: int) -> None:
        """What is sent from now on belongs to the epoch ``number``."""
        self._epochs[number] = self.samples
        if len(self._epochs) > MAX_EPOCHS:
            del self._epochs[next(iter(self._epochs))]

    def roster(self, people: Collection[str]) -> None:
        """Exactly these participants are in the room."""
        known, self._people = self._people or frozenset(), frozenset(people)
        for who in self._people - known:
            self._joined[who] = self.samples
        for who in known - self._people:
            self._joined.pop(who, None)
            self._listeners.pop(who, None)

    @property
    def all_report(self) -> bool:
        """Everybody in the room is known to report what was played."""
        people = self._listeners.keys() if self._people is None else self._people
        return bool(people) and people <= self._listeners.keys()

    @property
    def reporting(self) -> Set[str]:
        """Who has reported at least once and is in the room."""
        return self._listeners.keys()

    def played(self, who: str, report: Mapping[str, Any], now_ns: int) -> int | None:
        """Take a report and return its place, at most the end of the line.

        None where it cannot be used, or its sender is not in the room.
        """
        if self._people is not None and who not in self._people:
            return None
        place = self._place(who, report)
        if place is None or (who not in self._listeners and len(self._listeners) >= MAX_LISTENERS):
            return None
        place = max(0, min(place, self.samples))
        self._listeners[who] = (place, now_ns)
        return place

    def places(self, now_ns: int) -> dict[str, int]:
        """Where each listener is by its last report, if it went on; too old ones are left out."""
        return {
            who: min(place + (now_ns - at_ns) * MS_SAMPLES // 1_000_000, self.samples)
            for who, (place, at_ns) in self._listeners.items()
            if 0 <= now_ns - at_ns <= STALE_NS
        }

    def _place(self, who: str, report: Mapping[str, Any]) -> int | None:
        stamp_ns = _number(report, "stamp_ns")
        if stamp_ns is not None:
            offset = _number(report, "offset_samples") or 0
            return self._find(int(stamp_ns)) + max(0, min(int(offset), FRAME_SAMPLES))
        played_ms, epoch = _number(report, "played_ms"), report.get("epoch")
        if played_ms is None or not isinstance(epoch, int):
            return None
        began = max(self._epochs.get(epoch, 0), self._joined.get(who, 0))
        return began + int(played_ms * MS_SAMPLES)

    def _find(self, stamp_ns: int) -> int:
        """Place of the frame with this stamp, or of the newest one that is not younger."""
        older: int | None = None
        for stamp, place in reversed(self._frames):
            if stamp == stamp_ns:
                return place
            if stamp < stamp_ns:
                older = place if older is None else older
                if stamp < stamp_ns - _SEARCH_NS:
                    break
        if older is not None:
            return older
        return self._frames[0][1] - FRAME_SAMPLES if self._frames else 0


def _number(report: Mapping[str, Any], key: str) -> float | None:
    value = report.get(key)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63
    return value if usable else None

"""Whose microphone is open in a place with several: the loudest one. Sans-I/O.

What is compared is how far a voice is above its own microphone's noise, before any gain, so that a
sensitive microphone does not win because it is sensitive. When somebody begins to speak all
microphones are open for ``CONTEST_FRAMES``; then the loudest has the floor, and the others are held
back. It keeps the floor until another one is louder by ``MARGIN_DB`` for ``TAKE_FRAMES``, or until
nobody has spoken into it for ``HANG_FRAMES``. Whose talk button is held has the floor at once.

Time is counted in frames of audio, which come in bursts where the network is bad.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import Generic, TypeVar

SPEECH_DB = 9.0
"""So far above the noise somebody speaks into a microphone."""
CONTEST_FRAMES = 4
"""80 ms: sound needs 15 ms for 5 m, and one network brings it later than the other."""
MARGIN_DB = 6.0
"""Hysteresis: the inverse square law at twice the distance."""
TAKE_FRAMES = 3
HANG_FRAMES = 20
"""0.4 s: a pause between words is no reason to change microphones."""
ABSENT_FRAMES = 3
"""A microphone of which nothing comes for so long is muted or silent."""
_ATTACK = 0.6
_RELEASE_DB = 1.0  # a frame, 50 dB/s: louder than that falls no voice between two syllables

Device = TypeVar("Device", bound=Hashable)


class Floor(Generic[Device]):
    """The floor of one place."""

    def __init__(self) -> None:
        self.holder: Device | None = None
        """Whose microphone is open; None: all are."""
        self._loudness_db: dict[Device, float] = {}
        self._absent: dict[Device, int] = {}
        self._contest = 0  # frames since somebody began to speak; 0: nobody does
        self._quiet = 0  # frames since the holder last spoke
        self._challenger: Device | None = None
        self._challenge = 0

    def hear(self, frames_db: Mapping[Device, float], held: Device | None = None) -> Device | None:
        """One slot: who has the floor now, None: everybody.

        ``frames_db``: how far each frame is above its microphone's noise, in dB; those of which no
        frame came are left out. ``held``: whose talk button is held.
        """
        self._follow(frames_db)
        if held is not None:
            self._give(held)
        elif self.holder is None:
            self._contend()
        else:
            self._defend(self.holder)
        return self.holder

    def keep(self, devices: Collection[Device]) -> None:
        """Exactly these devices are in the place."""
        self._loudness_db = {d: db for d, db in self._loudness_db.items() if d in devices}
        self._absent = {d: frames for d, frames in self._absent.items() if d in devices}
        if self.holder is not None and self.holder not in devices:
            self._open()

    def _follow(self, frames_db: Mapping[Device, float]) -> None:
        for device, frame_db in frames_db.items():
            before_db = self._loudness_db.get(device, 0.0)
            if frame_db > before_db:
                self._loudness_db[device] = before_db + _ATTACK * (frame_db - before_db)
            else:
                self._loudness_db[device] = max(frame_db, before_db - _RELEASE_DB)
            self._absent[device] = 0
        for device in self._loudness_db.keys() - frames_db.keys():
            self._absent[device] += 1
            if self._absent[device] >= ABSENT_FRAMES:
                self._loudness_db[device] = 0.0

    def _loudest(self) -> Device | None:
        """Who is loudest of those who speak."""
        loudness_db = self._loudness_db
        loudest = max(loudness_db, key=loudness_db.__getitem__, default=None)
        return loudest if loudest is not None and loudness_db[loudest] >= SPEECH_DB else None

    def _contend(self) -> None:
        loudest = self._loudest()
        if loudest is None:
            self._contest = 0
            return
        self._contest += 1
        if self._contest >= CONTEST_FRAMES:
            self._give(loudest)

    def _defend(self, holder: Device) -> None:
        own_db = self._loudness_db.get(holder, 0.0)
        self._quiet = self._quiet + 1 if own_db < SPEECH_DB else 0
        loudest = self._loudest()
        if loudest not in (None, holder) and self._loudness_db[loudest] >= own_db + MARGIN_DB:
            self._challenge = self._challenge + 1 if loudest == self._challenger else 1
            self._challenger = loudest
            if self._challenge >= TAKE_FRAMES:
                self._give(loudest)
            return
        self._challenge = 0
        if self._quiet >= HANG_FRAMES:
            self._open()

    def _give(self, device: Device) -> None:
        self.holder = device
        self._contest = self._quiet = self._challenge = 0

    def _open(self) -> None:
        self.holder = None
        self._contest = self._quiet = self._challenge = 0

"""The air of a room in which devices stand.

``python -m benchmarks.rig.air_process``, by JSON lines. What each device plays goes, late, filtered
and softer, into the microphones of the others, and, by a path of its own, into its own; people
speak at devices; every microphone has noise. It is paced by the clock by which PulseAudio's null
sinks take sound. A microphone that gets its sound too late has a hole of exact zeros, which noise
never has: these are counted where the browser reads.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mixer_core.bus.pcm import FRAME_BYTES, FRAME_MS, FRAME_NS, FRAME_SAMPLES
from mixer_core.runtime.units import MS_NS, S_NS

from .acoustics import AirPath, Samples, frame_rms, from_pcm, noise, to_pcm
from .commands import serve
from .pulse import Listening, Playing
from .sound_card import EAR, MICROPHONE, SPEAKER
from .spoken import speech

AHEAD_MS = 80
"""Sound that waits at a microphone, for times when this process has to wait for the processor."""
MOST_WAITING, USUALLY_WAITING = 5, 2
"""Frames of a loudspeaker that may wait; the oldest of more are dropped, and counted."""
LATE_NS = 40 * MS_NS
"""So late a step is not made up for: the microphones have run dry, or nearly."""
HOLE_SAMPLES = 48
"""2 ms of zeros."""
_SILENT = np.zeros(FRAME_SAMPLES)
_ZEROS = bytes(2 * HOLE_SAMPLES)


@dataclass
class Person:
    """Somebody at a device: turns of speech."""

    voice: Samples
    period_frames: int
    talk_frames: int
    begin: int
    """The number of the frame at which the first turn begins."""
    at: int = 0

    def frame(self, number: int) -> Samples | None:
        """What they say in that frame; None: nothing."""
        since = number - self.begin
        if since < 0 or since % self.period_frames >= self.talk_frames:
            return None
        count = len(self.voice) // FRAME_SAMPLES
        start = self.at % count * FRAME_SAMPLES
        self.at += 1
        return self.voice[start : start + FRAME_SAMPLES]


@dataclass
class Device:
    """A loudspeaker and a microphone."""

    server: str
    rng: np.random.Generator
    heard: queue.SimpleQueue[bytes] = field(default_factory=queue.SimpleQueue)
    plays: Samples = field(default_factory=lambda: _SILENT)
    paths: dict[int, AirPath] = field(default_factory=dict)
    person: Person | None = None
    microphone: Playing = field(init=False)
    dropped: int = 0
    """Frames of its loudspeaker that came late and were left out."""
    missing: int = 0
    """Frames of it that had not come."""
    holes: int = 0
    hole_samples: int = 0
    frames: int = 0
    """Frames that were read from the microphone."""
    kept: list[bytes] | None = None
    """What its microphone hears, while it is recorded."""


class Room:
    """The devices, and what is between them."""

    def __init__(self) -> None:
        self._devices: list[Device] = []
        self._noise_dbfs = -62.0
        self._number = 0
        self._late_ms = 0.0
        self._spoken: list[tuple[int, int, float]] = []
        self._threads: list[threading.Thread] = []
        self._stops = threading.Event()
        self._failed = ""

    async def do_open(self, servers: list[str], noise_dbfs: float) -> None:
        """Connect to the devices; from now on their microphones hear a quiet room."""
        self._noise_dbfs = noise_dbfs
        for number, server in enumerate(servers):
            device = Device(server, np.random.default_rng(number))
            device.microphone = Playing(server, EAR, AHEAD_MS)
            self._devices.append(device)
            self._start(self._listen, device, Listening(server, SPEAKER))
            self._start(self._check, device, Listening(server, MICROPHONE))
        self._start(self._run)

    async def do_air(self, cross_db: float | None, own_db: float | None, lag_ms: float) -> None:
        """From now on so much of a loudspeaker is heard by others, and by its own microphone.

        ``lag_ms``: what the air adds to the time that the devices' buffers take.
        """
        for to, device in enumerate(self._devices):
            levels = {at: own_db if at == to else cross_db for at in range(len(self._devices))}
            device.paths = {
                at: AirPath(np.random.default_rng(10 * to + at), 0 if at == to else lag_ms, db)
                for at, db in levels.items()
                if db is not None
            }

    async def do_talk(
        self, voices: list[str], dbfs: float, talk_frames: int, pause_frames: int
    ) -> None:
        """People at the devices speak in turns from now on; no voices: nobody."""
        count = max(1, len(voices))
        turn = talk_frames + pause_frames
        for number, device in enumerate(self._devices):
            device.person = None
            if voices:
                begin = self._number + 25 + number * turn
                said = speech(voices[number], dbfs)
                device.person = Person(said, count * turn, talk_frames, begin)

    async def do_keep(self, folder: str) -> None:
        """Record the microphones from now on; with a folder: write them there as raw PCM16."""
        for number, device in enumerate(self._devices):
            if folder and device.kept is not None:
                Path(folder, f"microphone-{number}.raw").write_bytes(b"".join(device.kept))
            device.kept = None if folder else []

    async def do_look(self) -> dict[str, Any]:
        """What has happened since the last look. Raises RuntimeError where a device is gone.

        ``spoken``: (monotonic ns, device, dBFS) of the frames that people said.
        """
        if self._failed:
            raise RuntimeError(self._failed)
        told = {
            "late_ms": self._late_ms,
            "spoken": self._spoken,
            "devices": [
                {
                    "holes": device.holes,
                    "hole_ms": device.hole_samples * FRAME_MS / FRAME_SAMPLES,
                    "dropped": device.dropped,
                    "missing": device.missing,
                    "frames": device.frames,
                }
                for device in self._devices
            ],
        }
        self._late_ms, self._spoken = 0.0, []
        for device in self._devices:
            device.holes = device.hole_samples = device.dropped = device.missing = 0
            device.frames = 0
        return told

    def stop(self) -> None:
        """End the threads."""
        self._stops.set()
        for thread in self._threads:
            thread.join(1.0)

    def _start(self, what: Any, *arguments: Any) -> None:
        def run() -> None:
            try:
                what(*arguments)
            except OSError as error:
                self._failed = self._failed or str(error)

        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self, device: Device, speaker: Listening) -> None:
        while not self._stops.is_set():
            device.heard.put(speaker.read())

    def _check(self, device: Device, microphone: Listening) -> None:
        """Count holes in what the browser is given."""
        while not self._stops.is_set():
            frame = microphone.read()
            device.frames += 1
            if device.kept is not None:
                device.kept.append(frame)
            if _ZEROS in frame:
                device.holes += 1
                zeros = np.frombuffer(frame, "<i2") == 0
                device.hole_samples += int(zeros.sum())

    def _run(self) -> None:
        for device in self._devices:
            for _ in range(AHEAD_MS // FRAME_MS):
                device.microphone.write(to_pcm(noise(device.rng, self._noise_dbfs)))
        due_ns = time.monotonic_ns()
        while not self._stops.is_set():
            time.sleep(max(0, due_ns - time.monotonic_ns()) / S_NS)
            late_ns = time.monotonic_ns() - due_ns
            self._late_ms = max(self._late_ms, late_ns / MS_NS)
            if late_ns > LATE_NS:
                due_ns += late_ns
            self._step()
            due_ns += FRAME_NS
            self._number += 1

    def _step(self) -> None:
        for device in self._devices:
            device.plays = self._take(device)
        now_ns = time.monotonic_ns()
        for number, device in enumerate(self._devices):
            sound = noise(device.rng, self._noise_dbfs)
            for at, path in list(device.paths.items()):
                sound = sound + path.pass_on(self._devices[at].plays)
            person = device.person
            said = None if person is None else person.frame(self._number)
            if said is not None:
                sound = sound + said
                level = float(20 * np.log10(frame_rms(said)[0] + 1e-6))
                self._spoken.append((now_ns, number, round(level, 1)))
            device.microphone.write(to_pcm(sound))

    def _take(self, device: Device) -> Samples:
        if device.heard.qsize() > MOST_WAITING:
            while device.heard.qsize() > USUALLY_WAITING:
                device.heard.get()
                device.dropped += 1
        try:
            frame = device.heard.get_nowait()
        except queue.Empty:
            device.missing += 1
            return _SILENT
        assert len(frame) == FRAME_BYTES
        return from_pcm(frame)


async def main() -> None:
    """Serve until standard input ends."""
    room = Room()
    try:
        await serve(room)
    finally:
        room.stop()


if __name__ == "__main__":
    asyncio.run(main())

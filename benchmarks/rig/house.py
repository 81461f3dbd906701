"""A mixer with devices in one room of the house, in virtual time: no sockets, no browsers.

Each device plays what the mixer sends it; the microphones of the others hear that through the air,
and its own does not, since its browser cancels it. The link's side is the simulator's voice
activity detection and an assistant that plays replies, and stops where it is interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mixer_core.bus.events import Mode, StreamInfo
from mixer_core.bus.frames import Frame, Kind, decode
from mixer_core.bus.pcm import FRAME_MS, FRAME_NS, FRAME_SAMPLES, SILENCE
from mixer_core.bus.place import Place
from mixer_core.mixer import Mixer
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.units import MS_NS, S_NS
from mixer_core.settings import MixerCoreSettings

from .acoustics import AirPath, Samples, from_pcm, noise, to_pcm

LINK = 9_999
START_EVERY_FRAMES = 1_000 // FRAME_MS
_SILENT = np.zeros(FRAME_SAMPLES)


@dataclass(slots=True)
class Device:
    """A browser with a loudspeaker and a microphone; ``paths`` lead from other loudspeakers."""

    stream: int
    place: str = ""
    noise_dbfs: float = -62.0
    gain_db: float = 0.0
    """Of its microphone, noise included."""
    paths: dict[int, AirPath] = field(default_factory=dict)
    plays: Samples = field(default_factory=lambda: _SILENT)
    """What it plays in this frame."""
    offset_ns: int = 0
    """Where in the 20 ms its frames come."""


class House:
    """One room of the gateway. ``step`` is one frame of everybody."""

    def __init__(
        self, devices: Sequence[Device], *, detector: bool, mode: Mode = "assistant", seed: int = 1
    ) -> None:
        self.mixer = Mixer(MixerCoreSettings(echo_detector=detector), Metrics())
        self.devices = devices
        self.now_ns = S_NS
        self.heard = SILENCE
        """What the link heard in this frame."""
        self.took_ns = 0
        """Time in the mixer."""
        self.held: dict[int, bool] = {}
        """Whether the mixer held back that device's frame."""
        self._mode: Mode = mode
        self._rng = np.random.default_rng(seed)
        self._frame = 0
        self._epoch = 0

    def step(self, voices: dict[int, Samples], reply: Samples | None) -> None:
        """20 ms: these people speak at these devices, and the assistant says ``reply``."""
        if self._frame % START_EVERY_FRAMES == 0:
            self._announce()
        self.heard = SILENCE
        played = {device.stream: _SILENT for device in self.devices}
        if reply is not None:
            self._put(Kind.AUDIO, LINK, self.now_ns, to_pcm(reply), played)
        for device in self.devices:
            at_ns = self.now_ns + device.offset_ns
            self._put(Kind.AUDIO, device.stream, at_ns, self._microphone(device, voices), played)
        self._run(self.now_ns + FRAME_NS - 1, played)
        for device in self.devices:
            device.plays = played[device.stream]
            self.held[device.stream] = self.is_held(device.stream)
        self.now_ns += FRAME_NS
        self._frame += 1

    def interrupt(self) -> None:
        """Begin an epoch: what is queued of the reply is void."""
        self._epoch += 1

    def is_held(self, stream: int) -> bool:
        """Whether the mixer holds back a microphone."""
        known = self.mixer._streams.get(stream)
        return known is not None and known[1].chain is not None and known[1].chain.duck_db < -12

    def roster(self) -> dict[int, str]:
        """Which device hears whom, as the page is told."""
        room = next(iter(self.mixer._rooms.values()))
        hears = {s.stream: room.microphones.heard_by(s) for s in room.browsers}
        return {stream: other.voice for stream, other in hears.items() if other is not None}

    def _microphone(self, device: Device, voices: dict[int, Samples]) -> bytes:
        sound = noise(self._rng, device.noise_dbfs) + voices.get(device.stream, _SILENT)
        for other in self.devices:
            path = device.paths.get(other.stream)
            if path is not None:
                sound = sound + path.pass_on(other.plays)
        return to_pcm(sound * 10 ** (device.gain_db / 20))

    def _announce(self) -> None:
        link = StreamInfo("link", "house", mode=self._mode)
        self._put(Kind.START, LINK, self.now_ns, link.encode(), {})
        for device in self.devices:
            place = Place(device.place, device.stream if device.place else 0)
            name = f"p-{device.stream}"
            info = StreamInfo("browser", "house", name, name, mode=self._mode, place=place)
            self._put(Kind.START, device.stream, self.now_ns, info.encode(), {})

    def _put(
        self, kind: Kind, stream: int, at_ns: int, payload: bytes, played: dict[int, Samples]
    ) -> None:
        self._run(at_ns, played)
        epoch = self._epoch if stream == LINK else 0
        frame = Frame(kind, stream, epoch, self._frame, 0, at_ns, payload)
        began_ns = time.perf_counter_ns()
        out = self.mixer.on_frame(frame, at_ns)
        self.took_ns += time.perf_counter_ns() - began_ns
        self._take(out, played)

    def _run(self, until_ns: int, played: dict[int, Samples]) -> None:
        while (due_ns := self.mixer.next_timeout_ns()) is not None and due_ns <= until_ns:
            began_ns = time.perf_counter_ns()
            out = self.mixer.on_timeout(max(due_ns, self.now_ns))
            self.took_ns += time.perf_counter_ns() - began_ns
            self._take(out, played)

    def _take(self, messages: list[bytes], played: dict[int, Samples]) -> None:
        for message in messages:
            frame = decode(message)
            if frame.kind is not Kind.AUDIO:
                continue
            if frame.stream == LINK:
                self.heard = frame.payload
            else:
                played[frame.stream] = from_pcm(frame.payload)


def pair(
    rng: np.random.Generator, place: str, gain_db: float, lag_ms: float
) -> tuple[Device, Device]:
    """Two devices that hear each other, the second by half of the level."""
    first, second = Device(1, place, offset_ns=3 * MS_NS), Device(2, place, offset_ns=9 * MS_NS)
    first.paths[2] = AirPath(rng, lag_ms * 0.8, gain_db - 6)
    second.paths[1] = AirPath(rng, lag_ms, gain_db)
    return first, second

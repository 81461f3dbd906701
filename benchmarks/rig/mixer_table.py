"""A mixer on a table: one person talks, the assistant's link listens; time is counted in frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixer_core.bus.events import StreamInfo
from mixer_core.bus.frames import Frame, Kind, decode
from mixer_core.bus.pcm import FRAME_NS
from mixer_core.mixer import Mixer
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.units import S_NS
from mixer_core.settings import MixerCoreSettings

from .spoken import Sound, in_frames

LINK = 1_000
START_EVERY = 50
"""Frames between two announcements."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came out, frame by frame."""

    sound: Sound
    """Of the link, 480 samples a frame."""
    gain_db: Sound
    """What was learned of the talker by then."""


class MixerTable:
    """``talkers`` people in one room, and their assistant."""

    def __init__(
        self, settings: MixerCoreSettings, talkers: int = 1, *, has_chains: bool = True
    ) -> None:
        """``has_chains``: False takes the voices' chains away; their levels are still metered."""
        self._has_chains = has_chains
        self._mixer = Mixer(settings, Metrics())
        self._talkers = range(1, talkers + 1)
        self._seq = 0

    def slot(self, pcm: list[bytes]) -> list[bytes]:
        """One frame of everybody in; the messages that came out."""
        now_ns = S_NS + self._seq * FRAME_NS
        if self._seq % START_EVERY == 0:
            self._announce(now_ns)
        out: list[bytes] = []
        for stream, frame in zip(self._talkers, pcm, strict=True):
            message = Frame(Kind.AUDIO, stream, 0, self._seq, 0, now_ns, frame)
            out += self._mixer.on_frame(message, now_ns)
        self._seq += 1
        return out + self._mixer.on_timeout(now_ns)

    @property
    def gain_db(self) -> float:
        """That was learned of the first talker."""
        learned = self._mixer.memory().voices.get(1)
        return learned.gain_db if learned else 0.0

    def _announce(self, now_ns: int) -> None:
        for stream in self._talkers:
            info = StreamInfo("browser", "table", f"p-{stream}", f"p-{stream}", mode="conference")
            self._mixer.on_frame(Frame(Kind.START, stream, payload=info.encode()), now_ns)
        if not self._has_chains:
            for _, talker in self._mixer._streams.values():
                talker.chain = None
        link = StreamInfo("link", "table", mode="conference")
        self._mixer.on_frame(Frame(Kind.START, LINK, payload=link.encode()), now_ns)


def to_pcm(sound: Sound) -> list[bytes]:
    """Frames of 960 bytes, clipped at full scale."""
    samples: NDArray[np.int16] = np.clip(np.round(sound * 32_768), -32_768, 32_767).astype("<i2")
    return [frame.tobytes() for frame in in_frames(samples.astype(np.float64)).astype("<i2")]


def listen(sound: Sound, settings: MixerCoreSettings) -> Heard:
    """What the assistant hears of one person who is alone in the room."""
    table = MixerTable(settings)
    heard: list[bytes] = []
    gains: list[float] = []
    for pcm in to_pcm(sound):
        for message in map(decode, table.slot([pcm])):
            if message.kind is Kind.AUDIO and message.stream == LINK:
                heard.append(message.payload)
        gains.append(table.gain_db)
    samples = np.frombuffer(b"".join(heard), "<i2") / 32_768
    return Heard(samples, np.array(gains))

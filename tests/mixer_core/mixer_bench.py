"""A mixer on a table: frames go in by hand at a time of choice, messages come out decoded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixer_core.bus.events import Mode, StreamInfo, StreamRole, decode_event
from mixer_core.bus.frames import Frame, Kind, decode
from mixer_core.bus.pcm import FRAME_SAMPLES
from mixer_core.bus.place import Place
from mixer_core.bus.rules import ChosenAddress
from mixer_core.mixer import Mixer
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.units import MS_NS, S_NS
from mixer_core.settings import MixerCoreSettings


def constant(value: int) -> bytes:
    """One frame in which every sample has this value."""
    return np.full(FRAME_SAMPLES, value, np.int16).tobytes()


def samples(pcm: bytes) -> NDArray[np.int16]:
    """The samples of one frame."""
    return np.frombuffer(pcm, np.int16)


class Bench:
    """A ``Mixer`` with a clock that is moved by hand; every message it publishes is kept."""

    def __init__(self, **settings: int) -> None:
        self.metrics = Metrics()
        self.mixer = Mixer(MixerCoreSettings(**settings), self.metrics)
        self.now_ns = S_NS
        self.published: list[Frame] = []
        self.timeouts = 0
        self._seqs: dict[int, int] = {}

    def put(self, frame: Frame) -> list[Frame]:
        """One message in; what it brings about."""
        out = [decode(message) for message in self.mixer.on_frame(frame, self.now_ns)]
        self.published += out
        return out

    def advance(self, by_ms: float) -> list[Frame]:
        """Let time pass, with the timeouts on the way; what they bring about."""
        end_ns = self.now_ns + int(by_ms * MS_NS)
        out: list[Frame] = []
        while (due_ns := self.mixer.next_timeout_ns()) is not None and due_ns <= end_ns:
            self.now_ns = max(self.now_ns, due_ns)
            self.timeouts += 1
            out += [decode(message) for message in self.mixer.on_timeout(self.now_ns)]
        self.now_ns = end_ns
        self.published += out
        return out

    def start(
        self,
        stream: int,
        role: StreamRole = "browser",
        *,
        room: str = "den",
        mode: Mode = "assistant",
        muted: bool = False,
        epoch: int = 0,
        name: str = "",
        seq: int = 0,
        opened_ns: int = 0,
        place: Place = Place(),  # noqa: B008
        address: ChosenAddress = "",
    ) -> list[Frame]:
        """A START; participants are called p-<stream>."""
        participant = f"p-{stream}" if role == "browser" else ""
        info = StreamInfo(
            role,
            room,
            participant,
            name or participant,
            muted,
            mode,
            opened_ns=opened_ns,
            place=place,
            address=address,
        )
        return self.put(Frame(Kind.START, stream, epoch, seq, payload=info.encode()))

    def audio(
        self, stream: int, pcm: bytes, *, flags: int = 0, epoch: int = 0, seq: int | None = None
    ) -> list[Frame]:
        """The next AUDIO frame of a stream, stamped now."""
        number = self._seqs.get(stream, 0) if seq is None else seq
        self._seqs[stream] = number + 1
        return self.put(Frame(Kind.AUDIO, stream, epoch, number, flags, self.now_ns, pcm))

    def heard_by(self, listener: int) -> list[Frame]:
        """All AUDIO published to a listener so far."""
        return [f for f in self.published if f.kind is Kind.AUDIO and f.stream == listener]

    def events_to(self, listener: int, kind: str) -> list[dict[str, object]]:
        """All events of one type published to a listener so far."""
        events = [
            decode_event(frame.payload)
            for frame in self.published
            if frame.kind is Kind.EVENT and frame.stream == listener
        ]
        return [event for event in events if event["type"] == kind]


def audio_in(frames: list[Frame]) -> list[Frame]:
    """Only the AUDIO of these messages."""
    return [frame for frame in frames if frame.kind is Kind.AUDIO]

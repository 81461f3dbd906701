"""Which microphones hear the assistant, or a person, from another device. Sans-I/O.

Each microphone is compared with what the gateway sends while it sounds, and 0.8 s longer: with the
assistant, and with the voices of other people. What it hears is an echo where it follows what was
sent at a steady lag, and no more than an echo where it is not louder than that predicts; then it is
held back. Somebody who speaks at the device is louder in some bands at once, and gets through.

Two microphones near to each other hear the same person at about the same time, each with a lag to
the other. Only the one that hears them worse may be taken for the echo.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .. import echo_kernels as kernels
from ..slots import Stream
from .ear import Ear, Pair
from .seating import Seating

MAX_PAIRS = 4
"""Streams that one microphone is compared with at a time: so memory and time are bounded."""
WARM_UP_FRAMES = 100
"""A microphone is heard from its first frame on for 2 s: so its noise is known when it matters."""
DIRECT_MS = 80
"""A lag below this is no detour over a device: both microphones hear the person."""
WORSE_DB = 3.0


class EchoWatch:
    """All microphones of one room."""

    def __init__(self, seating: Seating) -> None:
        self._seating = seating
        self._ears: dict[Stream, Ear] = {}
        self._sounding: list[Stream] = []
        self._pairs: dict[Stream, dict[Stream, Pair]] = {}

    def sent(self, stream: Stream, pcm: bytes, now_ns: int) -> None:
        """The assistant says something: everybody may hear it, and so every microphone."""
        ear = self._ear(stream)
        ear.hear(pcm, now_ns)
        self._sounds(stream, ear)

    def is_echo(self, stream: Stream, pcm: bytes, speaks: bool, now_ns: int) -> bool:
        """Whether the frame of a microphone is nothing but echo; ``speaks``: there is a voice."""
        ear = self._ear(stream)
        if not self._sounding and not speaks and ear.frames >= WARM_UP_FRAMES:
            return False
        ear.hear(pcm, now_ns)
        echo = False
        for other in self._live(ear.block):
            if other is not stream and not (stream.place and stream.place == other.place):
                pair = self._pair(stream, other)
                echo |= pair.compare(ear, self._ears[other]) and self._counts(pair, stream, other)
        if speaks and not echo and stream.chain is not None:
            ear.speaks(stream.chain.voice_dbfs - stream.chain.floor_dbfs)
            self._sounds(stream, ear)
        return echo

    def heard_by(self, microphone: Stream) -> Stream | None:
        """Whom it hears though it should not, as far as is known."""
        for other, pair in self._pairs.get(microphone, {}).items():
            told = pair.found and not self._seating.hears_its_place(microphone, other)
            if told and self._counts(pair, microphone, other):
                return other
        return None

    def reseat(self, streams: Collection[Stream]) -> None:
        """Exactly these are in the room; places may have changed, and which device plays."""
        self._ears = {s: ear for s, ear in self._ears.items() if s in streams}
        self._sounding = [s for s in self._sounding if s in streams]
        self._pairs = {m: pairs for m, pairs in self._pairs.items() if m in streams}
        for microphone, pairs in self._pairs.items():
            for other in [other for other in pairs if other not in streams]:
                del pairs[other]
            for other, pair in pairs.items():
                pair.expect(self._expectation(microphone, other))

    def _expectation(self, microphone: Stream, other: Stream) -> int:
        if self._seating.hears_its_place(microphone, other):
            return kernels.LIKELY
        if other.is_link and self._seating.is_shared_room:
            return kernels.POSSIBLE
        return kernels.UNLIKELY if other.is_link else kernels.IMPROBABLE

    def _ear(self, stream: Stream) -> Ear:
        ear = self._ears.get(stream)
        if ear is None:
            ear = self._ears[stream] = Ear()
        return ear

    def _sounds(self, stream: Stream, ear: Ear) -> None:
        ear.sounded = ear.block
        if stream not in self._sounding:
            self._sounding.append(stream)

    def _live(self, block: int) -> Iterable[Stream]:
        """What can be heard now: the assistant alone, where it sounds, else who began last.

        Two microphones that hear the assistant are alike, and neither hears the other.
        """
        oldest = block - kernels.LAGS
        if any(self._ears[stream].sounded < oldest for stream in self._sounding):
            self._sounding = [s for s in self._sounding if self._ears[s].sounded >= oldest]
        links = [stream for stream in self._sounding if stream.is_link]
        return links or self._sounding[-MAX_PAIRS:]

    def _pair(self, microphone: Stream, other: Stream) -> Pair:
        pairs = self._pairs.get(microphone)
        if pairs is None:
            pairs = self._pairs[microphone] = {}
        pair = pairs.get(other)
        if pair is None:
            if len(pairs) >= MAX_PAIRS:
                del pairs[_least_missed(pairs)]
            pair = pairs[other] = Pair(self._expectation(microphone, other))
        return pair

    def _counts(self, pair: Pair, microphone: Stream, other: Stream) -> bool:
        """Whether the microphone is the one that hears worse, where both hear the person."""
        if other.is_link or pair.lag_ms >= DIRECT_MS:
            return True
        return self._ears[microphone].snr_db < self._ears[other].snr_db - WORSE_DB


def _least_missed(pairs: dict[Stream, Pair]) -> Stream:
    """The oldest pair of which nothing was found, or else the oldest."""
    return next((other for other, pair in pairs.items() if not pair.found), next(iter(pairs)))

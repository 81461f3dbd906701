"""What is published of a room's sound, and of whom: mixed slots, single voices, levels. Sans-I/O.

The base of ``rooms.Room``, which knows who comes and goes. In mode ``assistant`` the browsers are
mixed for the link, and the link is passed to the browsers: two groups that never wait for each
other. In mode ``conference`` all form one group, and everybody hears the sum of all others; the
link hears the browsers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .bus.events import Mode, encode_map
from .bus.frames import (
    FLAG_CONCEALED,
    FLAG_PAUSE,
    U32,
    Frame,
    Kind,
    encode,
    encode_audio,
    encode_track,
    epoch_newer,
)
from .bus.pcm import FRAME_SAMPLES, SILENCE
from .bus.rules import ChosenAddress
from .levels import LevelMeter, encoded
from .mixdown import Mixdown, SlotMix
from .places.microphones import Microphones
from .places.seating import Seating
from .roster import payload, person
from .runtime.earliest import earliest
from .runtime.errors import FrameError
from .runtime.metrics import Metrics
from .runtime.units import MS_NS
from .slots import Group, Slot, Stream
from .speech_timeline import SpeechReports

ECHO_NS = 600 * MS_NS
"""An echo of the assistant ends so long after its last frame: what is heard meanwhile teaches
nothing of how loud anybody is, or a microphone that is far from its talker, but near to a
loudspeaker, would be raised by the assistant's own words."""
AUDIBLE_ENERGY = FRAME_SAMPLES * 104**2
"""Sum of squares of a frame at -50 dBFS."""


class RoomSound:
    """Of one room. Methods that change it return the messages to publish."""

    def __init__(
        self,
        name: str,
        mode: Mode,
        epoch: int,
        deadline_ns: int,
        mixdown: Mixdown,
        metrics: Metrics,
        *,
        detects_echo: bool = True,
        soundless: frozenset[int] = frozenset(),
    ) -> None:
        """``soundless``: devices that another mixer sent no sound; ``settle`` forgets them."""
        self.name = name
        self.mode = mode
        self.address: ChosenAddress = ""
        """When the assistant answers, as an admin has decided."""
        self.epoch = epoch
        self.streams: list[Stream] = []
        """In the order in which they joined."""
        self.recent: list[tuple[bool, Frame]] = []
        """Events of the first moments of a mixer, and whether a link sent them."""
        self.retired: frozenset[Stream] = frozenset()
        """Links after which another one was opened: nobody hears them, and they hear nobody."""
        self._deadline_ns = deadline_ns
        self._deadlines_before = 0
        """Of the groups before the mode was changed."""
        self._regroup()
        self.timeout_ns: int | None = None
        """When ``run`` has something to do even if nothing arrives; set by its last call."""
        self._mixdown = mixdown
        self._metrics = metrics
        self._levels = LevelMeter()
        self._echo_until_ns = 0
        """Until then microphones may hear the assistant."""
        self._seating = Seating(soundless)
        self.microphones = Microphones(self._seating, detects_echo=detects_echo)
        self._speech = SpeechReports()
        self._recorder: Stream | None = None
        """The link, if it wants each voice by itself."""
        self._slots = 0
        """Counts them for it."""

    @property
    def browsers(self) -> list[Stream]:
        """The participants."""
        return [stream for stream in self.streams if not stream.is_link]

    @property
    def links(self) -> list[Stream]:
        """The assistant's link: one, or none yet."""
        return [s for s in self.streams if s.is_link and s not in self.retired]

    @property
    def soundless(self) -> frozenset[Stream]:
        """Devices that are sent no sound."""
        return self._seating.soundless

    @property
    def deadlines(self) -> int:
        """Slots that were mixed at the deadline, with somebody missing."""
        return self._deadlines_before + sum(group.deadlines for group in self._groups)

    def set_mode(self, mode: Mode, now_ns: int) -> list[bytes]:
        """Change who hears whom; spurts of talk begin anew, for other listeners."""
        ended: list[bytes] = []
        for stream in self.streams:
            ended += self.silence(stream, now_ns)
        self.mode = mode
        self._deadlines_before = self.deadlines
        self._regroup()
        return ended

    def _regroup(self) -> None:
        """Groups for the mode, with the streams that there are."""
        self._up = Group(self._deadline_ns)
        self._down = self._up if self.mode == "conference" else Group(self._deadline_ns)
        self._groups = (self._up,) if self._up is self._down else (self._up, self._down)
        for stream in self.streams:
            self._group_of(stream).sources.append(stream)

    def set_load(self, level: int) -> None:
        """The gateway is as loaded as that, from 0 to 3."""
        self._levels.set_load(level)

    def silence(self, stream: Stream, now_ns: int) -> list[bytes]:
        """End a stream's spurt. Listeners who now hear nobody get a silent frame with PAUSE."""
        if stream.chain is not None:
            stream.chain.pause()
        if not stream.buffer.talking:
            stream.buffer.end_spurt()
            return []
        stream.buffer.end_spurt()
        group = self._group_of(stream)
        return [
            self._audio(listener, FLAG_PAUSE, now_ns, SILENCE)
            for listener in self._listeners(group)
            if _hears(listener, stream) and not talking_to(listener, group)
        ]

    def adopt_epoch(self, epoch: int) -> bool:
        """Begin a newer epoch, which voids queued audio of the assistant. False if not newer."""
        if not epoch_newer(epoch, self.epoch):
            return False
        self.epoch = epoch
        for link in self.links:
            link.buffer.clear()
        return True

    def run(self, now_ns: int, source: Stream | None = None) -> list[bytes]:
        """Publish what is due: mixed slots, levels, and who speaks.

        ``source``: the only stream that has changed; slots without it are left alone.
        """
        out: list[bytes] = []
        for group in self._groups if source is None else (self._group_of(source),):
            for slot in group.due_slots(now_ns):
                self._deliver(group, slot, now_ns, out)
        if self._levels.awake:
            talking = any(stream.buffer.talking for stream in self.streams)
            levels = self._levels.due(now_ns, talking)
            shown = levels and self._levels.shown(levels, now_ns)
            if shown:
                for content in encoded(shown):
                    out += self._event(content, self.browsers, now_ns)
            is_heard = talking and self._levels.awake  # Frames may stop without a PAUSE.
            out += self._tell_speech(self._speech.due(now_ns, is_heard), now_ns)
        timeout_ns = earliest(self._levels.next_timeout_ns(), self._speech.next_timeout_ns())
        for group in self._groups:
            due_ns = group.timeout_ns
            if due_ns is not None and (timeout_ns is None or due_ns < timeout_ns):
                timeout_ns = due_ns
        self.timeout_ns = timeout_ns
        return out

    def _tell_speech(self, report: dict[str, Any] | None, now_ns: int) -> list[bytes]:
        return [] if report is None else self.event(report, self.links, now_ns)

    def roster(self, listeners: list[Stream], now_ns: int) -> list[bytes]:
        """The event that says who is in the room."""
        people = [
            {**person(stream), **self._seating.described(stream), **self._heard_by(stream)}
            for stream in self.browsers
        ]
        chosen = {"address": self.address} if self.address else {}
        frame = Frame(Kind.EVENT, 0, stamp_ns=now_ns, payload=payload(people, chosen))
        return self.forward(frame, listeners)

    def _heard_by(self, stream: Stream) -> dict[str, str]:
        heard = self.microphones.heard_by(stream)
        return {} if heard is None else {"hears": heard.voice}

    def event(self, content: Mapping[str, object], to: list[Stream], now_ns: int) -> list[bytes]:
        """An event of the mixer itself; one that is too large is counted and left out."""
        try:
            encoded_content = encode_map(dict(content))
        except FrameError:
            self._metrics.count("events_too_large_total")
            return []
        return self._event(encoded_content, to, now_ns)

    def _event(self, content: bytes, to: list[Stream], now_ns: int) -> list[bytes]:
        return self.forward(Frame(Kind.EVENT, 0, stamp_ns=now_ns, payload=content), to)

    def forward(self, frame: Frame, to: list[Stream]) -> list[bytes]:
        """``frame`` for each of these listeners, with the room's epoch."""
        return [
            encode(
                Frame(
                    frame.kind,
                    listener.stream,
                    self.epoch,
                    frame.seq,
                    frame.flags,
                    frame.stamp_ns,
                    frame.payload,
                )
            )
            for listener in to
        ]

    def _group_of(self, stream: Stream) -> Group:
        return self._down if stream.is_link else self._up

    def _listeners(self, group: Group) -> list[Stream]:
        if self.mode == "conference":
            away = self.retired | self._seating.soundless
            return [s for s in self.streams if s not in away] if away else self.streams
        if group is self._up:
            return self.links
        soundless = self._seating.soundless
        return [s for s in self.browsers if s not in soundless] if soundless else self.browsers

    def _deliver(self, group: Group, slot: Slot, now_ns: int, out: list[bytes]) -> None:
        frames = self._heard(slot, now_ns, out)
        if self._recorder is not None:
            out += self._tracks(self._recorder, slot, frames)
        mix = SlotMix(self._mixdown, frames)
        self._metrics.count("slots_passed_total" if len(slot) == 1 else "slots_mixed_total")
        for listener in self._listeners(group):
            heard = [i for i, (source, _) in enumerate(slot) if _hears(listener, source)]
            if not heard:
                continue
            flags = 0 if talking_to(listener, group) else FLAG_PAUSE
            for index in heard:
                flags |= slot[index][1].flags & FLAG_CONCEALED
            stamp_ns = min(slot[index][1].stamp_ns for index in heard)
            if listener.is_link:
                out += self._tell_speech(self._speech.slot(listener.out_seq, now_ns), now_ns)
                for index in heard:
                    self._speech.voice(slot[index][0])
            out.append(self._audio(listener, flags, stamp_ns, mix.of(heard)))

    def _tracks(self, link: Stream, slot: Slot, frames: list[bytes]) -> list[bytes]:
        """Each voice of a slot by itself, as the others hear it."""
        self._slots = (self._slots + 1) & U32
        stamp_ns = min(entry.stamp_ns for _, entry in slot)
        return [
            encode_track(
                link.stream,
                self.epoch,
                self._slots,
                entry.flags,
                stamp_ns,
                pcm,
                source.info.participant.encode(),
            )
            for (source, entry), pcm in zip(slot, frames, strict=True)
            if source not in self.retired
        ]

    def _heard(self, slot: Slot, now_ns: int, out: list[bytes]) -> list[bytes]:
        """What becomes of the frames of a slot before they are mixed.

        ``out`` gets the roster, where a microphone was found to hear another device.
        """
        for source, entry in slot:
            tally = self._levels.tally(source.voice, now_ns)
            if source.chain is None:
                before = int(tally[0])
                self._mixdown.meter(entry.pcm, tally)
                if int(tally[0]) - before > AUDIBLE_ENERGY:
                    self._echo_until_ns = now_ns + ECHO_NS
            elif entry.flags & FLAG_CONCEALED:
                source.chain.conceal(entry.pcm, tally)
            else:
                source.chain.listen(entry.pcm, tally, learns=now_ns >= self._echo_until_ns)
        if not self.microphones.idle and self.microphones.judge(slot, now_ns):
            out += self.roster(self.streams, now_ns)
        heard: list[bytes] = []
        for source, entry in slot:
            chain = source.chain
            heard.append(entry.pcm if chain is None else chain.passed(entry.pcm))
            if chain is not None and entry.flags & FLAG_PAUSE:
                chain.pause()
        return heard

    def _audio(self, listener: Stream, flags: int, stamp_ns: int, pcm: bytes) -> bytes:
        seq = listener.out_seq
        listener.out_seq = (seq + 1) & U32
        return encode_audio(listener.stream, self.epoch, seq, flags, stamp_ns, pcm)


def _hears(listener: Stream, source: Stream) -> bool:
    """Nobody hears themselves or somebody in the same place, and no assistant hears another."""
    if listener.place and listener.place == source.place:
        return False
    return listener is not source and not (listener.is_link and source.is_link)


def talking_to(listener: Stream, group: Group) -> bool:
    """Whether somebody whom ``listener`` hears is talking."""
    return any(source.buffer.talking and _hears(listener, source) for source in group.sources)

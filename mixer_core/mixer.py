"""The mixer: every message that comes in, and the messages that go out for it. Sans-I/O.

Streams are known only by their START frames; an unknown stream that sends anything else is asked to
identify itself (EVENT ``identify``). Nothing that arrives makes the mixer raise: messages that make
no sense are counted and ignored.
"""

from __future__ import annotations

from dataclasses import fields, replace

from .bus.events import StreamInfo, encode_map
from .bus.frames import Frame, Kind, encode, epoch_newer
from .bus.pcm import FRAME_MS
from .jitter import JitterBuffer, JitterCounts
from .mixdown import Mixdown
from .rooms import Room
from .runtime.errors import FrameError
from .runtime.metrics import Metrics
from .runtime.units import MS_NS, S_NS
from .settings import MixerCoreSettings
from .slots import Stream
from .voice_chain import VoiceChain, rules_of
from .voice_memory import NOTHING, Learned, Memory

IDENTIFY_INTERVAL_NS = 100 * MS_NS
"""Least time between two questions to an unknown stream."""
MAX_UNKNOWN_STREAMS = 256
"""Most unknown streams that are remembered as having been asked."""
ROSTER_REPEAT_NS = 2 * S_NS
"""A newcomer's subscription may lag behind its START: for this time, every START is answered with
the roster too."""
ROSTER_EVERY_NS = 5 * S_NS
"""One that was lost (a full queue) is made good: so often a START is answered with the roster. A
message of some 100 bytes for each person in the room, to each stream."""
DESERTED_NS = 500 * MS_NS
"""A process whose connection was closed and is alive announces its stream within this time."""
MAX_ROOM_CHARACTERS = 128
MAX_NAME_CHARACTERS = 64

_IDENTIFY = encode_map({"type": "identify"})


class Mixer:
    """All rooms and streams. Both inputs return the messages to publish, in order."""

    def __init__(self, settings: MixerCoreSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._deadline_ns = settings.deadline_ms * MS_NS
        self._timeout_ns = settings.stream_timeout_ms * MS_NS
        self._rules = rules_of(settings)
        self._before: dict[int, Learned] = {}
        self._soundless: frozenset[int] = frozenset()
        """Devices that the other mixer sent no sound, until rosters are told."""
        self._mixdown = Mixdown(settings.max_streams)
        self._rooms: dict[str, Room] = {}
        self._streams: dict[int, tuple[Room, Stream]] = {}
        self._asked: dict[int, int] = {}
        self._next_expiry_ns: int | None = None
        self._load = 0
        self._settled_ns: int | None = None
        """Until then rosters wait; None: they do not."""
        self._gone = JitterCounts()
        self._gone_deadlines = self._gone_held = self._gone_found = 0

    def begin(self, settled_ns: int, memory: Memory = NOTHING) -> None:
        """Streams that another mixer knew announce themselves, one by one, until ``settled_ns``.

        Nobody is told who is in a room before: it would look as if the others had left. What is
        said to somebody who has not announced themselves yet is told when they do. ``memory``: what
        the other mixer knew. Who was sent no sound is sent none before.
        """
        self._settled_ns = settled_ns
        self._before = dict(memory.voices)
        self._soundless = memory.soundless

    def on_frame(self, frame: Frame, now_ns: int) -> list[bytes]:
        """One message of a worker or link."""
        if frame.kind is Kind.START:
            return self._on_start(frame, now_ns)
        known = self._streams.get(frame.stream)
        if known is None:
            return self._on_unknown(frame, now_ns)
        room, stream = known
        stream.seen_ns = now_ns
        if stream in room.retired and frame.kind is not Kind.STOP:
            return self._ignore("frames_retired_link_total")
        if frame.kind is Kind.AUDIO:
            return self._on_audio(room, stream, frame, now_ns)
        if frame.kind is Kind.EVENT:
            return self._on_event(room, stream, frame)
        if frame.kind is Kind.FLUSH:
            return self._on_flush(room, stream, frame, now_ns)
        return self._remove(room, stream, now_ns)

    def deserted(self, stream: int, now_ns: int) -> None:
        """Nobody listens to a stream any more, since its process has ended or connects anew.

        It is removed soon, unless something comes from it.
        """
        known = self._streams.get(stream)
        if known is None or self._next_expiry_ns is None:
            return
        seen_ns = min(known[1].seen_ns, now_ns - self._timeout_ns + DESERTED_NS)
        known[1].seen_ns = seen_ns
        self._next_expiry_ns = min(self._next_expiry_ns, seen_ns + self._timeout_ns)

    def on_timeout(self, now_ns: int) -> list[bytes]:
        """Do what is due by time. Harmless when nothing is."""
        out: list[bytes] = []
        if self._settled_ns is not None and now_ns >= self._settled_ns:
            self._settled_ns = None
            self._soundless = frozenset()
            for room in self._rooms.values():
                out += room.settle(now_ns)
                out += room.roster(room.streams, now_ns)
        if self._next_expiry_ns is not None and now_ns >= self._next_expiry_ns:
            out += self._expire(now_ns)
        for room in self._rooms.values():
            if room.timeout_ns is not None and now_ns >= room.timeout_ns:
                out += room.run(now_ns)
        return out

    def next_timeout_ns(self) -> int | None:
        """When ``on_timeout`` has something to do; None while there is no stream."""
        next_ns = self._next_expiry_ns
        if self._streams and self._settled_ns is not None:
            next_ns = self._settled_ns if next_ns is None else min(next_ns, self._settled_ns)
        for room in self._rooms.values():
            due_ns = room.timeout_ns
            if due_ns is not None and (next_ns is None or due_ns < next_ns):
                next_ns = due_ns
        return next_ns

    def set_load(self, level: int) -> None:
        """The gateway is as loaded as that, from 0 to 3: what nobody hears is done less often."""
        self._load = level
        for room in self._rooms.values():
            room.set_load(level)

    def memory(self) -> Memory:
        """What this mixer knows, for the next one; also of those who have yet to announce
        themselves."""
        known = dict(self._before) if self._settled_ns is not None else {}
        for number, (_, stream) in self._streams.items():
            learned = stream.chain and stream.chain.learned
            if learned:
                known[number] = learned
        soundless = {s.stream for room in self._rooms.values() for s in room.soundless}
        return Memory(known, self._soundless | soundless)

    def update_metrics(self) -> None:
        """Bring gauges and the buffers' counters up to date (once a second is enough)."""
        metrics, total = self._metrics, replace(self._gone)
        deepest = 0
        for _, stream in self._streams.values():
            _add(total, stream.buffer.counts)
            deepest = max(deepest, stream.buffer.depth)
        for count in fields(total):
            metrics.gauge(f"jitter_{count.name}_total", getattr(total, count.name))
        deadlines = sum(room.deadlines for room in self._rooms.values())
        metrics.gauge("slots_deadline_total", self._gone_deadlines + deadlines)
        metrics.gauge("rooms", len(self._rooms))
        metrics.gauge("streams", len(self._streams))
        metrics.gauge("audio_backlog_ms", deepest * FRAME_MS)
        held = sum(room.microphones.held_total for room in self._rooms.values())
        found = sum(room.microphones.found_total for room in self._rooms.values())
        metrics.gauge("frames_held_back_total", self._gone_held + held)
        metrics.gauge("echoes_found_total", self._gone_found + found)

    def _on_start(self, frame: Frame, now_ns: int) -> list[bytes]:
        try:
            info = _checked(StreamInfo.decode(frame.payload))
        except FrameError:
            return self._ignore("starts_malformed_total")
        out: list[bytes] = []
        known = self._streams.get(frame.stream)
        if known and (known[0].name, known[1].info.role) != (info.room, info.role):
            out += self._remove(*known, now_ns)
            known = None
        if known is None:
            if not frame.stream or len(self._streams) >= self._settings.max_streams:
                return out + self._ignore("streams_refused_total")
            return out + self._join(frame, info, now_ns)
        room, stream = known
        stream.seen_ns = now_ns
        if stream not in room.retired:
            room.adopt_epoch(frame.epoch)
        out += room.forward(frame, [stream])
        if stream.info != info:
            out += self._change(room, stream, info, now_ns)
        elif (
            now_ns - stream.joined_ns < ROSTER_REPEAT_NS
            or now_ns - stream.roster_ns >= ROSTER_EVERY_NS
        ):
            stream.roster_ns = now_ns
            out += self._roster(room, [stream], now_ns)
        return out + room.run(now_ns)

    def _join(self, frame: Frame, info: StreamInfo, now_ns: int) -> list[bytes]:
        room = self._rooms.get(info.room)
        if room is None:
            room = self._rooms[info.room] = Room(
                info.room,
                info.mode,
                frame.epoch,
                self._deadline_ns,
                self._mixdown,
                self._metrics,
                detects_echo=self._settings.echo_detector,
                soundless=self._soundless,
            )
            room.set_load(self._load)
        ended: list[bytes] = []
        if info.mode != room.mode and info.role == "browser" and not room.browsers:
            ended = room.set_mode(info.mode, now_ns)  # A link does not know of a change.
        if info.role == "browser" and not room.browsers:
            room.address = info.address
        hold_ms = 0 if info.role == "link" else self._settings.gap_hold_ms
        cap_frames = max(1, self._settings.buffer_cap_ms // FRAME_MS)
        buffer = JitterBuffer(hold_ms * MS_NS, cap_frames)
        stream = Stream(
            frame.stream,
            info,
            buffer,
            now_ns,
            now_ns,
            out_seq=frame.seq,
            roster_ns=now_ns,
            chain=None
            if info.role == "link"
            else VoiceChain(self._rules, self._before.pop(frame.stream, None)),
        )
        ended += room.add(stream, now_ns)
        if stream not in room.retired:
            room.adopt_epoch(frame.epoch)
        self._streams[frame.stream] = room, stream
        self._asked.pop(frame.stream, None)
        if self._next_expiry_ns is None:
            self._next_expiry_ns = now_ns + self._timeout_ns
        to = [stream] if stream.is_link else room.streams
        heard = room.forward(frame, [stream])
        heard += [] if stream in room.retired else room.missed(stream)
        return ended + heard + self._roster(room, to, now_ns)

    def _change(self, room: Room, stream: Stream, info: StreamInfo, now_ns: int) -> list[bytes]:
        muted_now = info.muted and not stream.info.muted
        changed_address = info.address != stream.info.address
        changed_mode = info.mode not in (stream.info.mode, room.mode)
        before, stream.info = stream.info, info
        if info.records != before.records:
            room.see_recorder()
        out = room.silence(stream, now_ns) if muted_now else []
        if info.place != before.place:
            out += room.seat(now_ns)
            if _shown(info) == _shown(before):
                return out
        if changed_address and not stream.is_link:
            room.address = info.address
        if changed_mode and not stream.is_link:
            out += room.set_mode(info.mode, now_ns)
        return out if stream.is_link else out + self._roster(room, room.streams, now_ns)

    def _roster(self, room: Room, to: list[Stream], now_ns: int) -> list[bytes]:
        """Who is in the room, unless that is not known yet."""
        return room.roster(to, now_ns) if self._settled_ns is None else []

    def _on_audio(self, room: Room, stream: Stream, frame: Frame, now_ns: int) -> list[bytes]:
        if stream.is_link and frame.epoch != room.epoch and not room.adopt_epoch(frame.epoch):
            return self._ignore("frames_old_epoch_total")
        if stream.info.muted:
            return self._ignore("frames_muted_total")
        stream.buffer.push(frame.seq, frame.payload, frame.flags, frame.stamp_ns, now_ns)
        return room.run(now_ns, stream)

    def _on_event(self, room: Room, stream: Stream, frame: Frame) -> list[bytes]:
        if self._settled_ns is not None:
            room.remember(frame, from_link=stream.is_link)
        if not stream.is_link:
            return room.forward(frame, room.links)
        to = room.browsers
        if frame.flags:
            to = [browser for browser in to if browser.stream == frame.flags]
        return room.forward(frame, to)

    def _on_flush(self, room: Room, stream: Stream, frame: Frame, now_ns: int) -> list[bytes]:
        if not stream.is_link or epoch_newer(room.epoch, frame.epoch):
            return self._ignore("flushes_ignored_total")
        room.adopt_epoch(frame.epoch)
        self._metrics.count("flushes_total")
        return room.forward(frame, room.browsers) + room.run(now_ns)

    def _on_unknown(self, frame: Frame, now_ns: int) -> list[bytes]:
        self._metrics.count("frames_unknown_stream_total")
        if frame.kind is Kind.STOP or not frame.stream:
            return []
        asked = self._asked
        if now_ns - asked.get(frame.stream, now_ns - IDENTIFY_INTERVAL_NS) < IDENTIFY_INTERVAL_NS:
            return []
        if len(asked) >= MAX_UNKNOWN_STREAMS:
            asked.clear()
        asked[frame.stream] = now_ns
        return [encode(Frame(Kind.EVENT, frame.stream, stamp_ns=now_ns, payload=_IDENTIFY))]

    def _remove(self, room: Room, stream: Stream, now_ns: int) -> list[bytes]:
        del self._streams[stream.stream]
        out = room.remove(stream, now_ns)
        _add(self._gone, stream.buffer.counts)
        if not room.streams:
            del self._rooms[room.name]
            self._gone_deadlines += room.deadlines
            self._gone_held += room.microphones.held_total
            self._gone_found += room.microphones.found_total
        elif not stream.is_link:
            out += self._roster(room, room.streams, now_ns)
        if not self._streams:
            self._next_expiry_ns = None
        return out + room.run(now_ns)

    def _expire(self, now_ns: int) -> list[bytes]:
        out: list[bytes] = []
        for room, stream in list(self._streams.values()):
            if now_ns - stream.seen_ns >= self._timeout_ns:
                self._metrics.count("streams_expired_total")
                out += self._remove(room, stream, now_ns)
        last_seen = [stream.seen_ns for _, stream in self._streams.values()]
        self._next_expiry_ns = min(last_seen) + self._timeout_ns if last_seen else None
        return out

    def _ignore(self, counter: str) -> list[bytes]:
        self._metrics.count(counter)
        return []


def _checked(info: StreamInfo) -> StreamInfo:
    """``info`` with its name cut to length. Raises FrameError for an impossible room."""
    if not 0 < len(info.room) <= MAX_ROOM_CHARACTERS or len(info.participant) > MAX_NAME_CHARACTERS:
        raise FrameError("a START names no room, or one of impossible length")
    place = replace(info.place, name=info.place.name[:MAX_NAME_CHARACTERS])
    return replace(info, name=info.name[:MAX_NAME_CHARACTERS], place=place)


def _shown(info: StreamInfo) -> StreamInfo:
    """``info`` as far as a roster depends on it."""
    return replace(info, place=info.place.pressed(False))


def _add(total: JitterCounts, more: JitterCounts) -> None:
    for count in fields(total):
        setattr(total, count.name, getattr(total, count.name) + getattr(more, count.name))

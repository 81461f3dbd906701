"""RTP audio without a clock: received packets in, decoded frames in order out; and the pacer. Sans-I/O.

Time arrives as ``now_ns`` (monotonic), the decoder is passed in, results are returned.

``RtpAudioReceiver`` hands out 20 ms PCM frames at once when packets come in order. A missing packet
is waited for at most ``gap_hold_ms``, then concealed; the delay after a loss is the one before it.
``UplinkPacer``, its counterpart for sending, is in ``uplink_pacer`` and can be had from here too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from mixer_core.bus.pcm import FRAME_BYTES, FRAME_NS, SILENCE
from mixer_core.runtime.errors import OpusError
from openai_link.media.uplink_pacer import (
    FRAME_TICKS,
    RTP_CLOCK_HZ,
    Drop,
    PacerAction,
    PacerCounters,
    SendFrame,
    SendSilence,
    UplinkPacer,
    is_quiet,
)

__all__ = [
    "FRAME_TICKS",
    "RTP_CLOCK_HZ",
    "AudioDecoder",
    "Drop",
    "PacerAction",
    "PacerCounters",
    "ReceivedFrame",
    "ReceiverCounters",
    "RtpAudioReceiver",
    "SendFrame",
    "SendSilence",
    "UplinkPacer",
    "is_quiet",
    "seq_delta",
    "timestamp_delta",
]

_MS = 1_000_000
_MAX_DROPOUT = 3_000  # RFC 3550 appendix A.1: a jump further ahead is a restart of the sender …
_MAX_MISORDER = 100  # … and so is one further back.
_REMEMBERED = 128  # Packets whose arrival is remembered, to tell a duplicate from a late one.
_SILENT_PACKET_BYTES = 10  # Opus marks silence with 1 to 3 bytes; the faintest noise takes 60.
_SETTLED_PACKETS = 10  # After so many of them a decoder has faded out: more change nothing.
_TOC_20_MS = frozenset(  # RFC 6716 section 3.1: one frame of 20 ms in each mode.
    toc
    for toc in range(0, 256, 4)
    for mode in [toc >> 3]
    if (mode % 4 == 1 if mode < 12 else mode % 2 == 1 if mode < 16 else mode % 4 == 3)
)


def seq_delta(newer: int, older: int) -> int:
    """Return ``newer - older`` of two 16-bit sequence numbers, -32768 to 32767 (RFC 1982)."""
    return ((newer - older + 0x8000) & 0xFFFF) - 0x8000


def timestamp_delta(newer: int, older: int) -> int:
    """Return ``newer - older`` of two 32-bit RTP timestamps, -2**31 to 2**31 - 1."""
    return ((newer - older + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


def is_silence_packet(payload: bytes) -> bool:
    """Whether an Opus packet is 20 ms of silence, or of the comfort noise between talk spurts."""
    return 0 < len(payload) <= _SILENT_PACKET_BYTES and payload[0] in _TOC_20_MS


class AudioDecoder(Protocol):
    """What the receiver needs of a decoder; ``openai_link.opus.OpusDecoder`` is one."""

    def decode(self, packet: bytes) -> bytes:
        """Decode one packet to mono PCM16 at 24 kHz; raises OpusError when it is corrupt."""

    def decode_lost(self, samples: int = 0) -> bytes:
        """Extrapolate one lost frame (0 samples means 20 ms)."""

    def decode_fec(self, next_packet: bytes, samples: int = 0) -> bytes:
        """Recover the frame before ``next_packet``; raises OpusError when it is corrupt."""


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """20 ms of audio in the order of speaking."""

    pcm: bytes
    """960 bytes: 480 samples, mono, 24 kHz, signed 16-bit little-endian."""
    stamp_ns: int
    """When the packet arrived that completed this frame (monotonic); for a concealed frame, when
    it was made."""
    concealed: bool
    """The audio was lost; this is an extrapolation, an in-band copy, or silence."""


@dataclass(slots=True)
class ReceiverCounters:
    """What happened so far. ``received`` is the sum of played, duplicates, late, discarded and
    what waits in the reorder buffer."""

    received: int = 0
    """Packets pushed."""
    played: int = 0
    """Packets whose audio was returned (or replaced, see ``corrupt``)."""
    duplicates: int = 0
    """Packets that had been seen already."""
    late: int = 0
    """Packets that came after they had been given up."""
    discarded: int = 0
    """Packets dropped by a reset or while the sender's numbering was in doubt."""
    lost: int = 0
    """Packets given up, whether or not they came later."""
    corrupt: int = 0
    """Packets the decoder refused; concealed."""
    concealed: int = 0
    """Frames returned in place of lost audio."""
    skipped_ms: int = 0
    """Time without packets by the sender's own timestamps (pauses, and losses too long to fill)."""
    undecoded: int = 0
    """Packets that only went on with a silence: digital silence was returned for them."""
    resets: int = 0
    """Restarts of the sender: another SSRC, or a jump of its numbering."""


@dataclass(frozen=True, slots=True)
class _Packet:
    timestamp: int
    payload: bytes
    arrival_ns: int


@dataclass(slots=True)
class _Output:
    """Joins decoded pieces of any duration into 20 ms frames."""

    frames: list[ReceivedFrame] = field(default_factory=list)
    rest: bytes = b""

    def add(self, pcm: bytes, stamp_ns: int, concealed: bool) -> int:
        """Append PCM; returns how many frames it completed."""
        data = self.rest + pcm if self.rest else pcm
        whole = len(data) - len(data) % FRAME_BYTES
        for start in range(0, whole, FRAME_BYTES):
            piece = data[start : start + FRAME_BYTES]
            self.frames.append(ReceivedFrame(piece, stamp_ns, concealed))
        self.rest = data[whole:]
        return whole // FRAME_BYTES

    def take(self) -> list[ReceivedFrame]:
        """Return the finished frames and forget them."""
        frames, self.frames = self.frames, []
        return frames


class RtpAudioReceiver:
    """Orders, decodes and conceals one RTP audio stream.

    Feed every packet to ``push`` and call ``pull`` when ``next_timeout_ns`` is reached; both return
    the frames that have become playable, oldest first.
    """

    def __init__(
        self,
        decoder: AudioDecoder,
        gap_hold_ms: int = 40,
        max_conceal_ms: int = 100,
        max_fill_ms: int = 0,
        max_waiting: int = 32,
    ) -> None:
        """``gap_hold_ms``: longest wait for a missing packet, from the moment its successor came.

        ``max_conceal_ms``: longest stretch of one loss that is extrapolated.
        ``max_fill_ms``: time skipped beyond that (and by the sender's pauses) is returned as
        silence up to this length. 0 suits a listener, whose own clock plays silence meanwhile;
        a recorder that needs a gapless timeline wants it large.
        ``max_waiting``: packets held back at most; more end the wait at once.
        """
        self._decoder = decoder
        self._gap_hold_ns = gap_hold_ms * _MS
        self._max_conceal_frames = max_conceal_ms * _MS // FRAME_NS
        self._max_fill_frames = max_fill_ms * _MS // FRAME_NS
        self._max_waiting = max_waiting
        self.counters = ReceiverCounters()
        self._ssrc: int | None = None
        self._next_seq: int | None = None
        self._next_timestamp = 0
        self._packet_frames = 1
        self._waiting: dict[int, _Packet] = {}
        self._seen: dict[int, None] = {}
        self._suspect_seq: int | None = None
        self._silent_run = 0
        self._output = _Output()

    @property
    def waiting(self) -> int:
        """Packets in the reorder buffer."""
        return len(self._waiting)

    def next_timeout_ns(self) -> int | None:
        """When to call ``pull`` if nothing else happens (a gap will be given up), or None."""
        if not self._waiting:
            return None
        return min(packet.arrival_ns for packet in self._waiting.values()) + self._gap_hold_ns

    def reset(self) -> None:
        """Forget the stream: the next packet starts a new one. Held packets are discarded."""
        self.counters.discarded += len(self._waiting)
        self._waiting.clear()
        self._seen.clear()
        self._next_seq = None
        self._suspect_seq = None
        self._silent_run = 0
        self._output.rest = b""

    def push(
        self, seq: int, timestamp: int, payload: bytes, now_ns: int, ssrc: int = 0
    ) -> list[ReceivedFrame]:
        """Take one packet: ``seq`` 16 bit, ``timestamp`` 32 bit at 48 kHz, Opus ``payload``.

        A changed ``ssrc`` starts a new stream. Returns the frames that became playable.
        """
        self.counters.received += 1
        if ssrc != self._ssrc:
            if self._ssrc is not None:
                self._restart()
            self._ssrc = ssrc
        if self._next_seq is None:
            self._next_seq = seq
            self._next_timestamp = timestamp
        if self._is_usable(seq, timestamp):
            self._remember(seq)
            self._waiting[seq] = _Packet(timestamp, payload, now_ns)
            self._deliver_in_order()
        return self.pull(now_ns)

    def pull(self, now_ns: int) -> list[ReceivedFrame]:
        """Give up what has been waited for long enough; return the frames that became playable."""
        while self._waiting and self._gap_is_over(now_ns):
            self._conceal_gap(now_ns)
            self._deliver_in_order()
        return self._output.take()

    def _gap_is_over(self, now_ns: int) -> bool:
        deadline_ns = self.next_timeout_ns()
        overdue = deadline_ns is not None and now_ns >= deadline_ns
        return overdue or len(self._waiting) > self._max_waiting

    def _restart(self) -> None:
        self.counters.resets += 1
        self.reset()

    def _is_usable(self, seq: int, timestamp: int) -> bool:
        """Sort out duplicates, late packets and restarts of the sender's numbering."""
        assert self._next_seq is not None
        if seq in self._seen:
            self.counters.duplicates += 1
            return False
        delta = seq_delta(seq, self._next_seq)
        if -_MAX_MISORDER < delta < _MAX_DROPOUT:
            self._suspect_seq = None
            if delta < 0:
                self.counters.late += 1
            return delta >= 0
        if seq != self._suspect_seq:  # Two in a row make a restart (RFC 3550 A.1), one a stray.
            self._suspect_seq = (seq + 1) & 0xFFFF
            self.counters.discarded += 1
            return False
        self._restart()
        self._next_seq = seq
        self._next_timestamp = timestamp
        return True

    def _remember(self, seq: int) -> None:
        self._seen[seq] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _deliver_in_order(self) -> None:
        while self._next_seq is not None:
            packet = self._waiting.pop(self._next_seq, None)
            if packet is None:
                return
            skipped_ticks = timestamp_delta(packet.timestamp, self._next_timestamp)
            if skipped_ticks >= FRAME_TICKS:
                self._skip(skipped_ticks, packet.arrival_ns)
            self._play(packet)
            self._next_seq = (self._next_seq + 1) & 0xFFFF

    def _play(self, packet: _Packet) -> None:
        try:
            pcm = self._decoded(packet.payload)
            concealed = False
        except OpusError:
            self.counters.corrupt += 1
            pcm = self._decoder.decode_lost()
            concealed = True
        count = self._output.add(pcm, packet.arrival_ns, concealed)
        self.counters.played += 1
        self.counters.concealed += count if concealed else 0
        self._packet_frames = max(1, len(pcm) // FRAME_BYTES)
        self._next_timestamp = (packet.timestamp + len(pcm)) & 0xFFFF_FFFF  # 2 bytes = 2 ticks.

    def _decoded(self, payload: bytes) -> bytes:
        if not is_silence_packet(payload):
            self._silent_run = 0
        elif self._silent_run == _SETTLED_PACKETS:
            self.counters.undecoded += 1
            return SILENCE
        else:
            self._silent_run += 1
        return self._decoder.decode(payload)

    def _skip(self, ticks: int, stamp_ns: int) -> None:
        """Pass over time in which the sender sent nothing, with silence as far as wanted."""
        frames = ticks // FRAME_TICKS
        self.counters.skipped_ms += frames * FRAME_NS // _MS
        for _ in range(min(frames, self._max_fill_frames)):
            self._output.add(SILENCE, stamp_ns, False)

    def _conceal_gap(self, now_ns: int) -> None:
        """Give up the packets before the oldest one that waits, and fill their time."""
        assert self._next_seq is not None
        first = min(self._waiting, key=lambda seq: seq_delta(seq, self._next_seq or 0))
        lost_packets = seq_delta(first, self._next_seq)
        packet = self._waiting[first]
        self.counters.lost += lost_packets
        frames = timestamp_delta(packet.timestamp, self._next_timestamp) // FRAME_TICKS
        if frames < 0:  # The timestamps make no sense: believe the numbering.
            frames = lost_packets * self._packet_frames
            self._next_timestamp = packet.timestamp - frames * FRAME_TICKS
        concealable = min(frames, lost_packets * self._packet_frames, self._max_conceal_frames)
        for position in range(concealable):
            pcm = self._recover(packet.payload, is_last=position == frames - 1)
            self.counters.concealed += self._output.add(pcm, now_ns, True)
        self._next_timestamp = (self._next_timestamp + concealable * FRAME_TICKS) & 0xFFFF_FFFF
        self._next_seq = first

    def _recover(self, next_payload: bytes, is_last: bool) -> bytes:
        if is_last:
            try:
                return self._decoder.decode_fec(next_payload)
            except OpusError:
                pass  # The copy cannot be read: extrapolate like any other loss.
        return self._decoder.decode_lost()

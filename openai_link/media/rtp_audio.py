"""Received RTP packets in, decoded 20 ms frames in order out. Sans-I/O.

A packet that comes in order is decoded at once. A missing one is waited for at most
``gap_hold_ms``, then concealed: the delay after a loss is the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from mixer_core.bus.pcm import FRAME_BYTES, FRAME_NS, SILENCE
from mixer_core.runtime.errors import OpusError
from mixer_core.runtime.units import MS_NS

from .rtp_numbers import FRAME_TICKS, timestamp_delta
from .rtp_reorder import OrderCounters, Packet, ReorderBuffer

_SILENT_PACKET_BYTES = 10  # Opus marks silence with 1 to 3 bytes; the faintest noise takes 60.
_SETTLED_PACKETS = 10  # After so many of them a decoder has faded out: more change nothing.
_TOC_20_MS = frozenset(  # RFC 6716 section 3.1: one frame of 20 ms in each mode.
    toc
    for toc in range(0, 256, 4)
    for mode in [toc >> 3]
    if (mode % 4 == 1 if mode < 12 else mode % 2 == 1 if mode < 16 else mode % 4 == 3)
)


def is_silence_packet(payload: bytes) -> bool:
    """Whether an Opus packet is 20 ms of silence, or of the comfort noise between talk spurts."""
    return 0 < len(payload) <= _SILENT_PACKET_BYTES and payload[0] in _TOC_20_MS


class AudioDecoder(Protocol):
    """What the receiver needs of a decoder; ``OpusDecoder`` is one."""

    def decode(self, packet: bytes) -> bytes:
        """Decode one packet to mono PCM16 at 24 kHz; raises OpusError when it is corrupt."""

    def decode_lost(self) -> bytes:
        """Extrapolate one lost frame."""

    def decode_fec(self, next_packet: bytes) -> bytes:
        """Recover the frame before ``next_packet``; raises OpusError when it is corrupt."""


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """20 ms of audio, in order."""

    pcm: bytes
    """960 bytes: 480 samples, mono, 24 kHz, signed 16-bit little-endian."""
    stamp_ns: int
    """When the packet arrived that completed this frame (monotonic); for a concealed frame, when
    it was generated."""
    concealed: bool
    """The audio was lost; this is an extrapolation, an in-band copy, or silence."""


@dataclass(slots=True)
class ReceiverCounters(OrderCounters):
    """What has happened so far. ``received`` is the sum of played, duplicates, late, discarded and
    what waits in the reorder buffer."""

    received: int = 0
    """Packets pushed."""
    played: int = 0
    """Packets whose audio was returned (or replaced, see ``corrupt``)."""
    corrupt: int = 0
    """Packets that the decoder rejected; concealed."""
    concealed: int = 0
    """Frames returned in place of lost audio."""
    skipped_ms: int = 0
    """Time without packets by the sender's timestamps: pauses, and losses too long to conceal."""


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
        """Prepare.

        Args:
            decoder: of this stream only.
            gap_hold_ms: longest wait for a missing packet, counted from its successor's arrival.
            max_conceal_ms: longest part of a loss that is extrapolated.
            max_fill_ms: time beyond that, and the sender's pauses, are returned as silence up to
                this length. 0 suits a listener, whose own clock plays silence meanwhile; a recorder
                without gaps needs more.
            max_waiting: packets held back at most; more end the wait at once.
        """
        self._decoder = decoder
        self._gap_hold_ns = gap_hold_ms * MS_NS
        self._max_conceal_frames = max_conceal_ms * MS_NS // FRAME_NS
        self._max_fill_frames = max_fill_ms * MS_NS // FRAME_NS
        self._max_waiting = max_waiting
        self.counters = ReceiverCounters()
        self._order = ReorderBuffer(self.counters)
        self._next_timestamp = 0
        self._packet_frames = 1
        self._silent_run = 0
        self._output = _Output()

    @property
    def waiting(self) -> int:
        """Packets in the reorder buffer."""
        return len(self._order)

    def next_timeout_ns(self) -> int | None:
        """When to call ``pull`` if nothing else happens (a gap will be given up), or None."""
        oldest_ns = self._order.oldest_ns()
        return None if oldest_ns is None else oldest_ns + self._gap_hold_ns

    def push(
        self, seq: int, timestamp: int, payload: bytes, now_ns: int, ssrc: int = 0
    ) -> list[ReceivedFrame]:
        """Take one packet: ``seq`` 16 bit, ``timestamp`` 32 bit at 48 kHz, Opus ``payload``.

        A changed ``ssrc`` starts a new stream. Returns the frames that became playable.
        """
        self.counters.received += 1
        if self._order.put(seq, ssrc, Packet(timestamp, payload, now_ns)):
            self._next_timestamp = timestamp
            self._silent_run = 0
            self._output.rest = b""
        self._deliver_in_order()
        return self.pull(now_ns)

    def pull(self, now_ns: int) -> list[ReceivedFrame]:
        """Give up what has been waited for long enough; return the frames that are playable now."""
        while self._order and self._gap_is_over(now_ns):
            self._conceal_gap(now_ns)
            self._deliver_in_order()
        return self._output.take()

    def _gap_is_over(self, now_ns: int) -> bool:
        deadline_ns = self.next_timeout_ns()
        overdue = deadline_ns is not None and now_ns >= deadline_ns
        return overdue or len(self._order) > self._max_waiting

    def _deliver_in_order(self) -> None:
        while (packet := self._order.pop()) is not None:
            skipped_ticks = timestamp_delta(packet.timestamp, self._next_timestamp)
            if skipped_ticks >= FRAME_TICKS:
                self._skip(skipped_ticks, packet.arrival_ns)
            self._play(packet)

    def _play(self, packet: Packet) -> None:
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
            return SILENCE
        else:
            self._silent_run += 1
        return self._decoder.decode(payload)

    def _skip(self, ticks: int, stamp_ns: int) -> None:
        """Skip time in which the sender sent nothing; fill it with silence up to the limit."""
        frames = ticks // FRAME_TICKS
        self.counters.skipped_ms += frames * FRAME_NS // MS_NS
        for _ in range(min(frames, self._max_fill_frames)):
            self._output.add(SILENCE, stamp_ns, False)

    def _conceal_gap(self, now_ns: int) -> None:
        """Give up the packets before the first one that waits, and fill their time."""
        lost_packets, packet = self._order.skip_gap()
        frames = timestamp_delta(packet.timestamp, self._next_timestamp) // FRAME_TICKS
        if frames < 0:  # The timestamps make no sense: go by the sequence numbers.
            frames = lost_packets * self._packet_frames
            self._next_timestamp = packet.timestamp - frames * FRAME_TICKS
        concealable = min(frames, lost_packets * self._packet_frames, self._max_conceal_frames)
        for position in range(concealable):
            pcm = self._recover(packet.payload, is_last=position == frames - 1)
            self.counters.concealed += self._output.add(pcm, now_ns, True)
        self._next_timestamp = (self._next_timestamp + concealable * FRAME_TICKS) & 0xFFFF_FFFF

    def _recover(self, next_payload: bytes, is_last: bool) -> bytes:
        if is_last:
            try:
                return self._decoder.decode_fec(next_payload)
            except OpusError:
                pass  # The copy cannot be read: extrapolate as for any other loss.
        return self._decoder.decode_lost()

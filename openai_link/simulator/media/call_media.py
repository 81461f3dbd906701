"""The audio of one call: RTP to the engine, and the engine's frames to RTP in real time.

One timer runs on an absolute 20 ms grid of the monotonic clock. After a stall, whole slots are
skipped and the RTP timestamps jump with them, so nothing is sent in a burst. After a long silence
only every 20th slot is sent (RFC 7587 section 3.1.3) until ``wake``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mixer_core.bus.pcm import FRAME_MS, FRAME_NS, SILENCE
from mixer_core.patches.aiortc.rtp_receiver import TappedPacket
from mixer_core.runtime.units import S_NS

from ...media.opus import OpusDecoder, OpusEncoder
from ...media.packet_track import PacketTrack
from ...media.rtp_audio import ReceivedFrame, RtpAudioReceiver
from ...media.rtp_numbers import FRAME_TICKS
from ..engine.server_events import Action
from ..engine.session_engine import SessionEngine
from ..faults.fault_box import FaultBox
from ..settings import SimulatorSettings
from .packet_count import PacketCount
from .recorder import Recorder

_SILENCE_PACKET_BYTES = 8  # Opus encodes silence in 3 bytes, the faintest noise in 100.
_LONGEST_FILLED_GAP_MS = 10_000
_RESTED_SLOTS = 19
_UPLINK_HOLD_MS = 60
"""A missing packet of the client is waited for so long."""
_OPUS_COMPLEXITY = 0


class ReplyEncoder:
    """Encodes the reply; in pauses it repeats the last silent packet."""

    def __init__(self, bitrate_bps: int, complexity: int) -> None:
        self._encoder = OpusEncoder(bitrate_bps=bitrate_bps, complexity=complexity)
        self._settled_packet: bytes | None = None

    def packet(self, pcm: bytes | None) -> bytes:
        """Return the Opus packet for one frame (None: silence).

        The encoder takes the first frames of a pause (about 13) until it encodes them as silence.
        Its state no longer changes then, so the repeated packet fits what comes before and after.
        """
        if pcm is not None:
            self._settled_packet = None
            return self._encoder.encode(pcm)
        if self._settled_packet is not None:
            return self._settled_packet
        packet = self._encoder.encode(SILENCE)
        if len(packet) <= _SILENCE_PACKET_BYTES:
            self._settled_packet = packet
        return packet


class CallMedia:
    """Runs the clock of one call."""

    def __init__(
        self,
        engine: SessionEngine,
        config: SimulatorSettings,
        recorder: Recorder | None,
        perform: Callable[[list[Action]], None],
        faults: FaultBox,
    ) -> None:
        """``perform`` is called with the engine's actions. Raises OpusError without libopus."""
        self.track = PacketTrack()
        self.receiver = RtpAudioReceiver(
            OpusDecoder(), _UPLINK_HOLD_MS, max_fill_ms=_LONGEST_FILLED_GAP_MS
        )
        self.skipped_slots = 0
        """Slots that were skipped because this process was late."""
        self.packets = PacketCount()
        self.packets_dropped = 0
        """Packets of the client that a fault dropped."""
        self._faults = faults
        self._drop_credit = 0
        self._engine = engine
        self._encoder = ReplyEncoder(config.opus_bitrate_bps, _OPUS_COMPLEXITY)
        self._recorder = recorder
        self._perform = perform
        self._timer: asyncio.TimerHandle | None = None
        self._slot = 0
        self._due_ns = 0
        self._sparse_after_slots = config.sparse_after_ms // FRAME_MS
        self._idle_slots = 0
        self._resting_slots = 0

    def start(self) -> None:
        """Begin to send. Idempotent."""
        if self._timer is None:
            self._due_ns = time.monotonic_ns()
            self._arm()

    def close(self) -> None:
        """Stop sending and finish the recording. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        self.track.stop()
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None

    def on_packet(self, packet: TappedPacket) -> None:
        """Handle one packet of the client."""
        self.packets.add(packet.sequence_number, packet.ssrc)
        if self._is_dropped():
            self.packets_dropped += 1
            return
        self._hear(
            self.receiver.push(
                packet.sequence_number,
                packet.timestamp,
                packet.payload,
                packet.arrival_ns,
                packet.ssrc,
            ),
            packet.arrival_ns,
        )

    def _is_dropped(self) -> bool:
        """Drop packets evenly: at 25 % every fourth."""
        self._drop_credit += self._faults.faults.drop_uplink
        if self._drop_credit < 100:
            return False
        self._drop_credit -= 100
        return True

    def wake(self) -> None:
        """Send every slot again, from now on."""
        self._idle_slots = 0
        if self._resting_slots and self._timer is not None and not self._timer.cancelled():
            self._timer.cancel()
            self._arm()

    def _hear(self, frames: list[ReceivedFrame], now_ns: int) -> None:
        for frame in frames:
            if self._recorder is not None:
                self._recorder.write(frame.pcm)
            actions = self._engine.audio(frame.pcm, now_ns)
            if actions:
                self.wake()
                self._perform(actions)

    def _arm(self, resting_slots: int = 0) -> None:
        due_ns = self._due_ns + resting_slots * FRAME_NS
        delay_s = max(0, due_ns - time.monotonic_ns()) / S_NS
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        now_ns = time.monotonic_ns()
        missed = max(0, now_ns - self._due_ns) // FRAME_NS
        self.skipped_slots += max(0, missed - self._resting_slots)
        slot = self._slot + missed
        self._slot = slot + 1
        self._due_ns += (missed + 1) * FRAME_NS
        idle = 0 < self._sparse_after_slots <= self._idle_slots and not self.receiver.waiting
        self._resting_slots = _RESTED_SLOTS if idle else 0
        self._arm(self._resting_slots)
        self._hear(self.receiver.pull(now_ns), now_ns)
        pcm, actions = self._engine.slot(now_ns)
        self.track.send_packet(self._encoder.packet(pcm), slot * FRAME_TICKS)
        if pcm is None and not actions:
            self._idle_slots += 1
        else:
            self.wake()
        if actions:
            self._perform(actions)
